//! TLS at the tap: terminated or passed through, and which clients are accepted.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hil_capture::Capture;
use hil_link::ByteStream;
use hil_mqtt::broker::{self, find_program};
use hil_mqtt::{Broker, Endpoint, Offers, PASSED_THROUGH, Route, TapPort, TlsMode, Transport};
use hil_timeline::{ConnectionChange, Cursor, Direction, Epoch, Mask, Packet, RunEvent, Timeline, What};
use hil_tls::{Certificates, ClientAuth, TlsIdentity, make_certificates, server_config};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, timeout};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SOON: Duration = Duration::from_secs(5);
const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01d";
const CONNACK: &[u8] = b"\x20\x02\x00\x00";

/// Certificates of one CA.
struct Made {
    folder: TempDir,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let (hosts, clients) = (vec!["127.0.0.1".to_owned()], vec!["lamp".to_owned()]);
        let wanted = Certificates { hosts, clients, valid: Some(Duration::from_secs(3600)) };
        make_certificates(folder.path(), &wanted).expect("made");
        Self { folder }
    }

    fn identity(&self, name: &str) -> TlsIdentity {
        let at = |name: String| self.folder.path().join(name);
        TlsIdentity { cert: at(format!("{name}.pem")), key: at(format!("{name}.key")) }
    }

    fn ca(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn terminate(&self) -> TlsMode {
        let (server, ca) = (self.identity("server"), self.ca());
        let config = |clients| server_config(&server, Some((&ca, clients))).expect("usable");
        TlsMode::Terminate { anybody: config(ClientAuth::Asked), with_certificate: config(ClientAuth::Required) }
    }
}

struct Fixture {
    timeline: Timeline,
    tap: TapPort,
    _broker: Box<dyn Broker>,
}

impl Fixture {
    async fn new(
        mode: TlsMode,
        mut broker: Box<dyn Broker>,
        identity: Option<TlsIdentity>,
        capture: Option<Capture>,
    ) -> Self {
        let timeline = Timeline::in_memory(Epoch::start());
        let offers = broker.start().await.expect("starts");
        let tap = TapPort::open("lamp", LOOPBACK, 0, mode).await.expect("tap");
        tap.open_route(Route { offers, identity, recorder: timeline.recorder(None), capture });
        Self { timeline, tap, _broker: broker }
    }

    fn endpoint(&self, transport: Transport, ca: &Made) -> Endpoint {
        Endpoint { ca: Some(ca.ca()), ..Endpoint::at(self.tap.address(), transport) }
    }

    async fn wait(&self, pick: impl FnMut(&RunEvent) -> Option<()>) {
        let found = self.timeline.wait_for(Cursor::default(), Instant::now() + SOON, pick).await;
        found.unwrap_or_else(|_| panic!("not seen: {:#?}", self.timeline.since(Cursor::default())));
    }
}

fn embedded() -> Box<dyn Broker> {
    broker::new(&hil_config::Broker::default(), Arc::new(|_| {})).expect("a broker")
}

/// Sends CONNECT and reads CONNACK.
async fn greet(stream: &mut Box<dyn ByteStream>) {
    stream.write_all(CONNECT).await.expect("sent");
    stream.flush().await.expect("sent");
    let mut answer = [0; 4];
    timeout(SOON, stream.read_exact(&mut answer)).await.expect("in time").expect("an answer");
    assert_eq!(answer, CONNACK);
}

