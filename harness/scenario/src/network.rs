//! The taps and the services of a run, and their certificates.

mod certificates;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use hil_bench::{TapAddress, TlsFiles};
use hil_capture::Capture;
use hil_config::{BoardKind, TapTls, Wifi};
use hil_mqtt::{Offers, Route, TapPort, TlsMode};
use hil_services::{BoardNetwork, Files, HttpPort, HttpRoute, NameRecorder, NetworkClock, SntpPort, SntpRoute};
use hil_timeline::Recorder;
use hil_tls::{ServerConfig, TlsIdentity};

use self::certificates::RunCertificates;
use crate::setup_error::SetupError;

/// A tap for each board, all with the same certificate.
#[derive(Debug)]
pub(crate) struct Network {
    taps: BTreeMap<String, TapPort>,
    /// Where each board gets its files.
    files: BTreeMap<String, HttpPort>,
    /// Where each board gets the time.
    clocks: BTreeMap<String, SntpPort>,
    /// The certificate for HTTPS.
    https: Option<Arc<ServerConfig>>,
    /// The host at which boards on the network reach them.
    host: String,
    /// Virtual boards and emulators: they run on this machine and connect to the tap's own address.
    inside: BTreeSet<String>,
    /// Emulators whose guests reach this machine by another address.
    guests: BTreeMap<String, String>,
    certificates: RunCertificates,
    /// Where traffic is captured, once set.
    pub(crate) capture: OnceLock<Capture>,
    wifi: Wifi,
}

impl Network {
    /// Opens the taps of the claimed boards.
    pub(crate) async fn open(
        config: &hil_config::Bench,
        wanted: Option<&BTreeSet<String>>,
    ) -> Result<Self, SetupError> {
        let certificates = RunCertificates::get(config)?;
        let tls = match config.tap.tls {
            TapTls::PassThrough => TlsMode::PassThrough,
            TapTls::Terminate => certificates.tls_mode()?,
        };
        let https = certificates.https()?;
        let (mut taps, mut files, mut clocks) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let is_wanted = |name: &str| wanted.is_none_or(|boards| boards.contains(name));
        for board in config.boards.values().filter(|board| is_wanted(board.name.as_str())) {
            // An emulator's guest reaches this machine by an address that only the emulator knows.
            let listen = if board.emulator.is_some() { Ipv4Addr::LOCALHOST.into() } else { config.tap.listen };
            let tap = TapPort::open(board.name.as_str(), listen, board.tap_port, tls.clone()).await?;
            tap.expect_from(&board.from);
            let network = BoardNetwork {
                control: tap.control().clone(),
                refusal: tap.refusal().clone(),
                peers: tap.peers().clone(),
            };
            let http = SocketAddr::new(listen, board.http_port);
            files.insert(board.name.to_string(), HttpPort::open(board.name.as_str(), http, network.clone())?);
            let sntp = SocketAddr::new(listen, board.sntp_port);
            clocks.insert(board.name.to_string(), SntpPort::open(board.name.as_str(), sntp, network).await?);
            taps.insert(board.name.to_string(), tap);
        }
        let inside = |board: &&hil_config::Board| matches!(board.kind, BoardKind::Virtual | BoardKind::Emulator);
        let inside = config.boards.values().filter(inside).map(|board| board.name.to_string()).collect();
        let guests = config.boards.values().filter_map(guest_host).collect();
        let (host, capture) = (config.tap.address.to_string(), OnceLock::new());
        let wifi = config.wifi.clone().unwrap_or_default();
        Ok(Self { taps, files, clocks, https, host, inside, guests, certificates, capture, wifi })
    }

    /// A board's tap.
    pub(crate) fn tap(&self, board: &str) -> Option<&TapPort> {
        self.taps.get(board)
    }

