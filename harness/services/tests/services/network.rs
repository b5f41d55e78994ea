//! A board's network with all of its services, and clients of them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hil_link::ByteStream;
use hil_mqtt::{Broker, Fault, Route, TapPort, TlsMode};
use hil_services::{Behaviour, BoardNetwork, NetworkClock, SntpPort, SntpRoute};
use hil_timeline::{ConnectionChange, Cursor, Epoch, Exchange, Packet, Recorder, Service, Timeline, What};
use hil_tls::client_config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::support::Bench;

pub(crate) const SOON: Duration = Duration::from_secs(20);
/// How long nothing comes while the network is silent: longer than an answer usually takes.
pub(crate) const A_WHILE: Duration = Duration::from_millis(300);

/// A service that answers over connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Mqtt,
    MqttOverTls,
    Http,
    Https,
}

impl Protocol {
    pub(crate) const ALL: [Self; 4] = [Self::Mqtt, Self::MqttOverTls, Self::Http, Self::Https];

    pub(crate) fn is_mqtt(self) -> bool {
        matches!(self, Self::Mqtt | Self::MqttOverTls)
    }

    pub(crate) fn is_over_tls(self) -> bool {
        matches!(self, Self::MqttOverTls | Self::Https)
    }
}

/// A board's network with all services.
pub(crate) struct Network {
    pub(crate) tap: TapPort,
    pub(crate) http: Bench,
    pub(crate) clock: SntpPort,
    pub(crate) timeline: Timeline,
    recorder: Recorder,
    _broker: Box<dyn Broker>,
}

impl Network {
    pub(crate) async fn new() -> Self {
        let mut broker = hil_mqtt::broker::new(&hil_config::Broker::default(), Arc::new(|_| {})).expect("a broker");
        let offers = broker.start().await.expect("broker");
        let timeline = Timeline::in_memory(Epoch::start());
        let recorder = timeline.recorder(None);
        let tap = TapPort::open("lamp", IpAddr::V4(Ipv4Addr::LOCALHOST), 0, TlsMode::Absent).await.expect("tap");
        tap.open_route(Route { offers, identity: None, recorder: recorder.clone(), capture: None });
        let network =
            BoardNetwork { control: tap.control().clone(), refusal: tap.refusal().clone(), peers: tap.peers().clone() };
        let clock =
            SntpPort::open("lamp", "127.0.0.1:0".parse().expect("address"), network.clone()).await.expect("open");
        clock.open_route(SntpRoute { clock: NetworkClock::default(), recorder: recorder.clone(), capture: None });
        let http = Bench::behind(network, Behaviour::default());
        tap.show(TlsMode::Terminate { anybody: Arc::clone(&http.tls), with_certificate: Arc::clone(&http.tls) });
        Self { tap, http, clock, timeline, recorder, _broker: broker }
    }

    pub(crate) fn address(&self, protocol: Protocol) -> SocketAddr {
        if protocol.is_mqtt() { self.tap.address() } else { self.http.port.address() }
    }

    pub(crate) async fn apply(&self, fault: Fault) {
        self.tap.apply(&fault, &self.recorder).await;
    }

    /// A connection that has been answered once.
    pub(crate) async fn connect(&self, protocol: Protocol) -> Client {
        let stream = TcpStream::connect(self.address(protocol)).await.expect("connects");
        self.begin(protocol, stream).await
    }

    /// The handshake of TLS, if there is one, and the first answer.
    pub(crate) async fn begin(&self, protocol: Protocol, stream: TcpStream) -> Client {
        let mut client = self.secure(protocol, stream).await;
        client.ask().await;
        client.answered().await;
        client
    }

    /// The handshake of TLS, if there is one.
    pub(crate) async fn secure(&self, protocol: Protocol, stream: TcpStream) -> Client {
        let stream: Box<dyn ByteStream> = if protocol.is_over_tls() {
            let config = client_config(Some(self.http.ca.as_ref()), None).expect("settings");
            let name = IpAddr::V4(Ipv4Addr::LOCALHOST).into();
            let secured = timeout(SOON, TlsConnector::from(config).connect(name, stream)).await;
            Box::new(secured.expect("in time").expect("a handshake"))
        } else {
            Box::new(stream)
        };
        Client { stream, protocol, begun: false }
    }

