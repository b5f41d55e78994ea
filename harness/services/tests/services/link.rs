//! Faults of a board's network act on its connections to every service: one suite for MQTT and HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use hil_link::{Control, PathDirection};
use hil_mqtt::{Broker, Fault, Route, TapPort, TlsMode};
use hil_services::{Behaviour, BoardNetwork};
use hil_timeline::{ConnectionChange, Cursor, Epoch, Exchange, Recorder, Timeline, What};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::Bench;

const SOON: Duration = Duration::from_secs(20);
/// How long nothing comes while the network is silent: longer than an answer usually takes.
const A_WHILE: Duration = Duration::from_millis(300);

/// A service that answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Mqtt,
    Http,
}

/// A board's network with both services.
struct Network {
    tap: TapPort,
    http: Bench,
    timeline: Timeline,
    recorder: Recorder,
    _broker: Box<dyn Broker>,
}

impl Network {
    async fn new() -> Self {
        let mut broker = hil_mqtt::broker::new(&hil_config::Broker::default(), Arc::new(|_| {})).expect("a broker");
        let offers = broker.start().await.expect("broker");
        let timeline = Timeline::in_memory(Epoch::start());
        let recorder = timeline.recorder(None);
        let tap = TapPort::open("lamp", IpAddr::V4(Ipv4Addr::LOCALHOST), 0, TlsMode::Absent).await.expect("tap");
        tap.open_route(Route { offers, identity: None, recorder: recorder.clone(), capture: None });
        let network =
            BoardNetwork { control: tap.control().clone(), refusal: tap.refusal().clone(), peers: tap.peers().clone() };
        let http = Bench::behind(network, Behaviour::default());
        Self { tap, http, timeline, recorder, _broker: broker }
    }

    fn address(&self, protocol: Protocol) -> SocketAddr {
        match protocol {
            Protocol::Mqtt => self.tap.address(),
            Protocol::Http => self.http.port.address(),
        }
    }

    async fn apply(&self, fault: Fault) {
        self.tap.apply(&fault, &self.recorder).await;
    }

    fn control(&self) -> &Control {
        self.tap.control()
    }

    /// A connection that has been answered once.
    async fn connect(&self, protocol: Protocol) -> Client {
        let stream = TcpStream::connect(self.address(protocol)).await.expect("connects");
        let mut client = Client { stream, protocol, begun: false };
        client.ask().await;
        client.answered().await;
        client
    }

    /// How a connection ended, as recorded.
    async fn ended(&self, protocol: Protocol) -> String {
        self.ended_within(protocol, SOON).await.expect("an end is recorded")
    }

    async fn ended_within(&self, protocol: Protocol, limit: Duration) -> Option<String> {
        let deadline = Instant::now() + limit;
        let timeline = if protocol == Protocol::Mqtt { &self.timeline } else { &self.http.timeline };
        let found = timeline.wait_for(Cursor::default(), deadline, |event| match &event.what {
            What::Connection { change: ConnectionChange::Closed { how }, .. }
            | What::Service { exchange: Exchange::Closed { how }, .. } => Some(how.clone()),
            _ => None,
        });
        found.await.ok()
    }
}

struct Client {
    stream: TcpStream,
    protocol: Protocol,
    begun: bool,
}

impl Client {
    /// A request: the first one of MQTT is CONNECT, later ones are PINGREQ.
    async fn ask(&mut self) {
        let request: &[u8] = match (self.protocol, std::mem::replace(&mut self.begun, true)) {
            (Protocol::Mqtt, false) => b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01l",
            (Protocol::Mqtt, true) => b"\xc0\x00",
            (Protocol::Http, _) => b"HEAD /app.bin HTTP/1.1\r\nHost: h\r\n\r\n",
        };
        self.stream.write_all(request).await.expect("sent");
    }

    /// Reads one answer.
    async fn answered(&mut self) {
        timeout(SOON, self.read()).await.expect("an answer").expect("read");
    }

    async fn read(&mut self) -> std::io::Result<()> {
        match self.protocol {
            Protocol::Mqtt => {
                let mut head = [0; 2];
                self.stream.read_exact(&mut head).await?;
                self.stream.read_exact(&mut vec![0; head[1].into()]).await.map(drop)
            }
            Protocol::Http => {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(self.stream.read_u8().await?);
                }
                assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
                Ok(())
            }
        }
    }

    async fn is_silent(&mut self) -> bool {
        timeout(A_WHILE, self.stream.read_u8()).await.is_err()
    }

    /// How the stream ends: `Ok` for FIN.
    async fn end(&mut self) -> std::io::Result<()> {
        timeout(SOON, self.stream.read_to_end(&mut Vec::new())).await.expect("an end").map(drop)
    }
}

