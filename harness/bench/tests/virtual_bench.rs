//! The bench at work on virtual boards: flashing, booting, recovery, and what sticks.

use std::time::Duration;

use hil_bench::{Bench, BenchError, Booted, Claim, LockedBoard, TapAddress};
use hil_config::Misbehaviour;
use hil_timeline::{Cursor, Epoch, Finding, FlashPhase, Timeline, What};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

struct Fixture {
    timeline: Timeline,
    bench: Bench,
}

impl Fixture {
    async fn new(misbehaves: &[Misbehaviour]) -> Self {
        let mut config = hil_config::Bench::builtin();
        for board in config.boards.values_mut() {
            board.misbehaves = misbehaves.to_vec();
            board.off_time = Duration::from_millis(50);
        }
        let timeline = Timeline::in_memory(Epoch::start());
        let bench = Bench::open(config, &timeline, Claim::default()).await.expect("bench");
        Self { timeline, bench }
    }

    async fn lamp(&self) -> LockedBoard {
        self.bench.lock("lamp").await.expect("lamp")
    }

    async fn run(&self, firmware: &str) -> Result<Booted, BenchError> {
        let firmware = self.bench.config().firmware(firmware).expect("firmware").clone();
        self.lamp().await.run_firmware(&firmware, &tap()).await
    }

    async fn wait(&self, from: Cursor, pick: impl Fn(&What) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        let found = self.timeline.wait_for(from, deadline, |event| pick(&event.what).then_some(())).await;
        assert!(found.is_ok(), "not seen; the timeline holds {:#?}", self.timeline.since(from));
    }

    fn flashes(&self) -> Vec<FlashPhase> {
        let events = self.timeline.since(Cursor::default());
        let flash = |what: &What| match what {
            What::Flash { flash, .. } if !matches!(flash, FlashPhase::Progress { .. }) => Some(flash.clone()),
            _ => None,
        };
        events.iter().filter_map(|event| flash(&event.what)).collect()
    }
}

/// Nothing listens there: these tests need no broker.
fn tap() -> TapAddress {
    TapAddress { host: "127.0.0.1".to_owned(), port: 9, ..TapAddress::default() }
}

fn is_line(what: &What, text: &str) -> bool {
    matches!(what, What::Console { line, .. } if line.contains(text))
}

#[tokio::test]
async fn a_firmware_is_flashed_once_and_booted_each_time() {
    let fixture = Fixture::new(&[]).await;
    assert_eq!(fixture.run("lamp").await.expect("bench works"), Booted::Running);
    assert_eq!(fixture.run("lamp").await.expect("bench works"), Booted::Running);
    let finished: Vec<_> = fixture
        .flashes()
        .into_iter()
        .filter_map(|phase| match phase {
            FlashPhase::Finished { written, skipped, .. } => Some((written > 0, skipped > 0)),
            _ => None,
        })
        .collect();
    assert_eq!(finished, [(true, false), (false, true)], "the second flash writes nothing");
    let settings = "starting, broker 10.0.2.2:9";
    fixture.wait(Cursor::default(), |what| is_line(what, settings)).await;
}

#[tokio::test]
async fn the_first_boot_line_is_captured_because_the_console_opens_before_power() {
    let fixture = Fixture::new(&[]).await;
    fixture.run("lamp").await.expect("bench works");
    let first = fixture.timeline.since(Cursor::default()).into_iter().find_map(|event| match &event.what {
        What::Console { line, .. } => Some(line.clone()),
        _ => None,
    });
    assert_eq!(first.as_deref(), Some("ESP-ROM:esp32c3-api1-20210207"));
}

#[tokio::test]
async fn a_power_cut_is_silence_and_its_end_a_fresh_boot() {
    let fixture = Fixture::new(&[]).await;
    fixture.run("lamp").await.expect("bench works");
    let mut lamp = fixture.lamp().await;
    // No broker listens at its address: it reports that and waits, so no more output is on its way.
    fixture.wait(Cursor::default(), |what| is_line(what, "next attempt")).await;
    lamp.power_off().await.expect("off");
    let cut = fixture.timeline.end();
    let quiet = fixture.timeline.wait_for(cut, Instant::now() + Duration::from_millis(300), |event| {
        matches!(event.what, What::Console { .. }).then_some(())
    });
    assert!(quiet.await.is_err(), "a board without power talks");
    lamp.power_on().await.expect("on");
    drop(lamp);
    fixture.wait(cut, |what| is_line(what, "rst:0x1 (POWERON)")).await;
    fixture.wait(cut, |what| is_line(what, "mqtt: starting")).await;
}

