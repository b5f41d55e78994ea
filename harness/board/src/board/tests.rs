//! A board with drivers that the test controls.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

use dwarf_object::{Object as _, ObjectSymbol as _};
use futures::future::BoxFuture;
use hil_timeline::{Epoch, Evidence, RunEvent, Timeline};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::*;
use crate::pins::{Driving, PinDriver};
use crate::ports::{PortProblem, PortWatch, Reader};
use crate::reset::Resetting;
use hil_power::{Measuring, PowerError, Switching};

/// A rail that switches when the test allows it, and reports what the test wants.
#[derive(Default)]
struct Plug {
    let_it: Option<Semaphore>,
    /// The errors of the next switches; later ones succeed.
    fails: Mutex<VecDeque<PowerError>>,
    /// Its measurements, one after the other.
    measured: Mutex<VecDeque<Result<Option<bool>, PowerError>>>,
    state: Mutex<Option<bool>>,
    switched: Mutex<Vec<bool>>,
}

fn lost() -> PowerError {
    PowerError::new("plug", "no answer", None).passing()
}

impl PowerDriver for Plug {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            self.switched.lock().push(on);
            if let Some(let_it) = &self.let_it {
                let_it.acquire().await.expect("open").forget();
            }
            self.fails.lock().pop_front().map_or(Ok(()), Err)
        })
    }

    fn measure(&self) -> Measuring<'_> {
        Box::pin(async { self.measured.lock().pop_front().unwrap_or(Ok(None)) })
    }

    fn state(&self) -> Measuring<'_> {
        Box::pin(async { Ok(*self.state.lock()) })
    }

    fn rail(&self) -> &str {
        "plug"
    }
}

#[derive(Default)]
struct Lines(Mutex<Vec<&'static str>>);

struct SharedLines(Arc<Lines>);

impl ResetDriver for SharedLines {
    fn hold(&self) -> Resetting<'_> {
        self.0.0.lock().push("hold");
        Box::pin(async { Ok(()) })
    }

    fn release(&self, _: ResetInto) -> Resetting<'_> {
        self.0.0.lock().push("release");
        Box::pin(async { Ok(()) })
    }

    fn describe(&self) -> &str {
        "by the test"
    }
}

/// The pin `supply`, in the state that the test sets.
struct SupplyPin(Arc<Mutex<Option<bool>>>);

impl PinDriver for SupplyPin {
    fn drive<'a>(&'a self, _: &'a str, _: &'a Pin, _: bool) -> Driving<'a> {
        Box::pin(async { Ok(()) })
    }

    fn is_on(&self, _: &str) -> Option<bool> {
        *self.0.lock()
    }

    fn record_levels(&self, _: &Scope) {}
}

/// A pseudo-terminal, or no port.
struct Pty(Mutex<Option<PathBuf>>);

impl PortFinder for Pty {
    fn find(&self) -> Result<PathBuf, PortProblem> {
        let absent = || PortProblem::Absent { wanted: "the test's pseudo-terminal".to_owned() };
        self.0.lock().clone().ok_or_else(absent)
    }

    fn users(&self) -> Vec<PortUser> {
        self.find().map(|path| crate::ports::users_of(&path)).unwrap_or_default()
    }

    fn watch(&self) -> std::io::Result<Box<dyn PortWatch>> {
        Ok(Box::new(Stays))
    }
}

struct Stays;

