//! Who may do what on a broker that is ours.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::{Acl, BrokerError};
use crate::tls::TlsIdentity;

/// What scenarios may change about a broker.
#[derive(Clone, Default)]
pub struct Settings {
    /// Users and their passwords; without any, everybody may connect.
    pub users: BTreeMap<String, String>,
    /// Who may read and write what; none allows everything.
    pub acl: Option<Acl>,
    /// How many clients may be connected at once; the harness does not count.
    pub max_connections: Option<u32>,
    /// Whether sessions and retained messages outlive a restart.
    pub persistence: bool,
    /// What it shows in TLS, and whose certificates it trusts; none has no TLS.
    pub tls: Option<(TlsIdentity, PathBuf)>,
    /// Whether clients must show a certificate.
    pub client_certificates: bool,
}

/// Says nothing of passwords.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("users", &self.users.keys()).field("acl", &self.acl).finish_non_exhaustive()
    }
}

impl Settings {
    pub(super) fn of(config: &hil_config::Broker) -> Result<Self, BrokerError> {
        let acl = match &config.acl {
            None => None,
            Some(path) => {
                let text = hil_files::read_text(path, hil_files::Links::Follow);
                let text = text.map_err(|source| BrokerError::File { path: path.clone(), source })?;
                Some(Acl::parse(&text)?)
            }
        };
        let identity = config.tls.identity.clone().map(|(cert, key)| TlsIdentity { cert, key });
        Ok(Self {
            users: config.users.clone(),
            acl,
            max_connections: config.max_connections,
            persistence: config.persistence,
            tls: identity.zip(config.tls.ca.clone()),
            client_certificates: config.tls.client_certificates,
        })
    }
}

/// A name or password that nobody can guess.
pub(super) fn random_secret() -> String {
    use ring::rand::{SecureRandom as _, SystemRandom};
    let mut bytes = [0; 16];
    // A system without randomness starts no TLS either; what is left is a name that is merely unusual.
    let _ = SystemRandom::new().fill(&mut bytes);
    hex::encode(bytes)
}