#[tokio::test]
async fn a_power_cut_is_silent_on_the_network_and_the_next_life_answers_late_segments_with_rst() {
    let fixture = Fixture::new(&[]).await;
    let broker = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let port = broker.local_addr().expect("address").port();
    let firmware = fixture.bench.config().firmware("lamp").expect("firmware").clone();
    let mut lamp = fixture.lamp().await;
    let tap = TapAddress { host: "127.0.0.1".to_owned(), port, ..TapAddress::default() };
    lamp.run_firmware(&firmware, &tap).await.expect("bench works");
    let (mut former, _) = broker.accept().await.expect("the lamp connects");
    let mut connect = [0; 2];
    former.read_exact(&mut connect).await.expect("CONNECT");
    assert_eq!(connect[0], 0x10);
    lamp.power_off().await.expect("off");
    let mut rest = Vec::new();
    let silence = tokio::time::timeout(Duration::from_millis(300), former.read_to_end(&mut rest)).await;
    assert!(silence.is_err(), "a cut board sends neither FIN nor RST: {silence:?}");
    former.write_all(&[0x20, 2, 0, 0]).await.expect("a late segment");
    lamp.power_on().await.expect("on");
    let (_next, _) = broker.accept().await.expect("the lamp connects again");
    let answer = tokio::time::timeout(Duration::from_secs(5), former.read_to_end(&mut rest)).await.expect("an answer");
    assert_eq!(answer.expect_err("a reset").kind(), std::io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_corrupt_image_is_the_firmwares_fault() {
    let fixture = Fixture::new(&[]).await;
    let Ok(Booted::Refused { reason }) = fixture.run("lamp-corrupt").await else { panic!("it boots") };
    assert!(reason.contains("boot-loops") && reason.contains("Checksum failed"), "{reason}");
    assert_eq!(fixture.run("lamp").await.expect("bench works"), Booted::Running, "a good image fixes it");
}

#[tokio::test]
async fn boot_loop_and_brown_out_are_distinguished() {
    for (misbehaviour, expected) in
        [(Misbehaviour::BootLoop, Finding::Panic), (Misbehaviour::BrownOut, Finding::BrownOut)]
    {
        let fixture = Fixture::new(&[misbehaviour]).await;
        let Ok(Booted::Refused { reason }) = fixture.run("lamp").await else { panic!("it boots") };
        assert!(reason.contains("boot-loops"), "{reason}");
        fixture
            .wait(Cursor::default(), |what| matches!(what, What::Found { finding, .. } if *finding == expected))
            .await;
    }
}

#[tokio::test]
async fn a_mute_board_climbs_the_ladder_and_then_sticks() {
    let fixture = Fixture::new(&[Misbehaviour::Mute]).await;
    let start = Instant::now();
    let error = fixture.run("lamp").await.expect_err("mute");
    assert!(matches!(error, BenchError::NoAnswer { .. }), "{error}");
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    let attempts = fixture.flashes().iter().filter(|phase| matches!(phase, FlashPhase::Connecting { .. })).count();
    assert_eq!(attempts, 3);
    let before = fixture.flashes().len();
    let error = fixture.run("lamp").await.expect_err("still mute");
    assert!(matches!(error, BenchError::Stuck { .. }), "{error}");
    assert_eq!(fixture.flashes().len(), before, "a stuck board is not tried again");
}

#[tokio::test]
async fn a_wrong_chip_is_final_and_nothing_is_written() {
    let fixture = Fixture::new(&[Misbehaviour::WrongChip]).await;
    let error = fixture.run("lamp").await.expect_err("wrong chip");
    assert!(matches!(&error, BenchError::WrongChip { found, .. } if found == "esp32c6"), "{error}");
    assert_eq!(fixture.flashes().len(), 2, "one attempt, one failure: {:?}", fixture.flashes());
}

#[tokio::test]
async fn a_flipped_bit_is_caught_by_verification() {
    let fixture = Fixture::new(&[Misbehaviour::FlashBitFlip]).await;
    let error = fixture.run("lamp").await.expect_err("bad flash");
    // Nothing was written, whatever the last attempt ended with.
    let reported = |flash: &FlashPhase| matches!(flash, FlashPhase::Failed { reason } if reason.contains("does not hold what was written"));
    assert!(fixture.flashes().iter().any(reported), "{error}; {:#?}", fixture.flashes());
}

#[tokio::test]
async fn a_vanishing_port_is_the_benchs_fault() {
    let fixture = Fixture::new(&[Misbehaviour::PortVanishes]).await;
    let error = fixture.run("lamp").await.expect_err("no port");
    assert!(matches!(error, BenchError::PortVanished { .. }), "{error}");
}

#[tokio::test]
async fn a_cancelled_flash_stops_and_the_board_can_be_flashed_again() {
    let fixture = Fixture::new(&[Misbehaviour::RealWireSpeed]).await;
    let firmware = fixture.bench.config().firmware("lamp").expect("firmware").clone();
    {
        let mut lamp = fixture.lamp().await;
        let tap = tap();
        let flash = lamp.run_firmware(&firmware, &tap);
        let writing = fixture.timeline.wait_for(Cursor::default(), Instant::now() + Duration::from_secs(20), |event| {
            matches!(event.what, What::Flash { flash: FlashPhase::Progress { .. }, .. }).then_some(())
        });
        tokio::select! {
            _ = flash => panic!("flashed before it could be cancelled"),
            writing = writing => writing.expect("progress"),
        }
        lamp.power_off().await.expect("off");
    }
    assert_eq!(fixture.run("lamp").await.expect("bench works"), Booted::Running);
}

#[tokio::test]
async fn eight_boards_are_flashed_at_once() {
    let mut config = hil_config::Bench::builtin();
    let lamp = config.board("lamp").expect("lamp").clone();
    config.boards.clear();
    for n in 1..=8 {
        let name = hil_config::BoardName::new(&format!("lamp-{n}")).expect("name");
        config.boards.insert(name.clone(), hil_config::Board { name, ..lamp.clone() });
    }
    let firmware = config.firmware("lamp").expect("firmware").clone();
    let bench = Bench::open(config, &Timeline::in_memory(Epoch::start()), Claim::default()).await.expect("bench");
    let mut flashes = tokio::task::JoinSet::new();
    for name in bench.config().boards.keys().map(ToString::to_string).collect::<Vec<_>>() {
        let mut board = bench.lock(&name).await.expect("board");
        let firmware = firmware.clone();
        flashes.spawn(async move { board.run_firmware(&firmware, &tap()).await });
    }
    for booted in flashes.join_all().await {
        assert_eq!(booted.expect("bench works"), Booted::Running);
    }
}