impl PortWatch for Stays {
    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

struct Fixture {
    board: Board,
    plug: Arc<Plug>,
    lines: Arc<Lines>,
    pin: Arc<Mutex<Option<bool>>>,
    master: std::os::fd::OwnedFd,
    path: PathBuf,
    timeline: Timeline,
}

fn fixture(plug: Plug) -> Fixture {
    // Closed on exec: a process that has the master counts as its other end.
    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY | rustix::pty::OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags).expect("pty");
    rustix::pty::unlockpt(&master).expect("unlock");
    let path = PathBuf::from(rustix::pty::ptsname(&master, Vec::new()).expect("name").to_string_lossy().into_owned());
    let timeline = Timeline::in_memory(Epoch::start());
    let mut config = hil_config::Bench::builtin().board("lamp").expect("lamp").clone();
    config.power_pin = Some("supply".to_owned());
    config.boot_delay = Duration::ZERO;
    let (plug, lines, pin) = (Arc::new(plug), Arc::new(Lines::default()), Arc::new(Mutex::new(None)));
    let board = Board {
        scope: Scope::new("lamp", &timeline),
        port: Arc::new(Pty(Mutex::new(Some(path.clone())))),
        power: Some(Arc::clone(&plug) as Arc<dyn PowerDriver>),
        reset: Box::new(SharedLines(Arc::clone(&lines))),
        program: None,
        executes: None,
        emulator: None,
        pins: Pins::new(config.pins.clone(), Box::new(SupplyPin(Arc::clone(&pin)))),
        detector: SharedDetector::default(),
        symbols: SharedSymbols::default(),
        console: None,
        port_in_use: PortInUse::default(),
        supply: Supply::Untouched,
        held: false,
        stuck: None,
        known_flash: None,
        runs: None,
        troubles: Vec::new(),
        forgiven: 0,
        device: None,
        config,
    };
    Fixture { board, plug, lines, pin, master, path, timeline }
}

impl Fixture {
    fn events(&self) -> Vec<Arc<RunEvent>> {
        self.timeline.since(Cursor::default())
    }

    fn evidence(&self) -> (Evidence, String) {
        let cut = |event: &Arc<RunEvent>| match &event.what {
            What::PowerCut { evidence, detail, .. } => Some((*evidence, detail.clone())),
            _ => None,
        };
        self.events().iter().rev().find_map(cut).expect("a cut")
    }

    async fn expect(&self, what: impl Fn(&What) -> bool) -> Arc<RunEvent> {
        let pick = |event: &RunEvent| what(&event.what).then(|| Arc::new(event.clone()));
        let until = Instant::now() + Duration::from_secs(20);
        self.timeline.wait_for(Cursor::default(), until, pick).await.expect("recorded")
    }
}

/// A plug that answers late, a person who takes 20 s: the board may have spoken before, deadlines count from the
/// answer.
#[tokio::test]
async fn power_takes_effect_when_its_driver_has_answered() {
    let plug = Plug { let_it: Some(Semaphore::new(0)), ..Plug::default() };
    let Fixture { mut board, plug, timeline, master, .. } = fixture(plug);
    let (began, is_begun) = tokio::sync::oneshot::channel();
    let events = timeline.clone();
    let driver = tokio::spawn(async move {
        let until = Instant::now() + Duration::from_secs(20);
        let asked = |event: &RunEvent| matches!(event.what, What::PowerSwitching { on: true, .. }).then_some(event.seq);
        let asked = events.wait_for(Cursor::default(), until, asked).await.expect("asked");
        rustix::io::write(&master, b"early\r\n").expect("the board speaks");
        let early = |event: &RunEvent| matches!(event.what, What::Console { .. }).then_some(event.at);
        let early = events.wait_for(Cursor::default(), until, early).await.expect("captured");
        assert!(!events.since(Cursor::default()).iter().any(|event| matches!(event.what, What::Power { .. })));
        plug.let_it.as_ref().expect("held").add_permits(1);
        let _ = began.send((asked, early));
        master
    });
    let effect = board.power_on().await.expect("on").expect("switched");
    let (asked, early) = is_begun.await.expect("begun");
    assert_eq!(effect.cursor, Cursor(asked + 1), "what it said early matches");
    assert!(effect.at >= early, "and the deadline counts from the answer");
    assert_eq!(board.power_on().await.expect("on already"), None);
    driver.await.expect("driver");
}

