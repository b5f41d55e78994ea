//! Which DISCONNECT keeps a will on the embedded broker, through the tap.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use hil_mqtt::{Observer, Route, TapPort, TlsMode, broker};
use hil_timeline::{Direction, Epoch, Packet, Payload, QoS, RunEvent, Timeline, What};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// MQTT 5, with a will on `s`.
const CONNECT: &[u8] = b"\x10\x18\x00\x04MQTT\x05\x06\x00\x3c\x00\x00\x01l\x00\x00\x01s\x00\x04gone";

fn observed(event: &RunEvent) -> Option<String> {
    match &event.what {
        What::Observed { topic, .. } => Some(topic.clone()),
        _ => None,
    }
}

/// The third byte of a DISCONNECT, as recorded; an unknown reason can't be decoded.
fn reason_recorded(event: &RunEvent) -> Option<String> {
    match &event.what {
        What::Packet { direction: Direction::FromBoard, packet, .. } => match packet {
            Packet::Disconnect { code, .. } => Some(format!("{code:02x}")),
            Packet::Undecodable { head, .. } => head.get(4..6).map(str::to_owned),
            _ => None,
        },
        _ => None,
    }
}

#[tokio::test]
async fn every_disconnect_but_a_normal_one_keeps_the_will() {
    let timeline = Timeline::in_memory(Epoch::start());
    let recorder = timeline.recorder(None);
    let mut broker = broker::new(&hil_config::Broker::default(), Arc::new(|_| {})).expect("a broker");
    let offers = broker.start().await.expect("broker");
    let tap = TapPort::open("lamp", IpAddr::V4(Ipv4Addr::LOCALHOST), 0, TlsMode::Absent).await.expect("tap");
    tap.open_route(Route { offers: offers.clone(), identity: None, recorder: recorder.clone(), capture: None });
    let observer = Observer::connect("observer", &offers, recorder).await.expect("observer");
    for filter in ["s", "end"] {
        observer.subscribe(filter).await.expect("subscribed");
    }
    for reason in [0x00, 0x04, 0x80, 0x81, 0x8e, 0x98, 0xff] {
        for disconnect in [&[0xe0, 1, reason][..], &[0xe0, 2, reason, 0]] {
            let from = timeline.end();
            let mut board = TcpStream::connect(tap.address()).await.expect("connects");
            board.write_all(CONNECT).await.expect("sent");
            board.read_exact(&mut [0; 2]).await.expect("CONNACK");
            board.write_all(disconnect).await.expect("sent");
            let deadline = Instant::now() + Duration::from_secs(20);
            let wait_for = |topic: &'static str| {
                let is_it = move |event: &RunEvent| observed(event).filter(|observed| observed == topic);
                timeline.wait_for(from, deadline, is_it)
            };
            if reason == 0 {
                // The broker has decided about the will when it closes the connection.
                let _ = board.read_to_end(&mut Vec::new()).await;
            } else {
                wait_for("s").await.unwrap_or_else(|_| panic!("no will after {disconnect:02x?}"));
            }
            observer.publish("end", Payload::default(), QoS::AtLeastOnce, false).await.expect("published");
            wait_for("end").await.expect("the end");
            let wills =
                timeline.since(from).iter().filter_map(|event| observed(event)).filter(|topic| topic == "s").count();
            assert_eq!(wills, usize::from(reason != 0), "{disconnect:02x?}");
            let recorded = timeline.wait_for(from, deadline, reason_recorded).await;
            assert_eq!(recorded, Ok(format!("{reason:02x}")), "the record shows what the board sent");
        }
    }
}
