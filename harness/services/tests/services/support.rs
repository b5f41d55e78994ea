//! A port with one file.

use std::process::Output;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hil_services::{Behaviour, BoardNetwork, Files, HttpPort, HttpRoute, Offer};
use hil_timeline::{Cursor, Epoch, Exchange, Timeline, What};
use hil_tls::{CertificateFlaw, Certificates, ServerConfig, TlsIdentity, make_with_authority, server_config};
use tokio::time::Instant;

/// 100,000 bytes that differ from place to place.
pub(crate) static FILE: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0_u32..25_000).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect());

/// A port with one file, `/app.bin`.
pub(crate) struct Bench {
    pub(crate) port: HttpPort,
    pub(crate) timeline: Timeline,
    /// What is offered.
    pub(crate) offer: Offer,
    /// What HTTPS shows.
    pub(crate) tls: Arc<ServerConfig>,
    /// The file of the CA.
    pub(crate) ca: String,
    _folder: tempfile::TempDir,
}

impl Bench {
    pub(crate) fn new(behaviour: Behaviour) -> Self {
        Self::behind(BoardNetwork::default(), behaviour)
    }

    pub(crate) fn behind(network: BoardNetwork, behaviour: Behaviour) -> Self {
        Self::made(network, behaviour, None)
    }

    /// Its certificate has a flaw.
    pub(crate) fn flawed(flaw: CertificateFlaw) -> Self {
        Self::made(BoardNetwork::default(), Behaviour::default(), Some(flaw))
    }

    fn made(network: BoardNetwork, behaviour: Behaviour, flaw: Option<CertificateFlaw>) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let hosts = vec!["127.0.0.1".to_owned()];
        let made = Certificates { hosts: hosts.clone(), clients: Vec::new(), valid: Some(Duration::from_secs(3600)) };
        let (_, authority) = make_with_authority(folder.path(), &made).expect("certificates");
        let at = |name: &str| folder.path().join(name);
        let identity = match flaw {
            Some(flaw) => authority.flawed(folder.path(), &hosts, flaw).expect("a certificate"),
            None => TlsIdentity { cert: at("server.pem"), key: at("server.key") },
        };
        let tls = server_config(&identity, None).expect("settings");
        let timeline = Timeline::in_memory(Epoch::start());
        let port = HttpPort::open("lamp", "127.0.0.1:0".parse().expect("address"), network).expect("open");
        let files = Files::default();
        let offer = Offer::new(FILE.clone(), behaviour);
        files.offer("/app.bin", offer.clone());
        let recorder = timeline.recorder(None);
        port.open_route(HttpRoute { files, tls: Some(Arc::clone(&tls)), recorder, capture: None });
        let ca = at("ca.pem").display().to_string();
        Self { port, timeline, offer, tls, ca, _folder: folder }
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}/app.bin", self.port.address())
    }

    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let events = self.timeline.since(Cursor::default());
        let exchanges = events.iter().filter_map(|event| match &event.what {
            What::Service { exchange, .. } => Some(exchange.clone()),
            _ => None,
        });
        exchanges.collect()
    }

    pub(crate) async fn wait(&self, wanted: impl Fn(&Exchange) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let found = self.timeline.wait_for(Cursor::default(), deadline, |event| match &event.what {
            What::Service { exchange, .. } if wanted(exchange) => Some(()),
            _ => None,
        });
        found.await.unwrap_or_else(|_| panic!("not recorded: {:#?}", self.exchanges()));
    }
}

/// Runs curl.
pub(crate) async fn curl(arguments: &[&str]) -> Output {
    tokio::process::Command::new("curl").args(arguments).output().await.expect("curl runs")
}

/// What curl prints.
pub(crate) async fn curl_output(arguments: &[&str]) -> String {
    String::from_utf8_lossy(&curl(arguments).await.stdout).into_owned()
}