#[tokio::test]
async fn a_reset_takes_effect_when_the_chip_is_released() {
    let mut fixture = fixture(Plug::default());
    let effect = fixture.board.reset().await.expect("reset");
    let events = fixture.events();
    let reset = events.iter().find(|event| matches!(event.what, What::Reset { .. })).expect("held");
    let released = events.iter().find(|event| matches!(event.what, What::ResetReleased { .. })).expect("released");
    assert_eq!(effect, Effect::since(Cursor::after(reset), released));
}

/// After a lost reply the state is unknown, and both ways of switching still work.
#[tokio::test]
async fn after_a_failed_switch_the_board_can_be_switched_either_way() {
    let plug = Plug { fails: Mutex::new([lost()].into()), ..Plug::default() };
    let mut fixture = fixture(plug);
    fixture.board.power_on().await.expect_err("its reply is lost");
    assert!(!fixture.board.is_powered());
    fixture.board.power_on().await.expect("on").expect("switched again");
    assert!(fixture.board.is_powered());
    fixture.plug.fails.lock().push_back(lost());
    fixture.board.power_off().await.expect_err("its reply is lost");
    fixture.board.power_on().await.expect("on").expect("switched on, whatever it was");
    fixture.plug.fails.lock().push_back(lost());
    fixture.board.power_off().await.expect_err("its reply is lost");
    fixture.board.power_off().await.expect("off").expect("switched off, whatever it was");
    assert_eq!(*fixture.plug.switched.lock(), [true, true, false, true, false, false]);
}

#[tokio::test]
async fn after_a_failed_switch_the_state_comes_from_the_driver() {
    let plug = Plug { fails: Mutex::new([lost()].into()), ..Plug::default() };
    let mut fixture = fixture(plug);
    *fixture.plug.state.lock() = Some(true);
    fixture.board.power_on().await.expect_err("its reply is lost");
    assert!(fixture.board.is_powered(), "it did switch");
    fixture.plug.fails.lock().push_back(lost());
    *fixture.plug.state.lock() = Some(false);
    fixture.board.power_off().await.expect_err("its reply is lost");
    assert!(!fixture.board.is_powered());
    assert_eq!(fixture.board.power_off().await.expect("off"), None, "it is off");
}

#[tokio::test]
async fn a_failed_measurement_leaves_the_board_off_and_the_cut_unproven() {
    let plug = Plug { measured: Mutex::new([Ok(Some(true)), Err(lost())].into()), ..Plug::default() };
    let mut fixture = fixture(plug);
    fixture.board.power_on().await.expect("on");
    fixture.board.power_off().await.expect("off").expect("switched");
    assert!(!fixture.board.is_powered());
    let (evidence, detail) = fixture.evidence();
    assert_eq!(evidence, Evidence::Unproven);
    assert!(detail.contains("could not measure after the cut: rail `plug`: no answer"), "{detail}");
    fixture.board.power_on().await.expect("on").expect("switched on again");
}

#[tokio::test]
async fn a_plug_is_switched_off_although_this_run_never_switched_it_on() {
    let mut fixture = fixture(Plug::default());
    fixture.board.power_off().await.expect("off").expect("its last user may have left it on");
    assert_eq!(fixture.board.power_off().await.expect("off"), None);
}

#[tokio::test]
async fn a_pin_that_was_off_before_the_cut_proves_nothing() {
    let mut fixture = fixture(Plug::default());
    *fixture.pin.lock() = Some(false);
    fixture.board.power_on().await.expect("on");
    fixture.board.power_off().await.expect("off");
    let (evidence, detail) = fixture.evidence();
    assert_eq!(evidence, Evidence::Unproven);
    assert_eq!(detail, "its pin `supply` was off before the cut already, which proves nothing");
}

#[tokio::test]
async fn a_driver_that_measured_no_supply_before_the_cut_proves_nothing() {
    let measured = Mutex::new([Ok(Some(false)), Ok(Some(false)), Ok(Some(true)), Ok(Some(false))].into());
    let mut fixture = fixture(Plug { measured, ..Plug::default() });
    fixture.board.power_on().await.expect("on");
    fixture.board.power_off().await.expect("off");
    assert_eq!(fixture.evidence().0, Evidence::Unproven);
    fixture.board.power_on().await.expect("on");
    fixture.board.power_off().await.expect("off");
    assert_eq!(fixture.evidence().0, Evidence::Sensed);
}