async fn on_both(test: impl AsyncFn(Network, Protocol)) {
    for protocol in [Protocol::Mqtt, Protocol::Http] {
        test(Network::new().await, protocol).await;
    }
}

/// A client that asks in a silence gets its answer once the silence ends.
async fn is_held(network: &Network, client: &mut Client) {
    client.ask().await;
    assert!(client.is_silent().await, "{:?}", client.protocol);
    network.apply(Fault::Recover).await;
    client.answered().await;
}

#[tokio::test]
async fn a_silence_holds_what_is_sent_until_it_ends() {
    for directions in [PathDirection::BOTH.to_vec(), vec![PathDirection::Downstream]] {
        on_both(async |network, protocol| {
            let mut client = network.connect(protocol).await;
            network.apply(Fault::Silence(directions.clone())).await;
            is_held(&network, &mut client).await;
        })
        .await;
    }
}

#[tokio::test]
async fn a_silence_also_holds_new_connections() {
    on_both(async |network, protocol| {
        network.apply(Fault::Silence(PathDirection::BOTH.to_vec())).await;
        let stream = TcpStream::connect(network.address(protocol)).await.expect("the system accepts it");
        is_held(&network, &mut Client { stream, protocol, begun: false }).await;
    })
    .await;
}

#[tokio::test]
async fn a_delay_acts_in_both_directions() {
    on_both(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        let by = Duration::from_millis(150);
        network.apply(Fault::Delay { by, jitter: Duration::ZERO }).await;
        let begin = Instant::now();
        client.ask().await;
        client.answered().await;
        assert!(begin.elapsed() >= 2 * by, "{protocol:?}: {:?}", begin.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_bandwidth_is_not_exceeded() {
    on_both(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.apply(Fault::Bandwidth(NonZeroU64::new(100).expect("more than 0"))).await;
        let begin = Instant::now();
        let requests = if protocol == Protocol::Mqtt { 26 } else { 2 };
        for _ in 0..requests {
            client.ask().await;
        }
        for _ in 0..requests {
            client.answered().await;
        }
        // More than 50 bytes at 100 B/s, the first portion at once.
        assert!(begin.elapsed() >= Duration::from_millis(400), "{protocol:?}: {:?}", begin.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_closed_with_fin() {
    on_both(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.apply(Fault::Close).await;
        client.end().await.expect("FIN");
        assert_eq!(network.ended(protocol).await, "closed by the bench");
        network.connect(protocol).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_reset_with_rst() {
    on_both(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.apply(Fault::Reset).await;
        assert_eq!(client.end().await.expect_err("RST").kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(network.ended(protocol).await, "reset by the bench");
        network.connect(protocol).await;
    })
    .await;
}

#[tokio::test]
async fn new_connections_are_refused_and_open_ones_stay() {
    on_both(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.apply(Fault::Refuse).await;
        let refused = TcpStream::connect(network.address(protocol)).await.expect_err("refused");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{protocol:?}");
        client.ask().await;
        client.answered().await;
        network.apply(Fault::Accept).await;
        network.connect(protocol).await;
    })
    .await;
}

/// A power cut of a program's board is a silence: the program is killed, and its FIN must not be seen.
#[tokio::test]
async fn the_end_of_an_abandoned_connection_is_not_seen() {
    on_both(async |network, protocol| {
        let client = network.connect(protocol).await;
        network.tap.abandon();
        drop(client);
        assert_eq!(network.ended_within(protocol, A_WHILE).await, None, "{protocol:?}");
        network.control().end(hil_link::Ending::Reset);
        assert_eq!(network.ended(protocol).await, "reset by the bench", "{protocol:?}");
    })
    .await;
}

#[tokio::test]
async fn a_route_that_closes_resets_all() {
    on_both(async |network, protocol| {
        let mut client = network.connect(protocol).await;
        network.http.port.close_route();
        network.tap.close_route();
        assert_eq!(client.end().await.expect_err("RST").kind(), std::io::ErrorKind::ConnectionReset);
    })
    .await;
}