    /// Where a board reaches its tap, and the certificates for it.
    pub(crate) fn address(&self, board: &str) -> TapAddress {
        let read = |path: &PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let identity = self.certificates.boards.get(board);
        let listens = self.tap(board).map(TapPort::address);
        let inside = listens.filter(|_| self.inside.contains(board)).map(|address| from_here(address.ip()).to_string());
        TapAddress {
            board: board.to_owned(),
            wifi: self.wifi.clone(),
            host: self.guests.get(board).cloned().or(inside).unwrap_or_else(|| self.host.clone()),
            port: listens.map_or(0, |address| address.port()),
            http_port: self.files.get(board).map_or(0, |files| files.address().port()),
            sntp_port: self.clocks.get(board).map_or(0, |clock| clock.address().port()),
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

    /// Routes a board's connections to a broker.
    pub(crate) fn route(&self, board: &str, offers: &Offers, recorder: &Recorder) {
        if let Some(tap) = self.tap(board) {
            tap.open_route(Route {
                offers: offers.clone(),
                identity: self.certificates.boards.get(board).cloned(),
                recorder: recorder.clone(),
                capture: self.capture.get().cloned(),
            });
        }
    }

    /// Serves files and the time to a board from now on. Without another certificate, HTTPS has that of the tap.
    pub(crate) fn serve(
        &self,
        board: &str,
        (files, clock): (&Files, &NetworkClock),
        certificate: Option<&Arc<ServerConfig>>,
        recorder: &Recorder,
    ) {
        let (recorder, capture) = (recorder.clone(), self.capture.get().cloned());
        if let Some(port) = self.files.get(board) {
            let (files, tls) = (files.clone(), certificate.cloned().or_else(|| self.https.clone()));
            port.open_route(HttpRoute { files, tls, recorder: recorder.clone(), capture: capture.clone() });
        }
        if let Some(port) = self.clocks.get(board) {
            port.open_route(SntpRoute { clock: clock.clone(), recorder, capture });
        }
    }

    /// Records which names a board asks for.
    pub(crate) fn name_recorder(&self, board: &str, recorder: &Recorder) -> NameRecorder {
        NameRecorder::new(board, recorder.clone(), self.capture.get().cloned())
    }

    /// Serves a board nothing more; its open connections end with those of its tap.
    pub(crate) fn stop_serving(&self, board: &str) {
        if let Some(port) = self.files.get(board) {
            port.close_route();
        }
        if let Some(port) = self.clocks.get(board) {
            port.close_route();
        }
    }

    /// The certificates of taps and services.
    pub(crate) fn certificates(&self) -> &RunCertificates {
        &self.certificates
    }

    /// The identity for a broker that the harness starts: the tap's certificate, and its CA.
    pub(crate) fn server_identity(&self) -> (TlsIdentity, PathBuf) {
        (self.certificates.server.clone(), self.certificates.ca.clone())
    }
}

/// An emulator, and where its guest reaches this machine.
fn guest_host(board: &hil_config::Board) -> Option<(String, String)> {
    Some((board.name.to_string(), board.emulator.as_ref()?.tap_host.clone()?))
}

/// The address to connect to from this machine for an address to listen on.
fn from_here(listen: IpAddr) -> IpAddr {
    match listen {
        IpAddr::V4(address) if address.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(address) if address.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_advertised_address_may_differ_from_the_listening_one() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bench.toml");
        let text = "[tap]\naddress = \"10.0.2.2\"\nlisten = \"0.0.0.0\"\n\
            [boards.real]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = { path = \"/dev/pts/none\" }\n\
            [boards.inside]\nkind = \"virtual\"\n";
        std::fs::write(&path, text).expect("write");
        let config = hil_config::Bench::from_file(&path, &crate::kinds()).expect("valid");
        // 10.0.2.2 is not an address of this machine: a tap that listened there could not be opened.
        let network = Network::open(&config, None).await.expect("open");
        let (real, inside) = (network.address("real"), network.address("inside"));
        assert_eq!((real.host.as_str(), inside.host.as_str()), ("10.0.2.2", "127.0.0.1"));
        let listens = network.tap("real").expect("a tap").address();
        assert_eq!((listens.ip(), real.port), (IpAddr::V4(Ipv4Addr::UNSPECIFIED), listens.port()));
        tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, inside.port)).await.expect("reached from here");
    }
}