#[tokio::test]
async fn a_board_that_is_held_is_released_at_the_end_of_its_use() {
    let mut fixture = fixture(Plug::default());
    fixture.board.power_on().await.expect("on");
    fixture.board.reset().await.expect("reset");
    fixture.board.hold().await;
    fixture.board.make_safe().await;
    fixture.board.make_safe().await;
    assert_eq!(*fixture.lines.0.lock(), ["hold", "release", "hold", "release"]);
    let events = fixture.events();
    let place = |is: fn(&What) -> bool| events.iter().rposition(|event| is(&event.what)).expect("recorded");
    let off = place(|what| matches!(what, What::Power { on: false, .. }));
    assert!(off < place(|what| matches!(what, What::ResetReleased { .. })), "it does not boot before its power goes");
}

#[tokio::test]
async fn typed_text_is_recorded_when_the_port_has_it() {
    let mut fixture = fixture(Plug::default());
    fixture.board.power_on().await.expect("on");
    let begin = fixture.timeline.end();
    let effect = fixture.board.write_console(b"led on\r").await.expect("typed");
    let typed = fixture.expect(|what| matches!(what, What::Typed { text, .. } if text == "led on\r")).await;
    assert_eq!(effect, Effect::since(begin, &typed));
    let mut buffer = [0; 16];
    let length = rustix::io::read(&fixture.master, &mut buffer).expect("read");
    assert!(buffer[..length].starts_with(b"led on"), "the board has it");
    fixture.board.write_console(b"").await.expect("nothing is typed at once");
}

#[tokio::test]
async fn text_typed_at_a_missing_port_is_an_error() {
    let Fixture { mut board, master, timeline, .. } = fixture(Plug::default());
    let never = board.write_console(b"x").await.expect_err("nothing captures it");
    assert!(matches!(never, BenchError::NotTyped { .. }), "{never}");
    board.power_on().await.expect("on");
    drop(master);
    let lost = |event: &RunEvent| matches!(event.what, What::ConsoleLost { .. }).then_some(());
    timeline.wait_for(Cursor::default(), Instant::now() + Duration::from_secs(20), lost).await.expect("lost");
    let away = board.write_console(b"led on\r").await.expect_err("away");
    assert_eq!(away.to_string(), "can't type at the console of board `lamp`: its serial port is not there");
    assert!(!timeline.since(Cursor::default()).iter().any(|event| matches!(event.what, What::Typed { .. })));
}

/// The port disappears while text is written: the pseudo-terminal is full, and nothing reads it.
#[tokio::test]
async fn text_that_is_being_written_when_the_port_disappears_is_an_error() {
    let Fixture { mut board, master, path, .. } = fixture(Plug::default());
    board.power_on().await.expect("on");
    let text = vec![b'x'; 1 << 20];
    let typing = board.write_console(&text);
    let goes = async {
        // Bytes come while it is being written.
        let mut first = [0];
        let read = tokio::task::spawn_blocking(move || rustix::io::read(&master, &mut first).map(|_| master));
        drop(read.await.expect("no panic").expect("a byte"));
    };
    let (typed, ()) = tokio::join!(typing, goes);
    let error = typed.expect_err("not all of it was written");
    assert!(matches!(error, BenchError::NotTyped { .. }), "{error} on {}", path.display());
}

