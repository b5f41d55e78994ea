//! Packets of a board that violate the MQTT specification, through the tap.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hil_mqtt::{Fault, Route, TapPort, TlsMode};
use hil_timeline::{Cursor, Epoch, Timeline, What};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01l";
const PUBLISH_ID_0: &[u8] = b"\x32\x06\x00\x01t\x00\x00x";
const PINGREQ: &[u8] = b"\xc0\x00";
const DISCONNECT: &[u8] = b"\xe0\x00";

/// Sends packets through a tap with faults; returns what the broker received, and the recorded packets and violations.
async fn passed(faults: &[&str], packets: &[&[u8]]) -> (Vec<u8>, Vec<String>) {
    let broker = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let timeline = Timeline::in_memory(Epoch::start());
    let recorder = timeline.recorder(None);
    let tap = TapPort::open("lamp", IpAddr::V4(Ipv4Addr::LOCALHOST), 0, TlsMode::Absent).await.expect("tap");
    tap.open_route(Route::plain(broker.local_addr().expect("address"), recorder.clone()));
    for fault in faults {
        let fault: Fault = fault.parse().expect("a fault");
        tap.apply(&fault, &recorder).await;
    }
    let mut board = TcpStream::connect(tap.address()).await.expect("connects");
    let (mut far, _) = broker.accept().await.expect("led to the broker");
    board.write_all(&packets.concat()).await.expect("sent");
    board.shutdown().await.expect("said all");
    let mut got = Vec::new();
    let reading = tokio::time::timeout(Duration::from_secs(20), far.read_to_end(&mut got));
    reading.await.expect("soon").expect("read");
    let events = timeline.since(Cursor::default());
    let recorded = events.iter().filter_map(|event| match &event.what {
        What::Packet { packet, disposition, .. } => Some(match disposition {
            None => packet.name().to_owned(),
            Some(disposition) => format!("{} {disposition:?}", packet.name()),
        }),
        What::ProtocolViolation { board, connection: 1, rule } if board == "lamp" => Some(rule.clone()),
        _ => None,
    });
    (got, recorded.collect())
}

#[tokio::test]
async fn a_violation_is_recorded_after_its_packet_which_passes_unchanged() {
    let sent = [CONNECT, PUBLISH_ID_0, PINGREQ];
    let (got, recorded) = passed(&[], &sent).await;
    assert_eq!(got, sent.concat());
    assert_eq!(recorded, ["CONNECT", "PUBLISH", "packet identifier 0 (MQTT 3.1.1 §2.3.1)", "PINGREQ"]);
}

#[tokio::test]
async fn a_dropped_packet_of_the_board_is_judged() {
    let (got, recorded) = passed(&["drop next PUBLISH from board"], &[CONNECT, PUBLISH_ID_0, PINGREQ]).await;
    assert_eq!(got, [CONNECT, PINGREQ].concat());
    assert_eq!(recorded, ["CONNECT", "PUBLISH Dropped", "packet identifier 0 (MQTT 3.1.1 §2.3.1)", "PINGREQ"]);
}

#[tokio::test]
async fn changes_of_the_tap_are_not_the_boards_violations() {
    let (_, recorded) = passed(&["drop next CONNECT from board"], &[CONNECT, PINGREQ]).await;
    assert_eq!(recorded, ["CONNECT Dropped", "PINGREQ"], "the first packet was CONNECT");
    let (_, recorded) = passed(&["duplicate next CONNECT from board"], &[CONNECT, PINGREQ]).await;
    assert_eq!(recorded, ["CONNECT", "CONNECT Injected", "PINGREQ"], "the board connected once");
    // The last bit of the topic filter's QoS, which becomes 3.
    let subscribe = b"\x82\x06\x00\x01\x00\x01t\x02";
    let (_, recorded) = passed(&["corrupt next SUBSCRIBE from board"], &[CONNECT, subscribe]).await;
    assert_eq!(recorded.len(), 3, "the board asked for QoS 2: {recorded:?}");
    let (_, recorded) = passed(&["swap next PINGREQ from board"], &[CONNECT, PINGREQ, DISCONNECT]).await;
    assert_eq!(recorded, ["CONNECT", "DISCONNECT", "PINGREQ Late"], "DISCONNECT was last");
}
