//! Tests the board that runs MicroPython with unmodified `mpremote` and `adafruit-ampy`.
//!
//! Needs both in `target/parts` (`ci/install-parts`) or on the path, and MicroPython's unix port. Without them, each
//! test prints that and is skipped; `HIL_REQUIRE_PARTS` makes it a failure.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hil_config::Misbehaviour;
use hil_virtual_board::image::builtin;
use hil_virtual_board::{Options, VirtualBoard};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};

struct Bench {
    tools: PathBuf,
    board: VirtualBoard,
    folder: tempfile::TempDir,
    pins: Receiver<(u8, bool)>,
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(future)
}

/// Where the tools are: the installed parts of the workspace.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn tools() -> Option<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/parts/python/bin");
    // Tests run in their package's folder, but the parts are in the workspace's root.
    std::env::set_current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).expect("workspace");
    let here = tools.join("mpremote").is_file() && tools.join("ampy").is_file();
    if here && hil_config::find_micropython().is_ok() {
        return Some(tools.canonicalize().expect("folder"));
    }
    assert!(std::env::var_os("HIL_REQUIRE_PARTS").is_none(), "mpremote, ampy and micropython are required here");
    eprintln!("skipped: no mpremote, ampy or micropython (`ci/install-parts` installs them)");
    None
}

impl Bench {
    /// A running board with MicroPython.
    fn new() -> Option<Self> {
        Self::that(&[])
    }

    /// The same with misbehaviour.
    fn that(misbehaves: &[Misbehaviour]) -> Option<Self> {
        let tools = tools()?;
        let (changes, pins) = channel();
        // A test without pins has dropped the other end.
        let on_pin = move |gpio, high| {
            let _ = changes.send((gpio, high));
        };
        let options = Options { on_pin: Some(Arc::new(on_pin)), ..Options::named("python", misbehaves) };
        let board = VirtualBoard::start(options).expect("board");
        assert!(board.program(0, &builtin("micropython").expect("built in")));
        block_on(board.set_rail(true));
        Some(Self { tools, board, folder: tempfile::tempdir().expect("folder"), pins })
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("write");
        path.display().to_string()
    }

    fn mpremote(&self, words: &[&str]) -> String {
        let port = self.board.port().expect("port").display().to_string();
        self.run("mpremote", &[&["connect", &port], words].concat())
    }

    fn try_mpremote(&self, words: &[&str]) -> (bool, String) {
        let port = self.board.port().expect("port").display().to_string();
        self.output("mpremote", &[&["connect", &port], words].concat())
    }

    /// Waits until the board prints this.
    fn shows(&self, text: &str) {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let port = rustix::fs::open(self.board.port().expect("port"), flags, Mode::empty()).expect("open");
        let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains(text) {
            let ready = rustix::event::poll(&mut [PollFd::new(&port, PollFlags::IN)], Some(&patience)).expect("poll");
            assert_eq!(ready, 1, "it said only {}", String::from_utf8_lossy(&said));
            let mut buffer = [0; 1024];
            let length = rustix::io::read(&port, &mut buffer).expect("read");
            said.extend(&buffer[..length]);
        }
    }

    fn ampy(&self, words: &[&str]) -> String {
        let port = self.board.port().expect("port").display().to_string();
        self.run("ampy", &[&["--port", &port], words].concat())
    }

    fn run(&self, tool: &str, words: &[&str]) -> String {
        let (succeeded, text) = self.output(tool, words);
        assert!(succeeded, "{tool} {words:?}:\n{text}");
        text
    }

    fn output(&self, tool: &str, words: &[&str]) -> (bool, String) {
        let mut command = Command::new("timeout");
        command.arg("60").arg(self.tools.join(tool)).args(words).current_dir(self.folder.path());
        let output = command.output().expect("runs");
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).replace('\r', "");
        (output.status.success(), text)
    }
}

#[test]
fn mpremote_copies_lists_executes_runs_and_resets() {
    let Some(bench) = Bench::new() else { return };
    let blob: Vec<u8> = (0..20_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let local = bench.file("blob.bin", &blob);
    bench.mpremote(&["fs", "cp", &local, ":blob.bin"]);
    let listed = bench.mpremote(&["fs", "ls"]);
    assert!(listed.contains("20000 blob.bin") && listed.contains("boot.py"), "{listed}");
    let back = bench.folder.path().join("back.bin");
    bench.mpremote(&["fs", "cp", ":blob.bin", &back.display().to_string()]);
    assert_eq!(std::fs::read(&back).expect("copied back"), blob);
    assert_eq!(bench.mpremote(&["exec", "print(1 + 1)"]).trim(), "2");
    let script = bench.file("script.py", b"import machine, os\nfor n in range(3):\n    print('line', n)\nprint(os.uname().sysname, len(machine.unique_id()))\n");
    assert_eq!(bench.mpremote(&["run", &script]), "line 0\nline 1\nline 2\nesp32 6\n");
    let main = bench.file("main.py", b"print('main runs')\n");
    bench.mpremote(&["fs", "cp", &main, ":main.py"]);
    bench.mpremote(&["reset"]);
    bench.shows("main runs");
    // The file is still there.
    assert_eq!(bench.mpremote(&["resume", "fs", "cat", ":main.py"]), "print('main runs')\n");
    let (succeeded, said) = bench.try_mpremote(&["exec", "1/0"]);
    assert!(!succeeded && said.contains("ZeroDivisionError"), "{said}");
}

#[test]
fn mpremote_takes_a_repl_without_raw_paste_for_an_old_one() {
    let Some(bench) = Bench::that(&[Misbehaviour::NoRawPaste]) else { return };
    assert_eq!(bench.mpremote(&["exec", "print(1 + 1)"]).trim(), "2");
}

#[test]
fn ampy_puts_gets_lists_runs_and_resets() {
    let Some(bench) = Bench::new() else { return };
    let local = bench.file("wifi.py", "print('Suhu: 28°C')\n".as_bytes());
    bench.ampy(&["put", &local]);
    assert!(bench.ampy(&["ls"]).contains("/wifi.py"));
    assert_eq!(bench.ampy(&["get", "wifi.py"]).trim_end(), "print('Suhu: 28°C')");
    assert_eq!(bench.ampy(&["run", &local]).trim(), "Suhu: 28°C");
    bench.ampy(&["reset"]);
    assert!(bench.ampy(&["ls"]).contains("/wifi.py"));
}

#[test]
fn files_survive_a_power_cut_and_pins_and_chip_are_those_of_the_board() {
    let Some(bench) = Bench::new() else { return };
    let main = bench.file(
        "main.py",
        b"from machine import Pin\nimport machine, time\nPin(2, Pin.OUT, value=1)\nPin(2, Pin.OUT).value(0)\nprint('lit', machine.reset_cause())\nwhile True:\n    print('flood')\n",
    );
    bench.mpremote(&["fs", "cp", &main, ":main.py"]);
    block_on(async {
        bench.board.set_rail(false).await;
        while bench.pins.try_recv().is_ok() {}
        bench.board.set_rail(true).await;
    });
    let lit = std::iter::from_fn(|| bench.pins.recv_timeout(Duration::from_secs(10)).ok()).any(|pin| pin == (2, false));
    assert!(lit, "main.py has lit the lamp");
    // mpremote works although the console is flooded.
    assert!(bench.mpremote(&["fs", "ls"]).contains("main.py"));
    let caused = bench.mpremote(&["resume", "exec", "import machine; print(machine.reset_cause())"]);
    assert_eq!(caused.trim(), "5", "mpremote resets softly");
}
