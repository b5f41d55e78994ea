//! The certificates of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hil_mqtt::TlsMode;
use hil_scratch::Scratch;
use hil_tls::{
    Authority, CertificateFlaw, Certificates, ClientAuth, ServerConfig, TlsError, TlsIdentity, check_validity,
    make_with_authority, server_config,
};
use parking_lot::Mutex;

use super::{from_here, guest_host};
use crate::error::StepError;
use crate::setup_error::SetupError;

/// Names and flaw of a certificate.
type Made = (BTreeSet<String>, Option<CertificateFlaw>);

/// Identities of the tap and the boards: from the bench file, or made for this run.
#[derive(Debug)]
pub(crate) struct RunCertificates {
    /// The tap's.
    pub(super) server: TlsIdentity,
    pub(super) ca: PathBuf,
    pub(super) boards: BTreeMap<String, TlsIdentity>,
    /// Signs certificates with flaws; none if the CA is that of the bench file, whose key is not here.
    authority: Option<Authority>,
    /// Whom the server's certificate is for.
    hosts: Vec<String>,
    /// Certificates that were made during the run: the names that they are for besides, and their flaws.
    made: Mutex<BTreeMap<Made, TlsIdentity>>,
    folder: Scratch,
}

impl RunCertificates {
    pub(super) fn get(config: &hil_config::Bench) -> Result<Self, SetupError> {
        /// Longer than any run.
        const VALID: Duration = Duration::from_secs(30 * 24 * 3600);
        let made_here = |error: std::io::Error| SetupError::Certificates(error.to_string());
        let folder = Scratch::new("certificates").map_err(made_here)?;
        let clients: Vec<String> = config.boards.keys().map(ToString::to_string).collect();
        let addresses = [config.tap.address, from_here(config.tap.listen)].map(|address| address.to_string());
        let mut hosts = addresses.to_vec();
        hosts.extend(["127.0.0.1", "localhost"].map(str::to_owned));
        // As boards that execute their firmware, and guests of emulators, see this machine.
        hosts.push(hil_bench::virtual_gateway().to_string());
        hosts.extend(config.boards.values().filter_map(guest_host).map(|(_, host)| host));
        let mut seen = BTreeSet::new();
        hosts.retain(|host| seen.insert(host.clone()));
        let made = Certificates { hosts, clients: clients.clone(), valid: Some(VALID) };
        let hosts = made.hosts.clone();
        let (_, authority) = make_with_authority(folder.path(), &made).map_err(made_here)?;
        let authority = config.tap.ca.is_none().then_some(authority);
        let at = |name: &str| folder.path().join(name);
        let pair = |name: &str| TlsIdentity { cert: at(&format!("{name}.pem")), key: at(&format!("{name}.key")) };
        let own = |(cert, key): &(PathBuf, PathBuf)| TlsIdentity { cert: cert.clone(), key: key.clone() };
        let boards = config.boards.values().map(|board| {
            let name = board.name.to_string();
            let identity = board.identity.as_ref().map_or_else(|| pair(&name), own);
            (name, identity)
        });
        let boards: BTreeMap<_, _> = boards.collect();
        let server = config.tap.identity.as_ref().map_or_else(|| pair("server"), own);
        let ca = config.tap.ca.clone().unwrap_or_else(|| at("ca.pem"));
        for path in boards.values().map(|identity| &identity.cert).chain([&server.cert, &ca]) {
            check_validity(path)?;
        }
        Ok(Self { server, ca, boards, authority, hosts, made: Mutex::default(), folder })
    }

    /// Boards need no certificate of their own for files.
    pub(super) fn https(&self) -> Result<Option<Arc<ServerConfig>>, TlsError> {
        server_config(&self.server, None).map(Some)
    }

    pub(super) fn tls_mode(&self) -> Result<TlsMode, TlsError> {
        self.terminating(&self.server)
    }

    fn terminating(&self, server: &TlsIdentity) -> Result<TlsMode, TlsError> {
        let config = |clients| server_config(server, Some((&self.ca, clients)));
        Ok(TlsMode::Terminate { anybody: config(ClientAuth::Asked)?, with_certificate: config(ClientAuth::Required)? })
    }

    /// What taps show to boards instead of their certificate: one with a flaw, or one that is for these names as well.
    pub(crate) fn tap(&self, names: &BTreeSet<String>, flaw: Option<CertificateFlaw>) -> Result<TlsMode, StepError> {
        self.terminating(&self.make(names, flaw)?).map_err(unusable)
    }

    /// The same for services.
    pub(crate) fn server(
        &self,
        names: &BTreeSet<String>,
        flaw: Option<CertificateFlaw>,
    ) -> Result<Arc<ServerConfig>, StepError> {
        server_config(&self.make(names, flaw)?, None).map_err(unusable)
    }

    /// Whether certificates can be made during the run.
    pub(crate) fn can_make(&self) -> bool {
        self.authority.is_some()
    }

    fn make(&self, names: &BTreeSet<String>, flaw: Option<CertificateFlaw>) -> Result<TlsIdentity, StepError> {
        let Some(authority) = &self.authority else {
            let hint = "leave out `tap.cert`, `tap.key` and `tap.ca`: `hil` then makes certificates for each run";
            let what = "the bench file brings the certificates, and the key of their CA is not here";
            return Err(StepError::errored(format!("{what}: none with a flaw can be made")).with_hint(hint));
        };
        let mut made = self.made.lock();
        let key = (names.clone(), flaw);
        if let Some(identity) = made.get(&key) {
            return Ok(identity.clone());
        }
        let hosts: Vec<_> = self.hosts.iter().chain(names).cloned().collect();
        let folder = self.folder.path().join(format!("made-{}", made.len() + 1));
        let identity = std::fs::create_dir_all(&folder).and_then(|()| match flaw {
            Some(flaw) => authority.flawed(&folder, &hosts, flaw),
            None => authority.good(&folder, &hosts),
        });
        let identity = identity.map_err(|error| StepError::errored(format!("can't make a certificate: {error}")))?;
        made.insert(key, identity.clone());
        Ok(identity)
    }
}

fn unusable(error: TlsError) -> StepError {
    let hint = error.hint();
    StepError::errored(error.to_string()).with_hint(hint)
}