#[tokio::test]
async fn tls_and_websocket_end_at_the_tap_which_sees_the_packets() {
    for (transport, layers) in [
        (Transport::Tcp, vec![]),
        (Transport::Tls, vec!["TLS 1.3"]),
        (Transport::WebSocket, vec!["WebSocket"]),
        (Transport::SecureWebSocket, vec!["TLS 1.3", "WebSocket"]),
    ] {
        let made = Made::new();
        let fixture = Fixture::new(made.terminate(), embedded(), None, None).await;
        let mut stream = fixture.endpoint(transport, &made).connect().await.expect("let in").into_stream();
        greet(&mut stream).await;
        fixture
            .wait(|event| {
                matches!(&event.what, What::Packet { packet: Packet::Connack { code: 0, .. }, .. }).then_some(())
            })
            .await;
        let events = fixture.timeline.since(Cursor::default());
        let laid = |event: &Arc<RunEvent>| match &event.what {
            What::Connection { change: ConnectionChange::Upgraded { layer }, .. } => Some(layer.clone()),
            _ => None,
        };
        assert_eq!(events.iter().filter_map(laid).collect::<Vec<_>>(), layers);
        // A TLS close reaches the broker, and its FIN comes back through all layers.
        stream.write_all(&[0xe0, 0]).await.expect("sent");
        stream.flush().await.expect("sent");
        let mut rest = Vec::new();
        let ended = timeout(SOON, stream.read_to_end(&mut rest)).await.expect("in time");
        assert!(ended.is_ok() && rest.is_empty(), "{transport:?}: {ended:?} {rest:?}");
    }
}

#[tokio::test]
async fn many_bytes_pass_every_layer_unchanged() {
    for transport in [Transport::Tls, Transport::WebSocket, Transport::SecureWebSocket] {
        let made = Made::new();
        let fixture = Fixture::new(made.terminate(), embedded(), None, None).await;
        let mut stream = fixture.endpoint(transport, &made).connect().await.expect("let in").into_stream();
        greet(&mut stream).await;
        stream.write_all(b"\x82\x06\x00\x01\x00\x01t\x00").await.expect("sent");
        // A message of a million bytes to itself.
        let payload: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
        let mut publish = b"\x30\xc3\x84\x3d\x00\x01t".to_vec();
        publish.extend(&payload);
        stream.write_all(&publish).await.expect("sent");
        stream.flush().await.expect("sent");
        let mut back = vec![0; 5 + publish.len()];
        timeout(SOON, stream.read_exact(&mut back)).await.expect("in time").expect("all of it");
        assert_eq!(back[..5], *b"\x90\x03\x00\x01\x00");
        assert!(back[5..] == publish, "{transport:?}");
    }
}

#[tokio::test]
async fn an_untrusted_client_gets_an_error() {
    let (made, other) = (Made::new(), Made::new());
    let fixture = Fixture::new(made.terminate(), embedded(), None, None).await;
    // The client does not trust the tap.
    let error = fixture.endpoint(Transport::Tls, &other).connect().await.expect_err("another CA");
    assert!(error.contains("invalid peer certificate"), "{error}");
    fixture.wait(|event| refused(event, "the TLS handshake with the board failed")).await;
    // The tap does not trust the client.
    let stranger = fixture.endpoint(Transport::Tls, &made).with_identity(Some(other.identity("lamp")));
    let stream = stranger.connect().await.map(hil_link::RelayConnection::into_stream);
    if let Ok(mut stream) = stream {
        // With TLS 1.3 a client learns of it only when it reads next.
        assert!(timeout(SOON, stream.read_u8()).await.expect("in time").is_err());
    }
    fixture.wait(|event| refused(event, "invalid peer certificate")).await;
    // A client without the required certificate.
    fixture.tap.require_certificates();
    if let Ok(leg) = fixture.endpoint(Transport::Tls, &made).connect().await {
        assert!(timeout(SOON, leg.into_stream().read_u8()).await.expect("in time").is_err());
    }
    fixture.wait(|event| refused(event, "peer sent no certificates")).await;
    let known = fixture.endpoint(Transport::Tls, &made).with_identity(Some(made.identity("lamp")));
    greet(&mut known.connect().await.expect("let in").into_stream()).await;
}

fn refused(event: &RunEvent, why: &str) -> Option<()> {
    match &event.what {
        What::Connection { change: ConnectionChange::Refused { reason, .. }, .. } => reason.contains(why).then_some(()),
        _ => None,
    }
}

#[tokio::test]
async fn a_tap_without_a_certificate_refuses_tls() {
    let made = Made::new();
    let fixture = Fixture::new(TlsMode::Absent, embedded(), None, None).await;
    assert!(fixture.endpoint(Transport::Tls, &made).connect().await.is_err());
    fixture.wait(|event| refused(event, "the board starts TLS, but the tap has no certificate")).await;
    let fixture = Fixture::new(TlsMode::PassThrough, embedded(), None, None).await;
    assert!(fixture.endpoint(Transport::Tls, &made).connect().await.is_err());
    fixture.wait(|event| refused(event, "the broker has no TLS endpoint to pass it through to")).await;
}