    /// Waits until a connection is recorded.
    pub(crate) async fn opened(&self, protocol: Protocol) {
        self.recorded(protocol, |what| {
            matches!(
                what,
                What::Connection { change: ConnectionChange::Opened, .. }
                    | What::Service { exchange: Exchange::Opened { .. }, .. }
            )
        })
        .await;
    }

    /// Waits until the first request of a board is recorded.
    pub(crate) async fn asked(&self, protocol: Protocol) {
        self.recorded(protocol, |what| {
            matches!(
                what,
                What::Packet { packet: Packet::Connect { .. }, .. }
                    | What::Service { exchange: Exchange::Request { .. }, .. }
            )
        })
        .await;
    }

    async fn recorded(&self, protocol: Protocol, is_it: impl Fn(&What) -> bool) {
        let timeline = if protocol.is_mqtt() { &self.timeline } else { &self.http.timeline };
        let found =
            timeline.wait_for(Cursor::default(), Instant::now() + SOON, |event| is_it(&event.what).then_some(()));
        found.await.expect("it is recorded");
    }

    /// How a connection ended, as recorded.
    pub(crate) async fn ended(&self, protocol: Protocol) -> String {
        self.ended_within(protocol, SOON).await.expect("an end is recorded")
    }

    pub(crate) async fn ended_within(&self, protocol: Protocol, limit: Duration) -> Option<String> {
        let deadline = Instant::now() + limit;
        let timeline = if protocol.is_mqtt() { &self.timeline } else { &self.http.timeline };
        let found = timeline.wait_for(Cursor::default(), deadline, |event| match &event.what {
            What::Connection { change: ConnectionChange::Closed { how }, .. }
            | What::Service { exchange: Exchange::Closed { how }, .. } => Some(how.clone()),
            _ => None,
        });
        found.await.ok()
    }

    /// How many questions for the time have reached the server.
    pub(crate) fn times_asked(&self) -> usize {
        let events = self.timeline.since(Cursor::default());
        let is_question = |what: &What| matches!(what, What::Service { service: Service::Sntp, .. });
        events.iter().filter(|event| is_question(&event.what)).count()
    }
}

/// A connection of a client.
pub(crate) struct Client {
    stream: Box<dyn ByteStream>,
    protocol: Protocol,
    begun: bool,
}

impl Client {
    /// A request: the first one of MQTT is CONNECT, later ones are PINGREQ.
    pub(crate) async fn ask(&mut self) {
        let request: &[u8] = match (self.protocol.is_mqtt(), std::mem::replace(&mut self.begun, true)) {
            (true, false) => b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01l",
            (true, true) => b"\xc0\x00",
            (false, _) => b"HEAD /app.bin HTTP/1.1\r\nHost: h\r\n\r\n",
        };
        self.stream.write_all(request).await.expect("sent");
        self.stream.flush().await.expect("sent");
    }

    /// Reads one answer.
    pub(crate) async fn answered(&mut self) {
        timeout(SOON, self.read()).await.expect("an answer").expect("read");
    }

    async fn read(&mut self) -> std::io::Result<()> {
        if self.protocol.is_mqtt() {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).await?;
            return self.stream.read_exact(&mut vec![0; head[1].into()]).await.map(drop);
        }
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await?);
        }
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
        Ok(())
    }

    pub(crate) async fn is_silent(&mut self) -> bool {
        timeout(A_WHILE, self.stream.read_u8()).await.is_err()
    }

    /// How the stream ends: `Ok` for FIN.
    pub(crate) async fn end(&mut self) -> std::io::Result<()> {
        timeout(SOON, self.stream.read_to_end(&mut Vec::new())).await.expect("an end").map(drop)
    }
}
