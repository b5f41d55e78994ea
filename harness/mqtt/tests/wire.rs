//! Broker, tap and observer together, with a real client connected through the tap.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hil_link::PathDirection;
use hil_mqtt::{Broker, Observer, Offers, Route, TapPort, TlsMode, broker};
use hil_timeline::{ConnectionChange, Cursor, Direction, Epoch, Packet, Payload, QoS, RunEvent, Timeline, What};
use hil_verdict::Session;
use rumqttc::{AsyncClient, Event, LastWill, MqttOptions};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct Fixture {
    timeline: Timeline,
    broker: Box<dyn Broker>,
    offers: Offers,
    tap: TapPort,
    observer: Observer,
}

impl Fixture {
    async fn new() -> Self {
        let timeline = Timeline::in_memory(Epoch::start());
        let mut broker = broker::new(&hil_config::Broker::default(), Arc::new(|_| {})).expect("a broker");
        let offers = broker.start().await.expect("broker");
        let tap = TapPort::open("lamp", LOOPBACK, 0, TlsMode::Absent).await.expect("tap");
        tap.open_route(Route {
            offers: offers.clone(),
            identity: None,
            recorder: timeline.recorder(None),
            capture: None,
        });
        let observer = Observer::connect("observer", &offers, timeline.recorder(None)).await.expect("observer");
        observer.subscribe("#").await.expect("subscribed");
        Self { timeline, broker, offers, tap, observer }
    }

    async fn wait<T>(&self, from: Cursor, pick: impl FnMut(&RunEvent) -> Option<T>) -> T {
        let found = self.timeline.wait_for(from, Instant::now() + Duration::from_secs(10), pick).await;
        found.unwrap_or_else(|_| panic!("not seen; the timeline holds {:#?}", self.timeline.since(from)))
    }

    fn session(&self) -> Session {
        let events = self.timeline.since(Cursor::default());
        Session::of("lamp", events.iter().map(AsRef::as_ref))
    }
}

struct Device {
    client: AsyncClient,
    pump: JoinHandle<()>,
}

/// A client that answers at full speed, as a device connected through the tap.
fn device(fixture: &Fixture, keep_alive: u64) -> Device {
    let mut options = MqttOptions::new("device", "127.0.0.1", fixture.tap.address().port());
    options.set_keep_alive(Duration::from_secs(keep_alive));
    options.set_last_will(LastWill::new("status", "gone", rumqttc::QoS::AtLeastOnce, true));
    let (client, mut events) = AsyncClient::new(options, 16);
    let answers = client.clone();
    let pump = tokio::spawn(async move {
        while let Ok(event) = events.poll().await {
            if let Event::Incoming(rumqttc::Packet::Publish(publish)) = event
                && publish.topic == "command"
            {
                let _ = answers.publish("answer", rumqttc::QoS::AtLeastOnce, false, publish.payload).await;
            }
        }
    });
    Device { client, pump }
}

fn is_answer(event: &RunEvent) -> Option<Payload> {
    match &event.what {
        What::Packet { direction: Direction::FromBoard, packet: Packet::Publish { topic, payload, .. }, .. }
            if topic == "answer" =>
        {
            Some(payload.clone())
        }
        _ => None,
    }
}

fn is_suback(event: &RunEvent) -> Option<()> {
    matches!(&event.what, What::Packet { packet: Packet::Suback { .. }, .. }).then_some(())
}