/// A Mosquitto with TLS, if it is installed.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn mosquitto(made: &Made, client_certificates: bool) -> Option<Box<dyn Broker>> {
    let required = std::env::var_os("HIL_REQUIRE_PARTS").is_some();
    if find_program().is_err() && !required {
        eprintln!("skipped: Mosquitto is not on this machine");
        return None;
    }
    let of = hil_config::Broker {
        kind: hil_mqtt::broker::kind("mosquitto").expect("a kind"),
        ..hil_config::Broker::default()
    };
    let mut broker = broker::new(&of, Arc::new(|_| {})).expect("installed");
    let settings = broker.settings().expect("ours");
    settings.tls = Some((made.identity("server"), made.ca()));
    settings.client_certificates = client_certificates;
    Some(broker)
}

#[tokio::test]
async fn tls_that_is_passed_through_reaches_the_broker_unread() {
    let made = Made::new();
    let Some(broker) = mosquitto(&made, true) else { return };
    let capture =
        Capture::create(&made.folder.path().join("c.pcapng"), 0, Some(Mask::default()), u64::MAX).expect("a file");
    let fixture = Fixture::new(TlsMode::PassThrough, broker, None, Some(capture.clone())).await;
    let lamp = fixture.endpoint(Transport::Tls, &made).with_identity(Some(made.identity("lamp")));
    greet(&mut lamp.connect().await.expect("let in by the broker itself").into_stream()).await;
    fixture
        .wait(|event| {
            matches!(&event.what, What::Connection { change: ConnectionChange::Upgraded { layer }, .. } if layer == PASSED_THROUGH)
                .then_some(())
        })
        .await;
    let packets = fixture.timeline.since(Cursor::default());
    assert!(!packets.iter().any(|event| matches!(event.what, What::Packet { .. })), "{packets:#?}");
    assert!(capture.failure().is_none());
    let bytes = std::fs::read(made.folder.path().join("c.pcapng")).expect("capture");
    assert!(bytes.len() > 1000 && !bytes.windows(4).any(|window| window == b"MQTT"), "{} bytes", bytes.len());
}

#[tokio::test]
async fn the_tap_presents_the_boards_certificate_to_the_broker_if_the_board_presented_one() {
    let made = Made::new();
    let Some(broker) = mosquitto(&made, true) else { return };
    let fixture = Fixture::new(made.terminate(), broker, Some(made.identity("lamp")), None).await;
    let shown = fixture.endpoint(Transport::Tls, &made).with_identity(Some(made.identity("lamp")));
    let mut stream = shown.connect().await.expect("let in").into_stream();
    greet(&mut stream).await;
    let up = |event: &RunEvent| match &event.what {
        What::Packet { direction: Direction::FromBoard, packet: Packet::Connect { .. }, .. } => Some(()),
        _ => None,
    };
    fixture.wait(up).await;
    // For a board without a certificate, none is presented.
    let mut stranger =
        fixture.endpoint(Transport::Tls, &made).connect().await.expect("the tap asks nobody").into_stream();
    let _ = stranger.write_all(CONNECT).await;
    assert!(timeout(SOON, stranger.read_u8()).await.expect("in time").is_err());
}

#[test]
fn a_board_is_connected_to_the_same_transport_if_the_broker_has_it() {
    let at = |port, transport| Endpoint::at(std::net::SocketAddr::new(LOOPBACK, port), transport);
    let boards = vec![at(1, Transport::Tcp), at(2, Transport::Tls)];
    let offers = Offers { observer: at(1, Transport::Tcp), observer_login: None, boards };
    let port = |transport| offers.for_boards(transport).map(|endpoint| endpoint.port);
    assert_eq!((port(Transport::Tls), port(Transport::WebSocket), port(Transport::Tcp)), (Some(2), Some(1), Some(1)));
}
