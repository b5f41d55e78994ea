//! The observer with brokers that misbehave.

use std::net::SocketAddr;

use hil_mqtt::{Observer, ObserverError, Offers};
use hil_timeline::{Cursor, Epoch, Payload, QoS, Timeline, What};
use rustix::process::{ForeignRawFd, PidfdFlags, PidfdGetfdFlags};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const GRANTED: u8 = 2;
const REFUSED: u8 = 0x80;

/// Short packets only: their length is one byte.
async fn packet(stream: &mut TcpStream) -> Vec<u8> {
    let mut packet = vec![0; 2];
    stream.read_exact(&mut packet).await.expect("a header");
    packet.resize(2 + usize::from(packet[1]), 0);
    stream.read_exact(&mut packet[2..]).await.expect("the rest");
    packet
}

/// A connection whose CONNECT is accepted.
async fn accept(broker: &TcpListener) -> (TcpStream, SocketAddr) {
    let (mut stream, client) = broker.accept().await.expect("accept");
    assert_eq!(packet(&mut stream).await[0], 0x10, "CONNECT");
    stream.write_all(&[0x20, 2, 0, 0]).await.expect("CONNACK");
    (stream, client)
}

async fn answer_subscribe(stream: &mut TcpStream, code: u8) {
    let subscribe = packet(stream).await;
    assert_eq!(subscribe[0], 0x82, "SUBSCRIBE");
    stream.write_all(&[0x90, 3, subscribe[2], subscribe[3], code]).await.expect("SUBACK");
}

struct Fixture {
    broker: TcpListener,
    timeline: Timeline,
}

impl Fixture {
    async fn new() -> Self {
        let broker = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        Self { broker, timeline: Timeline::in_memory(Epoch::start()) }
    }

    async fn observer(&self) -> (Observer, TcpStream, SocketAddr) {
        let offers = Offers::plain(self.broker.local_addr().expect("address"));
        let connecting = Observer::connect("observer", &offers, self.timeline.recorder(None));
        let (observer, (stream, client)) = tokio::join!(connecting, accept(&self.broker));
        (observer.expect("connected"), stream, client)
    }

    fn losses(&self) -> usize {
        let events = self.timeline.since(Cursor::default());
        events.iter().filter(|event| matches!(event.what, What::ObserverLost { .. })).count()
    }
}

#[tokio::test]
async fn it_is_ready_only_when_every_filter_is_granted_again() {
    let fixture = Fixture::new().await;
    let (observer, mut stream, _) = fixture.observer().await;
    for filter in ["a", "b"] {
        let (subscribed, ()) = tokio::join!(observer.subscribe(filter), answer_subscribe(&mut stream, GRANTED));
        subscribed.expect("granted");
    }
    drop(stream);
    observer.wait_for_loss().await;
    for (second, is_back) in [(REFUSED, false), (GRANTED, true)] {
        let answering = async {
            let (mut stream, _) = accept(&fixture.broker).await;
            answer_subscribe(&mut stream, GRANTED).await;
            answer_subscribe(&mut stream, second).await;
            stream
        };
        let (back, stream) = tokio::join!(observer.reconnect(), answering);
        let unconfirmed = matches!(&back, Err(ObserverError::Unconfirmed { what: "subscription", .. }));
        assert_eq!((back.is_ok(), unconfirmed), (is_back, !is_back), "{back:?}");
        assert_eq!(observer.is_connected(), is_back);
        drop(stream);
    }
    assert_eq!(fixture.losses(), 1, "the second time it was never back");
}

#[tokio::test]
async fn a_reconnect_does_not_wait_for_a_dead_peer() {
    let fixture = Fixture::new().await;
    let (observer, _dead, _) = fixture.observer().await;
    // More than any socket buffer takes: writing it never ends.
    let stuck = observer.publish("t", Payload(vec![0; 32 << 20]), QoS::AtLeastOnce, false);
    let again = async {
        let accepting = accept(&fixture.broker);
        let (back, stream) = tokio::join!(observer.reconnect(), accepting);
        back.expect("back");
        stream
    };
    let (published, _stream) = tokio::join!(stuck, again);
    published.expect_err("never confirmed");
    assert!(observer.is_connected());
    assert_eq!(fixture.losses(), 1, "what it missed meanwhile must not prove anything");
}

