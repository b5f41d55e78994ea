//! The taps of a run, and the certificates they show.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use hil_bench::{TapAddress, TlsFiles};
use hil_config::TapTls;
use hil_mqtt::tls::{Certificates, ClientAuth, Identity, TlsError, check_validity, make_certificates, server_config};
use hil_mqtt::{Capture, Offers, Route, TapPort, TlsMode};
use hil_timeline::Recorder;
use tempfile::TempDir;

use crate::context::SetupError;

/// A tap for each board, all showing the same certificate.
#[derive(Debug)]
pub(crate) struct Network {
    taps: BTreeMap<String, TapPort>,
    host: String,
    certificates: RunCertificates,
    /// What passes is captured here, once somebody has said where.
    pub(crate) capture: OnceLock<Capture>,
}

/// Who the tap and the boards are: named in the bench file, or made for this run.
#[derive(Debug)]
struct RunCertificates {
    /// Of the tap.
    server: Identity,
    ca: PathBuf,
    boards: BTreeMap<String, Identity>,
    _folder: TempDir,
}

impl Network {
    /// Opens the taps of the boards that are wanted.
    pub(crate) async fn open(
        config: &hil_config::Bench,
        wanted: Option<&BTreeSet<String>>,
    ) -> Result<Self, SetupError> {
        let certificates = RunCertificates::get(config)?;
        let tls = match config.tap.tls {
            TapTls::PassThrough => TlsMode::PassThrough,
            TapTls::Terminate => certificates.tls_mode()?,
        };
        let mut taps = BTreeMap::new();
        let is_wanted = |name: &str| wanted.is_none_or(|boards| boards.contains(name));
        for board in config.boards.values().filter(|board| is_wanted(board.name.as_str())) {
            let tap = TapPort::open(board.name.as_str(), config.tap.address, board.tap_port, tls.clone()).await?;
            taps.insert(board.name.to_string(), tap);
        }
        let (host, capture) = (config.tap.address.to_string(), OnceLock::new());
        Ok(Self { taps, host, certificates, capture })
    }

    /// A board's tap.
    pub(crate) fn tap(&self, board: &str) -> Option<&TapPort> {
        self.taps.get(board)
    }

    /// Where a board reaches its tap, and what it needs to be trusted.
    pub(crate) fn address(&self, board: &str) -> TapAddress {
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let identity = self.certificates.boards.get(board);
        TapAddress {
            host: self.host.clone(),
            port: self.tap(board).map_or(0, |tap| tap.address().port()),
            ca: read(&self.certificates.ca),
            cert: identity.map(|identity| read(&identity.cert)).unwrap_or_default(),
            key: identity.map(|identity| read(&identity.key)).unwrap_or_default(),
            files: TlsFiles {
                ca: self.certificates.ca.clone(),
                cert: identity.map(|identity| identity.cert.clone()).unwrap_or_default(),
                key: identity.map(|identity| identity.key.clone()).unwrap_or_default(),
            },
        }
    }

    /// Leads a board's connections to a broker.
    pub(crate) fn lead(&self, board: &str, offers: &Offers, recorder: &Recorder) {
        if let Some(tap) = self.tap(board) {
            tap.open_route(Route {
                offers: offers.clone(),
                identity: self.certificates.boards.get(board).cloned(),
                recorder: recorder.clone(),
                capture: self.capture.get().cloned(),
            });
        }
    }

    /// What a broker of ours may show: the tap's own certificate, and who signed it.
    pub(crate) fn server_identity(&self) -> (Identity, PathBuf) {
        (self.certificates.server.clone(), self.certificates.ca.clone())
    }
}

impl RunCertificates {
    fn get(config: &hil_config::Bench) -> Result<Self, SetupError> {
        /// Longer than any run.
        const VALID: Duration = Duration::from_secs(30 * 24 * 3600);
        let made_here = |error: std::io::Error| SetupError::Certificates(error.to_string());
        let folder = tempfile::Builder::new().prefix("hil-certificates-").tempdir().map_err(made_here)?;
        let clients: Vec<String> = config.boards.keys().map(ToString::to_string).collect();
        let hosts = vec![config.tap.address.to_string(), "127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = Certificates { hosts, clients: clients.clone(), valid: Some(VALID) };
        make_certificates(folder.path(), &made).map_err(made_here)?;
        let at = |name: &str| folder.path().join(name);
        let pair = |name: &str| Identity { cert: at(&format!("{name}.pem")), key: at(&format!("{name}.key")) };
        let own = |(cert, key): &(PathBuf, PathBuf)| Identity { cert: cert.clone(), key: key.clone() };
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
        Ok(Self { server, ca, boards, _folder: folder })
    }

    fn tls_mode(&self) -> Result<TlsMode, TlsError> {
        let config = |clients| server_config(&self.server, Some((&self.ca, clients)));
        Ok(TlsMode::Terminate { anybody: config(ClientAuth::Asked)?, with_certificate: config(ClientAuth::Required)? })
    }
}

impl From<TlsError> for SetupError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}
