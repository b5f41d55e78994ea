//! Overlapping faults of a board's network.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hil_link::PathDirection;
use hil_mqtt::{Fault, Route, TapPort, TlsMode};
use hil_timeline::{Cursor, Epoch, FaultPhase, Recorder, Timeline, What};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

const CONNECT: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01l";
const CONNACK: &[u8] = &[0x20, 2, 0, 0];

struct Fixture {
    timeline: Timeline,
    recorder: Recorder,
    tap: TapPort,
    broker: TcpListener,
}

impl Fixture {
    async fn new() -> Self {
        let broker = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let timeline = Timeline::in_memory(Epoch::start());
        let tap = TapPort::open("lamp", IpAddr::V4(Ipv4Addr::LOCALHOST), 0, TlsMode::Absent).await.expect("tap");
        tap.open_route(Route::plain(broker.local_addr().expect("address"), timeline.recorder(None)));
        Self { recorder: timeline.recorder(None), timeline, tap, broker }
    }

    /// A board whose CONNACK is held by the tap, and the broker's side of its connection.
    async fn held(&self, hold: Option<Duration>) -> (TcpStream, TcpStream) {
        self.tap.apply(&Fault::HoldConnack(hold), &self.recorder).await;
        let mut board = TcpStream::connect(self.tap.address()).await.expect("connects");
        board.write_all(CONNECT).await.expect("sent");
        let (mut far, _) = self.broker.accept().await.expect("led to the broker");
        far.read_exact(&mut [0; CONNECT.len()]).await.expect("CONNECT");
        far.write_all(CONNACK).await.expect("sent");
        self.seen(FaultPhase::Happens).await;
        (board, far)
    }

    async fn seen(&self, wanted: FaultPhase) {
        let deadline = Instant::now() + Duration::from_secs(20);
        let seen = self.timeline.wait_for(Cursor::default(), deadline, |event| match &event.what {
            What::Fault { phase, .. } if *phase == wanted => Some(()),
            _ => None,
        });
        seen.await.expect("recorded");
    }

    fn recorded(&self) -> Vec<String> {
        let events = self.timeline.since(Cursor::default());
        let faults = events.iter().filter_map(|event| match &event.what {
            What::Fault { fault, phase, .. } => Some(format!("{fault}: {phase:?}")),
            _ => None,
        });
        faults.collect()
    }
}

async fn connack_arrives(board: &mut TcpStream) {
    let mut connack = [0; CONNACK.len()];
    tokio::time::timeout(Duration::from_secs(20), board.read_exact(&mut connack)).await.expect("soon").expect("read");
    assert_eq!(connack, CONNACK);
}

#[tokio::test]
async fn releasing_a_held_connack_does_not_end_a_silence() {
    let fixture = Fixture::new().await;
    // Whether it is released before the silence begins or after: the silence continues.
    let (mut board, _far) = fixture.held(Some(Duration::from_millis(20))).await;
    fixture.tap.apply(&Fault::Silence(vec![PathDirection::Downstream]), &fixture.recorder).await;
    fixture.seen(FaultPhase::Ends).await;
    assert!(fixture.tap.control().is_silent(), "{:?}", fixture.recorded());
    fixture.tap.apply(&Fault::Recover, &fixture.recorder).await;
    connack_arrives(&mut board).await;
}

#[tokio::test]
async fn the_end_of_a_silence_does_not_release_a_held_connack() {
    let fixture = Fixture::new().await;
    let (mut board, _far) = fixture.held(None).await;
    fixture.tap.apply(&Fault::Silence(PathDirection::BOTH.to_vec()), &fixture.recorder).await;
    fixture.tap.end_silence(&fixture.recorder);
    assert!(fixture.tap.control().is_silent(), "{:?}", fixture.recorded());
    fixture.tap.apply(&Fault::Recover, &fixture.recorder).await;
    connack_arrives(&mut board).await;
    assert_eq!(
        fixture.recorded(),
        ["hold CONNACK: Begins", "hold CONNACK: Happens", "silence: Begins", "silence: Ends", "hold CONNACK: Ends"]
    );
}

#[tokio::test]
async fn each_of_two_silences_ends_only_itself() {
    let fixture = Fixture::new().await;
    for _ in 0..2 {
        fixture.tap.apply(&Fault::Silence(PathDirection::BOTH.to_vec()), &fixture.recorder).await;
    }
    fixture.tap.end_silence(&fixture.recorder);
    assert!(fixture.tap.control().is_silent());
    fixture.tap.end_silence(&fixture.recorder);
    assert!(!fixture.tap.control().is_silent());
    fixture.tap.close_route();
    assert_eq!(fixture.recorded(), ["silence: Begins", "silence: Begins", "silence: Ends", "silence: Ends"]);
}

#[tokio::test]
async fn a_silence_ends_with_its_scenario_although_an_equal_one_has_ended() {
    let fixture = Fixture::new().await;
    for _ in 0..2 {
        fixture.tap.apply(&Fault::Silence(PathDirection::BOTH.to_vec()), &fixture.recorder).await;
    }
    fixture.tap.end_silence(&fixture.recorder);
    fixture.tap.close_route();
    assert!(!fixture.tap.control().is_silent());
    assert_eq!(fixture.recorded(), ["silence: Begins", "silence: Begins", "silence: Ends", "silence: Ends"]);
}