/// As ser2net or ModemManager do: the program reads the board's output.
#[tokio::test]
async fn a_port_that_another_program_reads_is_named_with_it() {
    let mut fixture = fixture(Plug::default());
    assert_eq!(fixture.board.port_users(), [], "the test has its other end");
    let reader = Reader::at(&fixture.path);
    let error = fixture.board.power_on().await.expect_err("in use");
    let BenchError::PortBusy { users, .. } = &error else { panic!("{error}") };
    assert_eq!(users.iter().map(|user| user.pid).collect::<Vec<_>>(), [reader.pid]);
    let caused = BenchError::Silent { board: "lamp".to_owned() };
    assert!(matches!(fixture.board.blame_port_users(caused.clone()), BenchError::PortBusy { .. }));
    let refused = Booted::Refused { reason: "nothing".to_owned() };
    fixture.board.doubt_boot(refused.clone()).expect_err("a part of its output is gone");
    reader.end();
    assert!(matches!(fixture.board.blame_port_users(caused), BenchError::Silent { .. }));
    assert_eq!(fixture.board.doubt_boot(refused.clone()).expect("the firmware's fault"), refused);
    fixture.board.power_on().await.expect("free");
}

/// The ladder continues; failed rungs are kept for the message of a deadline.
#[tokio::test]
async fn a_lost_reply_of_a_rail_leaves_the_board_usable() {
    let plug = Plug { fails: Mutex::new([lost()].into()), ..Plug::default() };
    let Fixture { mut board, master, timeline, .. } = fixture(plug);
    let firmware = hil_config::Firmware {
        image: hil_config::Image::Installed,
        ready: Some(regex::Regex::new("app runs").expect("pattern")),
        ..hil_config::Bench::builtin().firmware("lamp").expect("lamp").clone()
    };
    let events = timeline.clone();
    let chip = tokio::spawn(async move {
        let until = Instant::now() + Duration::from_secs(20);
        let released = |event: &RunEvent| matches!(event.what, What::ResetReleased { .. }).then_some(());
        events.wait_for(Cursor::default(), until, released).await.expect("reset");
        rustix::io::write(&master, b"app runs\r\n").expect("it boots");
        master
    });
    let booted = board.run_firmware(&firmware, &crate::TapAddress::default()).await.expect("the second time");
    assert_eq!(booted, Booted::Running);
    assert_eq!(board.troubles(), [""; 0], "over");
    let note = |event: &Arc<RunEvent>| matches!(&event.what, What::Bench { note, .. } if note.contains("no answer"));
    assert!(timeline.since(Cursor::default()).iter().any(note), "it is on the timeline all the same");
    let trouble = BenchError::power("lamp", lost());
    board.note_trouble(Rung::Try, &trouble);
    let said = "first attempt: the power of board `lamp` can't be switched: rail `plug`: no answer";
    assert_eq!(board.troubles(), [said]);
    chip.await.expect("chip");
}

#[tokio::test]
async fn the_record_of_a_panic_has_the_functions_of_its_addresses() {
    let Fixture { mut board, timeline, master, .. } = fixture(Plug::default());
    let elf: Arc<[u8]> = crate::virtual_board::builtin_image("lamp-esp32c3").expect("built in").into();
    let file = dwarf_object::File::parse(&*elf).expect("an ELF file");
    let mut functions = file.symbols().filter(|symbol| symbol.name().is_ok_and(|name| name.ends_with("4Lamp5event")));
    let entry = functions.next().expect("a function of the lamp").address();
    board.symbols.set(Some(&elf));
    board.open_console().expect("open");
    let panic = format!("====================== PANIC ======================\r\n\r\nBacktrace:\r\n\r\n{entry:#x}\r\n");
    rustix::io::write(&master, format!("{panic}Rebooting...\r\n").as_bytes()).expect("the board speaks");
    let until = Instant::now() + Duration::from_secs(20);
    let backtrace = |event: &RunEvent| match &event.what {
        What::Found { finding: hil_timeline::Finding::Backtrace, detail, .. } => Some(detail.clone()),
        _ => None,
    };
    let detail = timeline.wait_for(Cursor::default(), until, backtrace).await.expect("recorded");
    assert!(detail.ends_with(&format!("\n{entry:#x}  <lamp_core::lamp::Lamp>::event")), "{detail}");
}