#[tokio::test]
async fn its_messages_do_not_wait_for_acknowledgements_of_tcp() {
    let fixture = Fixture::new().await;
    let (_observer, _stream, client) = fixture.observer().await;
    let pid = rustix::process::getpid();
    let own = rustix::process::pidfd_open(pid, PidfdFlags::empty()).expect("pidfd");
    let descriptors = std::fs::read_dir("/proc/self/fd").expect("descriptors").flatten();
    let numbers = descriptors.filter_map(|entry| entry.file_name().to_str()?.parse::<ForeignRawFd>().ok());
    // Duplicates: descriptors of other tests come and go.
    let copies = numbers.filter_map(|n| rustix::process::pidfd_getfd(&own, n, PidfdGetfdFlags::empty()).ok());
    let sockets = copies.filter_map(|copy| {
        let socket = socket2::Socket::from(copy);
        (socket.local_addr().ok()?.as_socket() == Some(client)).then(|| socket.tcp_nodelay())
    });
    let nodelay: Vec<bool> = sockets.map(|nodelay| nodelay.expect("the option")).collect();
    assert_eq!(nodelay, [true], "Nagle's algorithm is off");
}

#[tokio::test]
async fn a_refused_subscription_is_not_requested_again() {
    let fixture = Fixture::new().await;
    let (observer, mut stream, _) = fixture.observer().await;
    let (refused, ()) = tokio::join!(observer.subscribe("secret"), answer_subscribe(&mut stream, REFUSED));
    refused.expect_err("refused");
    drop(stream);
    observer.wait_for_loss().await;
    let (back, _) = tokio::join!(observer.reconnect(), accept(&fixture.broker));
    back.expect("back, with nothing to subscribe to");
    assert!(observer.is_connected());
}

/// Reads an UNSUBSCRIBE; returns its packet identifier.
async fn unsubscribe(stream: &mut TcpStream) -> [u8; 2] {
    let packet = packet(stream).await;
    assert_eq!(packet[0], 0xa2, "UNSUBSCRIBE");
    [packet[2], packet[3]]
}

async fn answer_unsubscribe(stream: &mut TcpStream) {
    let id = unsubscribe(stream).await;
    stream.write_all(&[0xb0, 2, id[0], id[1]]).await.expect("UNSUBACK");
}

#[tokio::test]
async fn a_broker_that_answers_before_it_delivers_is_asked_again() {
    let fixture = Fixture::new().await;
    let (observer, mut stream, _) = fixture.observer().await;
    let answering = async {
        answer_unsubscribe(&mut stream).await;
        // A message for the observer comes after its first answer.
        let id = unsubscribe(&mut stream).await;
        stream.write_all(&[0x30, 4, 0, 1, b't', b'x', 0xb0, 2, id[0], id[1]]).await.expect("PUBLISH, UNSUBACK");
        answer_unsubscribe(&mut stream).await;
        answer_unsubscribe(&mut stream).await;
    };
    let (caught_up, ()) = tokio::join!(observer.caught_up(), answering);
    caught_up.expect("caught up");
    let observed = |event: &std::sync::Arc<hil_timeline::RunEvent>| matches!(event.what, What::Observed { .. });
    assert!(fixture.timeline.since(Cursor::default()).iter().any(observed));
}

#[tokio::test]
async fn a_broker_that_does_not_answer_or_closes_is_reported() {
    let fixture = Fixture::new().await;
    let (observer, mut stream, _) = fixture.observer().await;
    let broker = fixture.broker.local_addr().expect("address");
    let silent = observer.caught_up().await.expect_err("no answer");
    let expected = format!("the broker at mqtt://{broker} does not answer: it confirmed nothing for 5 s");
    assert_eq!(silent.to_string(), expected);
    unsubscribe(&mut stream).await;
    let leaving = async {
        unsubscribe(&mut stream).await;
        drop(stream);
    };
    let (gone, ()) = tokio::join!(observer.caught_up(), leaving);
    let expected = format!("the broker at mqtt://{broker} does not answer: it closed the observer's connection");
    assert_eq!(gone.expect_err("it is gone").to_string(), expected);
}

#[tokio::test]
async fn the_time_of_the_slowest_answer_is_returned() {
    let fixture = Fixture::new().await;
    let (observer, mut stream, _) = fixture.observer().await;
    let slow = std::time::Duration::from_millis(60);
    let answering = async {
        let id = unsubscribe(&mut stream).await;
        tokio::time::sleep(slow).await;
        stream.write_all(&[0xb0, 2, id[0], id[1]]).await.expect("UNSUBACK");
        answer_unsubscribe(&mut stream).await;
    };
    let (took, ()) = tokio::join!(observer.caught_up(), answering);
    assert!(took.expect("caught up") >= slow);
}