fn observed(event: &RunEvent, wanted: &str) -> Option<(Payload, bool)> {
    match &event.what {
        What::Observed { topic, payload, retain, .. } if topic == wanted => Some((payload.clone(), *retain)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_of_both_directions_are_recorded_in_order() {
    let fixture = Fixture::new().await;
    let device = device(&fixture, 5);
    device.client.subscribe("command", rumqttc::QoS::AtLeastOnce).await.expect("queued");
    fixture.wait(Cursor::default(), is_suback).await;
    let session = fixture.session();
    assert!(session.connected && session.receives("command") && !session.receives("other"));
    let published =
        fixture.observer.publish("command", Payload::from("on"), QoS::AtLeastOnce, false).await.expect("published");
    let answer = fixture.wait(Cursor::after(&published), is_answer).await;
    assert_eq!(answer, Payload::from("on"));
    let names: Vec<_> = fixture
        .timeline
        .since(Cursor::default())
        .iter()
        .filter_map(|event| match &event.what {
            What::Packet { packet, direction, .. } => Some((packet.name(), *direction)),
            _ => None,
        })
        .collect();
    let (up, down) = (Direction::FromBoard, Direction::ToBoard);
    assert_eq!(names[..4], [("CONNECT", up), ("CONNACK", down), ("SUBSCRIBE", up), ("SUBACK", down)]);
    assert!(names[4..].contains(&("PUBLISH", down)) && names[4..].contains(&("PUBACK", up)));
    device.pump.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_will_of_a_silenced_device_comes_in_the_brokers_window() {
    let fixture = Fixture::new().await;
    let device = device(&fixture, 2);
    device.client.subscribe("command", rumqttc::QoS::AtLeastOnce).await.expect("queued");
    fixture.wait(Cursor::default(), is_suback).await;
    fixture.tap.control().silence(&PathDirection::BOTH);
    let (last, _) = fixture.session().last_from_board.expect("packets");
    let window = fixture.broker.will_window(Duration::from_secs(2));
    let (at, (payload, _)) =
        fixture.wait(Cursor::default(), |event| observed(event, "status").map(|seen| (event.at, seen))).await;
    assert_eq!(payload, Payload::from("gone"));
    let after = at.since(last);
    assert!(after >= window.not_before && after <= window.not_after, "{after:?} is not in {window:?}");
    let late = Observer::connect("late", &fixture.offers, fixture.timeline.recorder(None)).await;
    let late = late.expect("late subscriber");
    let from = fixture.timeline.end();
    late.subscribe("status").await.expect("subscribed");
    let (_, retained) = fixture.wait(from, |event| observed(event, "status")).await;
    assert!(retained);
    device.pump.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_are_refused_while_the_broker_is_stopped() {
    let mut fixture = Fixture::new().await;
    let first = device(&fixture, 5);
    fixture
        .wait(Cursor::default(), |event| {
            matches!(&event.what, What::Packet { packet: Packet::Connack { .. }, .. }).then_some(())
        })
        .await;
    fixture.broker.stop().await.expect("stopped");
    fixture.observer.wait_for_loss().await;
    let stopped = fixture.timeline.end();
    let closed = |event: &RunEvent| {
        matches!(&event.what, What::Connection { change: ConnectionChange::Closed { .. }, .. }).then_some(())
    };
    fixture.wait(Cursor::default(), closed).await;
    first.pump.abort();
    let second = device(&fixture, 5);
    let refused = |event: &RunEvent| {
        matches!(&event.what, What::Connection { change: ConnectionChange::Refused { .. }, .. }).then_some(())
    };
    fixture.wait(stopped, refused).await;
    second.pump.abort();
    let again = fixture.broker.start().await.expect("starts again");
    assert_eq!(again.boards[0].port, fixture.offers.boards[0].port);
    fixture.observer.reconnect().await.expect("reconnects");
    let event = fixture.observer.publish("x", Payload::from("y"), QoS::ExactlyOnce, false).await.expect("published");
    fixture.wait(Cursor::after(&event), |event| observed(event, "x")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_route_and_on_a_taken_port_nothing_gets_through() {
    let tap = TapPort::open("lamp", LOOPBACK, 0, TlsMode::Absent).await.expect("tap");
    let error = TapPort::open("other", LOOPBACK, tap.address().port(), TlsMode::Absent).await.expect_err("taken");
    assert!(error.to_string().starts_with("the tap of board `other` can't listen on 127.0.0.1:"), "{error}");
    let mut options = MqttOptions::new("device", "127.0.0.1", tap.address().port());
    options.set_keep_alive(Duration::from_secs(5));
    let (_client, mut events) = AsyncClient::new(options, 4);
    assert!(events.poll().await.is_err());
    let mut taken = broker::Embedded::new(tap.address(), broker::Settings::default());
    let error = taken.start().await.expect_err("taken");
    assert!(error.to_string().starts_with("the broker can't listen on 127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn an_observer_without_a_broker_reports_that() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address");
    let timeline = Timeline::in_memory(Epoch::start());
    let error = Observer::connect("observer", &Offers::plain(free), timeline.recorder(None))
        .await
        .expect_err("nothing listens");
    let expected =
        format!("the observer can't connect to the broker at mqtt://{free}: I/O: Connection refused (os error 111)");
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn bytes_that_are_not_mqtt_are_recorded_as_such_and_forwarded_unchanged() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let timeline = Timeline::in_memory(Epoch::start());
    let tap = TapPort::open("lamp", LOOPBACK, 0, TlsMode::Absent).await.expect("tap");
    let broker = server.local_addr().expect("address");
    tap.open_route(Route::plain(broker, timeline.recorder(None)));
    let mut device = TcpStream::connect(tap.address()).await.expect("connect");
    let garbage: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8 & 0x0f).collect();
    let (mut far, _) = server.accept().await.expect("forwarded");
    let sent = garbage.clone();
    let sending = tokio::spawn(async move { device.write_all(&sent).await.map(|()| device) });
    let mut arrived = vec![0; garbage.len()];
    far.read_exact(&mut arrived).await.expect("all of it");
    assert!(arrived == garbage);
    drop(sending.await.expect("sent"));
    let undecodable =
        |event: &RunEvent| matches!(&event.what, What::Packet { packet: Packet::Undecodable { .. }, .. }).then_some(());
    let deadline = Instant::now() + Duration::from_secs(5);
    timeline.wait_for(Cursor::default(), deadline, undecodable).await.expect("recorded");
}

#[tokio::test]
async fn a_close_of_the_broker_before_the_first_byte_is_forwarded() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let timeline = Timeline::in_memory(Epoch::start());
    let tap = TapPort::open("lamp", LOOPBACK, 0, TlsMode::Absent).await.expect("tap");
    tap.open_route(Route::plain(server.local_addr().expect("address"), timeline.recorder(None)));
    for (n, hard) in [(1, false), (2, true)] {
        let from = timeline.end();
        let mut device = TcpStream::connect(tap.address()).await.expect("connect");
        let (far, _) = server.accept().await.expect("led to the broker");
        if hard {
            hil_link::reset(far);
        } else {
            drop(far);
        }
        let heard =
            tokio::time::timeout(Duration::from_secs(10), device.read(&mut [0])).await.expect("the board hears");
        assert_eq!(heard.is_err(), hard, "{heard:?}");
        let closed = |event: &RunEvent| match &event.what {
            What::Connection { connection, change: ConnectionChange::Closed { how }, .. } if *connection == n => {
                Some(how.clone())
            }
            // The reset was faster than the rest of the connection setup.
            What::Connection { connection, change: ConnectionChange::Refused { reason, .. }, .. }
                if *connection == n =>
            {
                Some(reason.replace(
                    "the broker does not answer: Connection reset by peer (os error 104)",
                    "reset by the broker",
                ))
            }
            _ => None,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        let how = timeline.wait_for(from, deadline, closed).await.expect("recorded");
        assert_eq!(how, if hard { "reset by the broker" } else { "closed by the broker" });
    }
}

#[tokio::test]
async fn bytes_of_a_broker_that_sends_first_are_forwarded() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let timeline = Timeline::in_memory(Epoch::start());
    let tap = TapPort::open("lamp", LOOPBACK, 0, TlsMode::Absent).await.expect("tap");
    tap.open_route(Route::plain(server.local_addr().expect("address"), timeline.recorder(None)));
    let mut device = TcpStream::connect(tap.address()).await.expect("connect");
    let (mut far, _) = server.accept().await.expect("led to the broker");
    far.write_all(b"\xd0\x00").await.expect("sent");
    let mut heard = [0; 2];
    let reading = tokio::time::timeout(Duration::from_secs(10), device.read_exact(&mut heard));
    reading.await.expect("the board hears it").expect("bytes");
    assert_eq!(heard, *b"\xd0\x00");
}

/// A connection to the tap from this address of the loopback network.
async fn connect_from(address: &str, tap: std::net::SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("socket");
    socket.bind(format!("{address}:0").parse().expect("address")).expect("bound");
    socket.connect(tap).await.expect("the port is open")
}

#[tokio::test]
async fn a_connection_from_another_address_is_rejected_and_recorded() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let timeline = Timeline::in_memory(Epoch::start());
    let tap = TapPort::open("lamp", LOOPBACK, 0, TlsMode::Absent).await.expect("tap");
    tap.expect_from(&["127.0.0.7".parse().expect("address"), "127.8.0.0/16".parse().expect("subnet")]);
    tap.open_route(Route::plain(server.local_addr().expect("address"), timeline.recorder(None)));
    let connect = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01l";
    for _ in 0..3 {
        let mut stranger = connect_from("127.0.0.9", tap.address()).await;
        let from = stranger.local_addr().expect("address");
        let _ = stranger.write_all(connect).await;
        let heard = tokio::time::timeout(Duration::from_secs(10), stranger.read(&mut [0])).await.expect("in time");
        assert!(heard.is_err(), "{from} is reset: {heard:?}");
    }
    let events = timeline.since(Cursor::default());
    let [event] = &events[..] else { panic!("each address is recorded once: {events:#?}") };
    let What::Connection { peer: Some(peer), change: ConnectionChange::Rejected { reason }, .. } = &event.what else {
        panic!("{event:?}")
    };
    assert_eq!(peer.ip().to_string(), "127.0.0.9");
    assert_eq!(reason, "a connection from 127.0.0.9, which is not the board's address");
    let mut answers = hil_verdict::Answers::to("lamp");
    assert!(events.iter().all(|event| answers.take(event).is_none()));
    assert!(!answers.has_opened(), "it is not the board");
    let closest = "closest: the tap rejected a connection from 127.0.0.9, which is not the board's address";
    assert_eq!(answers.closest(), closest);
    // The board itself gets through, and every record of its connection has the peer address.
    for address in ["127.0.0.7", "127.8.3.4"] {
        let from = timeline.end();
        let mut board = connect_from(address, tap.address()).await;
        let (mut far, _) = server.accept().await.expect("led to the broker");
        board.write_all(connect).await.expect("sent");
        far.read_exact(&mut [0; 15]).await.expect("arrives");
        let own = board.local_addr().expect("address");
        drop(board);
        let closed = |event: &RunEvent| match &event.what {
            What::Connection { change: ConnectionChange::Closed { .. }, .. } => Some(()),
            _ => None,
        };
        timeline.wait_for(from, Instant::now() + Duration::from_secs(10), closed).await.expect("recorded");
        let since = timeline.since(from);
        let peers: Vec<_> = since
            .iter()
            .filter_map(|event| match &event.what {
                What::Connection { peer, .. } => Some(*peer),
                _ => None,
            })
            .collect();
        assert_eq!(peers, [Some(own), Some(own)]);
    }
}
