//! Scripts on virtual boards that run MicroPython: uploading, skipping, interrupting, and what a power cut leaves.
//!
//! Needs MicroPython's unix port; without it each test says so and skips, unless `HIL_REQUIRE_PARTS` is set.

use std::path::Path;
use std::time::Duration;

use hil_bench::{Bench, Booted, Claim, TapAddress};
use hil_timeline::{Cursor, Epoch, FlashPhase, Timeline, What};
use tempfile::TempDir;
use tokio::time::Instant;

struct Fixture {
    folder: TempDir,
    timeline: Timeline,
    bench: Bench,
}

/// Whether there is an interpreter.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn is_there() -> bool {
    // The installed parts are looked for from the workspace's root.
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).expect("workspace");
    let found = hil_config::find_micropython().is_ok();
    assert!(found || std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "MicroPython is required here");
    if !found {
        eprintln!("skipped: no MicroPython (`ci/install-parts` installs it)");
    }
    found
}

impl Fixture {
    /// A board, and firmware of the folders that `fill` makes.
    async fn new(names: &[&str], fill: impl Fn(&Path)) -> Self {
        Self::that("", names, fill).await
    }

    /// A board that misbehaves so.
    async fn that(misbehaves: &str, names: &[&str], fill: impl Fn(&Path)) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        fill(folder.path());
        let mut text =
            format!("[boards.board]\nkind = \"virtual\"\noff-time = \"50ms\"\nmisbehaves = [{misbehaves}]\n");
        for name in names {
            text.push_str(&format!(
                "[firmware.{name}]\nkind = \"micropython\"\nimage = \"builtin:micropython\"\nscripts = [\"{name}\"]\nready = \"ready\"\n"
            ));
        }
        let path = folder.path().join("bench.toml");
        std::fs::write(&path, text).expect("bench file");
        let config = hil_config::Bench::from_file(&path, &hil_bench::kinds()).expect("bench");
        let timeline = Timeline::in_memory(Epoch::start());
        let bench = Bench::open(config, &timeline, Claim::default()).await.expect("opens");
        Self { folder, timeline, bench }
    }

    /// Puts a firmware on the board; the bytes that were uploaded and those that were there.
    async fn run(&self, name: &str) -> (usize, usize) {
        let config =
            hil_config::Bench::from_file(&self.folder.path().join("bench.toml"), &hil_bench::kinds()).expect("bench");
        let firmware = config.firmware(name).expect("firmware").clone();
        let from = self.timeline.end();
        let mut board = self.bench.lock("board").await.expect("board");
        assert_eq!(board.run_firmware(&firmware, &TapAddress::default()).await.expect("works"), Booted::Running);
        let finished = |what: &What| match what {
            What::Flash { flash: FlashPhase::Finished { written, skipped, .. }, .. } => Some((*written, *skipped)),
            _ => None,
        };
        let events = self.timeline.since(from);
        let mut finished = events.iter().filter_map(|event| finished(&event.what));
        let image = finished.next().expect("the image");
        let all = finished.next().expect("the scripts");
        (all.0 - image.0, all.1 - image.1)
    }

    fn lines(&self) -> Vec<String> {
        let line = |what: &What| match what {
            What::Console { line, .. } => Some(line.clone()),
            _ => None,
        };
        self.timeline.since(Cursor::default()).iter().filter_map(|event| line(&event.what)).collect()
    }
}

fn write(folder: &Path, name: &str, text: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("folder")).expect("folder");
    std::fs::write(path, text).expect("write");
}

/// 20 files, 200 kB in all.
fn many(folder: &Path) {
    for n in 0..19_u32 {
        let bytes: Vec<u8> = (0..10_500_u32).map(|i| (i.wrapping_mul(31) ^ n.wrapping_mul(7)) as u8).collect();
        write(folder, &format!("many/lib/part{n}/data.bin"), bytes);
    }
    write(folder, "many/main.py", "import os\nprint('ready', sorted(os.listdir('/lib'))[:3])\n");
}

#[tokio::test]
async fn twenty_files_are_uploaded_once_and_then_only_what_changed() {
    if !is_there() {
        return;
    }
    let fixture = Fixture::new(&["many"], many).await;
    let (written, skipped) = fixture.run("many").await;
    assert!(written > 199_000 && skipped == 0, "{written} {skipped}");
    let progress: Vec<usize> = fixture
        .timeline
        .since(Cursor::default())
        .iter()
        .filter_map(|event| match &event.what {
            What::Flash { flash: FlashPhase::Progress { done, total }, .. } if *total == written => Some(*done),
            _ => None,
        })
        .collect();
    assert!(progress.len() > 100 && progress.is_sorted() && progress.last() == Some(&written), "{progress:?}");
    assert_eq!(fixture.run("many").await, (0, written));
    write(fixture.folder.path(), "many/lib/part3/data.bin", "new");
    assert_eq!(fixture.run("many").await, (3, written - 10_500));
    assert!(fixture.lines().iter().any(|line| line == "ready ['part0', 'part1', 'part10']"), "{:?}", fixture.lines());
}

