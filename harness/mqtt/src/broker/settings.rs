//! Users, rights and limits of a broker that `hil` configures.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use super::{Acl, BrokerError};
use hil_tls::TlsIdentity;

/// What scenarios may change about a broker.
#[derive(Clone, Default)]
pub struct Settings {
    /// Users and their passwords; if empty, every client may connect.
    pub users: BTreeMap<String, String>,
    /// The access rules; without any, everything is allowed.
    pub acl: Option<Acl>,
    /// How many clients may be connected at once, not counting the harness.
    pub max_connections: Option<u32>,
    /// Whether sessions and retained messages survive a restart.
    pub persistence: bool,
    /// The broker's certificate and the CA that it trusts; without them there is no TLS.
    pub tls: Option<(TlsIdentity, PathBuf)>,
    /// Whether clients must present a certificate.
    pub client_certificates: bool,
}

/// Leaves out passwords.
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

/// A random user name or password.
pub(super) fn random_secret() -> String {
    use ring::rand::{SecureRandom as _, SystemRandom};
    let mut bytes = [0; 16];
    // A system without randomness can't run TLS either; the name is then merely unusual.
    let _ = SystemRandom::new().fill(&mut bytes);
    hex::encode(bytes)
}