#[tokio::test]
async fn an_old_repl_without_raw_paste_takes_the_same_files() {
    if !is_there() {
        return;
    }
    let fixture = Fixture::that("\"no-raw-paste\"", &["many"], many).await;
    let (written, skipped) = fixture.run("many").await;
    assert!(written > 199_000 && skipped == 0, "{written} {skipped}");
    assert_eq!(fixture.run("many").await, (0, written));
}

#[tokio::test]
async fn an_upload_that_is_cut_short_is_finished_by_the_next_run() {
    if !is_there() {
        return;
    }
    let fixture = Fixture::new(&["many"], many).await;
    let half = |event: &hil_timeline::RunEvent| match &event.what {
        What::Flash { flash: FlashPhase::Progress { done, total }, .. } => {
            (*total > 190_000 && *done > total / 2).then_some(())
        }
        _ => None,
    };
    {
        let firmware = fixture.bench.config().firmware("many").expect("firmware").clone();
        let mut board = fixture.bench.lock("board").await.expect("board");
        let tap = TapAddress::default();
        let deadline = Instant::now() + Duration::from_secs(60);
        tokio::select! {
            ran = board.run_firmware(&firmware, &tap) => panic!("it was to be cut: {ran:?}"),
            seen = fixture.timeline.wait_for(Cursor::default(), deadline, half) => seen.expect("half of it"),
        }
        board.power_off().await.expect("cut");
    }
    let (written, skipped) = fixture.run("many").await;
    assert!(written > 0 && skipped > 50_000, "{written} {skipped}");
    assert_eq!(fixture.run("many").await, (0, written + skipped));
}

#[tokio::test]
async fn the_friendly_repl_is_there_for_whoever_takes_the_port() {
    if !is_there() {
        return;
    }
    let loops = "import time\nprint('ready')\nwhile True:\n    time.sleep(1)\n";
    let fixture = Fixture::new(&["loops"], |folder| write(folder, "loops/main.py", loops)).await;
    fixture.run("loops").await;
    let mut board = fixture.bench.lock("board").await.expect("board");
    let port = board.take_port().await.expect("port");
    let hears = async |typed: &[u8], wanted: &str| {
        port.write(typed).await.expect("write");
        let (mut heard, mut buffer) = (String::new(), [0; 1024]);
        let deadline = Instant::now() + Duration::from_secs(10);
        while !heard.contains(wanted) {
            let read = tokio::time::timeout_at(deadline, port.read(&mut buffer)).await;
            let length = read.unwrap_or_else(|_| panic!("no {wanted:?} in {heard:?}")).expect("read");
            heard.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
    };
    hears(b"\r\x03\x03", "KeyboardInterrupt").await;
    hears(b"6 * 7\r", "42\r\n>>> ").await;
    hears(b"for n in range(2):\r    print('line', n)\r\r", "line 1\r\n>>> ").await;
    hears(b"1/0\r", "ZeroDivisionError").await;
    hears(b"\x04", "MPY: soft reboot\r\nready").await;
    drop(port);
    board.watch_console().expect("captured again");
}

#[tokio::test]
async fn scripts_that_flood_the_console_or_resist_an_interruption_are_replaced() {
    if !is_there() {
        return;
    }
    let names = ["flood", "stubborn", "calm"];
    let fixture = Fixture::new(&names, |folder| {
        write(folder, "flood/main.py", "print('ready')\nwhile True:\n    print('x' * 200)\n");
        let stubborn = "import machine, time\nprint('ready')\ntime.sleep_ms(120)\ntry:\n    while True:\n        pass\nexcept BaseException:\n    machine.reset()\n";
        write(folder, "stubborn/main.py", stubborn);
        write(folder, "stubborn/helper.py", "");
        write(folder, "calm/main.py", "import os\nprint('ready', os.listdir('/'))\n");
    })
    .await;
    for name in ["flood", "stubborn", "calm"] {
        fixture.run(name).await;
    }
    // What an earlier firmware brought is gone; what the board had by itself is not.
    let last = fixture.lines().into_iter().rfind(|line| line.starts_with("ready [")).expect("ready");
    assert!(last.contains("boot.py") && last.contains("main.py") && !last.contains("helper.py"), "{last}");
}
