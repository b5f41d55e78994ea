//! Against the kernel's own interfaces: gpio-sim for lines, the cp210x driver for a serial port.
//!
//! They run in a User-Mode Linux kernel, which `ci/uml/build-kernel` builds and which needs no root: this target boots it
//! and runs itself in there. Without the kernel it says so and passes; with `HIL_REQUIRE_PARTS` it fails.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use gpiosim::{Bank, Level, Sim};
use hil_bench::PowerDriver as _;
use hil_bench::power::Rails;
use hil_config::{GpioLine, Line, Rail, RailDriver, SafeState};
use libtest_mimic::{Arguments, Trial};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Set inside the kernel, to the group of tests that runs there.
const INSIDE: &str = "HIL_INSIDE_KERNEL";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if let Ok(group) = std::env::var(INSIDE) {
        let trials = if group == "ports" { ports() } else { lines() };
        return libtest_mimic::run(&Arguments { test_threads: Some(1), ..arguments }, trials).exit_code();
    }
    // Two kernels at once: each has one processor.
    let trials = vec![
        Trial::test("in_a_kernel_with_simulated_lines", || boot("lines")),
        Trial::test("in_a_kernel_with_simulated_ports", || boot("ports")),
    ];
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn lines() -> Vec<Trial> {
    vec![
        test("rails", rails_on_lines),
        test("rails_that_cannot_be_had", rails_that_cannot_be_had),
        test("two_rails_in_one_switch", two_rails_in_one_switch),
        test("pins", pins_are_sensed_by_edges_and_driven),
        test("reset_lines", en_and_the_strapping_pin_on_lines),
        test("power_cycle", the_rails_reset_with_the_strapping_pin_on_a_line),
        test("killed", whatever_is_killed_the_relay_falls),
    ]
}

fn ports() -> Vec<Trial> {
    vec![
        test("sequences", each_sequence_enters_the_loader_on_its_circuit),
        test("mac", a_board_behind_an_adapter_is_found_by_its_mac),
        test("cable", a_cable_plugged_in_elsewhere_is_survived),
    ]
}

/// A test that fails by a panic.
fn test(name: &str, body: fn()) -> Trial {
    Trial::test(name, move || {
        body();
        Ok(())
    })
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace")
}

fn boot(group: &str) -> Result<(), libtest_mimic::Failed> {
    if !workspace().join("target/parts/uml/linux").is_file() {
        let hint = "skipped: there is no kernel to boot; `ci/uml/build-kernel` builds it";
        return if std::env::var_os("HIL_REQUIRE_PARTS").is_some() {
            Err(hint.into())
        } else {
            writeln!(std::io::stderr(), "{hint}").map_err(|error| error.to_string())?;
            Ok(())
        };
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let filter: Vec<_> = std::env::var("HIL_KERNEL_TESTS").into_iter().collect();
    let status = Command::new(workspace().join("ci/uml/boot"))
        .arg(own)
        .args(filter)
        .env(INSIDE, group)
        .env("HIL_UML_ENV", format!("{INSIDE} RUST_BACKTRACE INSTA_UPDATE"))
        .env("HIL_UML_TIMEOUT", "180")
        .status()
        .map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("inside the kernel: {status}").into()) }
}

// ---- what the tests inside share

fn relays() -> Sim {
    let mut bank = Bank::new(9, "relays");
    bank.name(0, "RELAY1")
        .name(1, "RELAY2")
        .name(2, "TAKEN")
        .name(3, "LED")
        .name(4, "BUTTON")
        .name(5, "TWICE")
        .name(6, "TWICE")
        .name(7, "EN")
        .name(8, "BOOT");
    let sim = gpiosim::builder().with_bank(&bank).live().expect("gpio-sim");
    let path = sim.chips()[0].dev_path().clone();
    // The node is there once devtmpfs has made it.
    let deadline = Instant::now() + Duration::from_secs(5);
    while gpiocdev::Chip::from_path(&path).is_err() {
        assert!(Instant::now() < deadline, "no {}", path.display());
        std::thread::yield_now();
    }
    sim
}

fn level(sim: &Sim, line: u32) -> bool {
    sim.chips()[0].get_level(line).expect("level") == Level::High
}

fn named(name: &str) -> Line {
    Line::Name(name.to_owned())
}

fn rail(line: Line, active_low: bool) -> Rail {
    let driver = RailDriver::Gpio(GpioLine { line, active_low, bias: None });
    Rail { driver, off_time: None, safe_state: SafeState::Off }
}

fn open(rails: &[Rail]) -> Result<Rails, hil_bench::PowerError> {
    Rails::open(rails, Path::new("/sys"))
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime").block_on(future)
}

/// `hil` in a folder of its own, on a bench file.
struct Project(tempfile::TempDir);

impl Project {
    fn new(bench: &str, feature: &str) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::create_dir(folder.path().join("features")).expect("features");
        std::fs::write(folder.path().join("bench.toml"), bench).expect("bench");
        std::fs::write(folder.path().join("features/one.feature"), feature).expect("feature");
        Self(folder)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hil"));
        command.current_dir(self.0.path()).args(arguments).env("HIL_BENCH", "bench.toml").stdin(Stdio::null());
        command.env("HIL_LOCKS", self.0.path().join("locks")).process_group(0);
        command
    }

    fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
        let (line, lines) = channel();
        let streams: [Box<dyn std::io::Read + Send>; 2] =
            [Box::new(child.stdout.take().expect("piped")), Box::new(child.stderr.take().expect("piped"))];
        for stream in streams {
            let line = line.clone();
            std::thread::spawn(move || {
                for text in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = line.send(text);
                }
            });
        }
        Running { child, lines, said: String::new() }
    }

    fn wait_for_locks(&self) {
        for entry in std::fs::read_dir(self.0.path().join("locks")).expect("locks").flatten() {
            let file = std::fs::File::open(entry.path()).expect("lock");
            rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("free");
        }
    }
}

/// A program and what it prints.
struct Running {
    child: Child,
    lines: Receiver<String>,
    said: String,
}

impl Running {
    fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    let _ = writeln!(self.said, "{line}");
                    if line.contains(text) {
                        return;
                    }
                }
                Err(_) => panic!("`{text}` was not said; it said\n{}", self.said),
            }
        }
    }

    fn end(mut self) -> (i32, String) {
        let code = self.child.wait().expect("ends").code().unwrap_or(-1);
        for line in &self.lines {
            let _ = writeln!(self.said, "{line}");
        }
        (code, self.said)
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

// ---- lines

fn rails_on_lines() {
    let sim = relays();
    let chip = sim.chips()[0].chip_name.clone();
    for line in [named("RELAY1"), Line::Offset { chip, offset: 0 }, Line::Offset { chip: "relays".into(), offset: 0 }] {
        for active_low in [false, true] {
            let rails = open(&[rail(line.clone(), active_low)]).expect("open");
            assert_eq!(level(&sim, 0), active_low, "off from the start");
            for on in [true, true, false, true] {
                block_on(rails.switch(on)).expect("switches");
                assert_eq!(level(&sim, 0), on != active_low);
            }
            block_on(rails.make_safe()).expect("safe");
            assert_eq!(level(&sim, 0), active_low);
            // What a released line does is the kernel's business: this one lets it fall.
            drop(rails);
            assert!(!level(&sim, 0), "gpio-sim lets a released line go low");
        }
    }
}

fn rails_that_cannot_be_had() {
    let sim = relays();
    let taken = gpiocdev::Request::builder()
        .on_chip(sim.chips()[0].dev_path())
        .with_consumer("w1")
        .with_line(2)
        .as_output(gpiocdev::line::Value::Inactive)
        .request()
        .expect("taken");
    let refused = |line: Line| {
        let error = open(&[rail(line, false)]).expect_err("refused");
        format!("{error}\nhint: {}\n", error.hint.as_deref().unwrap_or_default())
    };
    let missing = |chip: &str, offset| Line::Offset { chip: chip.to_owned(), offset };
    let said =
        [named("TAKEN"), named("NONE"), named("TWICE"), missing("gpiochip9", 0), missing("relays", 99)].map(refused);
    assert_eq!(
        said.concat(),
        "rail `gpio TAKEN`: GPIO line `TAKEN` is in use by `w1`\n\
         hint: another program or an overlay of the kernel holds it; `gpioinfo` shows which\n\
         rail `gpio NONE`: there is no GPIO line `NONE`\n\
         hint: `gpioinfo` lists chips and lines\n\
         rail `gpio TWICE`: 2 GPIO lines are called `TWICE`\n\
         hint: name it by chip and offset: `{ chip = \"gpiochip0\", offset = 17 }`\n\
         rail `gpio gpiochip9 line 0`: there is no GPIO chip `gpiochip9`\n\
         hint: `gpioinfo` lists chips and lines\n\
         rail `gpio relays line 99`: there is no GPIO line `relays line 99`\n\
         hint: `gpioinfo` lists chips and lines\n"
    );
    drop(taken);
    open(&[rail(named("TAKEN"), false)]).expect("free now");
}

fn two_rails_in_one_switch() {
    let sim = relays();
    let rails = open(&[rail(named("RELAY1"), false), rail(named("RELAY2"), true)]).expect("open");
    assert_eq!(rails.rail(), "gpio RELAY1 + gpio RELAY2", "one request for both");
    for on in [true, false, true] {
        block_on(rails.switch(on)).expect("switches");
        assert_eq!((level(&sim, 0), level(&sim, 1)), (on, !on));
    }
}

/// A board on a pseudo-terminal of another program, with pins and a relay on this machine's lines. The relay stands for
/// its supply, which is always on.
fn bench_with_lines(lab: &Lab) -> String {
    lab.tell(&["power", "lamp", "on"]);
    let text = std::fs::read_to_string(lab.folder.path().join("bench.toml")).expect("bench");
    let (board, rest) = text.split_once("\n[[boards.lamp.rails]]").expect("rails");
    let firmware = &rest[rest.find("\n[firmware.lamp]").expect("firmware")..];
    format!(
        "{board}pins = {{ led = {{ line = \"LED\", bias = \"pull-down\" }}, button = {{ line = \"BUTTON\", direction = \"drive\" }} }}\n\
         \n[[boards.lamp.rails]]\ndriver = \"gpio\"\nline = \"RELAY1\"\n{firmware}"
    )
}

/// The other program with the board; it ends with the value.
struct Lab {
    folder: tempfile::TempDir,
    boards: Child,
}

impl Lab {
    fn open() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let mut boards = Command::new(env!("CARGO_BIN_EXE_hil"))
            .args(["virtual", "--as-real"])
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("hil");
        let lines = BufReader::new(boards.stdout.as_mut().expect("piped")).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.starts_with("up;")), "the board is not up");
        Self { folder, boards }
    }

    fn tell(&self, words: &[&str]) {
        let socket = self.folder.path().join("control.sock");
        let told = Command::new(env!("CARGO_BIN_EXE_hil")).args(["virtual", "--tell"]).arg(socket).args(words).status();
        assert!(told.expect("hil").success());
    }
}

impl Lab {
    /// As [`Lab::tell`], without starting a program.
    fn ask(&self, command: &str) {
        let mut stream =
            std::os::unix::net::UnixStream::connect(self.folder.path().join("control.sock")).expect("socket");
        writeln!(stream, "{command}").expect("told");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("an answer");
        assert!(answer.starts_with("done"), "{answer}");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.boards.kill();
        let _ = self.boards.wait();
    }
}

fn pins_are_sensed_by_edges_and_driven() {
    let sim = relays();
    let lab = Lab::open();
    let feature = r#"Feature: f
  Scenario: pins
    Given the board "lamp" runs the firmware "lamp"
    When I press the button "button" of "lamp" for 300 ms
    Then the pin "led" of "lamp" is on within 10 s
    And the pin "led" of "lamp" is off within 10 s
"#;
    let project = Project::new(&bench_with_lines(&lab), feature);
    let run = project.start(&["run", "--out", "out", "-vv"]);
    // The wire from the button to the light, until the run ends.
    let mut run = run;
    let mut lit = false;
    while run.child.try_wait().expect("state").is_none() {
        let pressed = level(&sim, 4);
        if pressed != lit {
            lit = pressed;
            sim.chips()[0].set_pull(3, if lit { Level::High } else { Level::Low }).expect("pull");
        }
        // There is one processor in here, and no event tells of a level.
        std::thread::sleep(Duration::from_millis(2));
    }
    let (code, said) = run.end();
    assert_eq!(code, 0, "{said}");
    assert!(!level(&sim, 0) && !level(&sim, 4), "relay and button are off");
}

/// The board's EN and strapping pin hang on lines through transistors. Without those the lines are open drain, which
/// gpio-sim can't show: a line that becomes an input keeps its level there, whatever pulls it.
fn en_and_the_strapping_pin_on_lines() {
    let sim = relays();
    let lab = Lab::open();
    let bench = bench_with_lines(&lab);
    let command = bench.lines().find(|line| line.starts_with("reset = ")).expect("reset").to_owned();
    let bench = bench.replacen(
        &command,
        "reset = { strategy = \"gpio\", en = \"EN\", boot = \"BOOT\", inverted = true }\nfirmware = \"lamp\"",
        1,
    );
    let bench = bench.replacen("firmware = \"lamp\"\nfirmware = \"lamp\"", "firmware = \"lamp\"", 1);
    let project = Project::new(&bench, "");
    let mut run = project.start(&["flash", "lamp"]);
    let mut enabled = true;
    while run.child.try_wait().expect("state").is_none() {
        let en = !level(&sim, 7);
        if en != enabled {
            enabled = en;
            let word = match (en, !level(&sim, 8)) {
                (false, _) => "hold",
                (true, true) => "run",
                (true, false) => "loader",
            };
            lab.ask(&format!("{word} lamp"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let (code, said) = run.end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("`lamp` runs on `lamp`: ") && !said.contains(": 0 bytes"), "{said}");
}

/// The rails reset the chip; the strapping pin hangs on a line through a transistor.
fn the_rails_reset_with_the_strapping_pin_on_a_line() {
    let sim = relays();
    let lab = Lab::open();
    let bench = std::fs::read_to_string(lab.folder.path().join("bench.toml")).expect("bench");
    let command = bench.lines().find(|line| line.starts_with("reset = ")).expect("reset").to_owned();
    let strategy = "off-time = \"100ms\"\nreset = { strategy = \"power-cycle\", boot = \"BOOT\", inverted = true }";
    let project = Project::new(&bench.replacen(&command, strategy, 1), "");
    let mut run = project.start(&["flash", "lamp"]);
    let mut high = true;
    while run.child.try_wait().expect("state").is_none() {
        let boot = !level(&sim, 8);
        if boot != high {
            high = boot;
            lab.ask(&format!("boot lamp {}", if high { "high" } else { "low" }));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let (code, said) = run.end();
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("`lamp` runs on `lamp`: ") && !said.contains(": 0 bytes"), "{said}");
}

fn whatever_is_killed_the_relay_falls() {
    let sim = relays();
    let lab = Lab::open();
    let feature = r#"Feature: f
  Scenario: waits
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" does not reboot for 60 s
"#;
    let project = Project::new(&bench_with_lines(&lab), feature);
    for victim in ["hil", "its process group", "its keeper"] {
        let mut run = project.start(&["run", "-vv"]);
        run.wait_for("<- CONNACK");
        assert!(level(&sim, 0), "the relay is on");
        let killed = Instant::now();
        match victim {
            "hil" => kill_process(run.pid(), Signal::KILL).expect("kill"),
            "its process group" => kill_process_group(run.pid(), Signal::KILL).expect("kill"),
            _ => kill_process(keeper(), Signal::KILL).expect("kill"),
        }
        if victim == "its keeper" {
            // The kernel lets go of its lines at once (gpio-sim: low). `hil` notices, and another keeper sets them.
            let (code, said) = run.end();
            assert_eq!(code, 102, "{said}");
            assert!(said.contains("the keeper of the rails has ended"), "{said}");
            assert!(said.contains("another one has made its rails safe"), "{said}");
        } else {
            run.end();
        }
        project.wait_for_locks();
        let took = killed.elapsed();
        assert!(!level(&sim, 0), "{victim} was killed and the relay is on");
        // Each start of a program takes a tenth of a second in here, and `hil` ends its run before the locks are free.
        assert!(took < Duration::from_secs(5), "{victim} was killed: safe after {took:?}");
        let power = project.start(&["power", "lamp", "off", "--no-wait"]);
        assert_eq!(power.end(), (0, "`lamp` is off\n".to_owned()), "the lock is free");
    }
    // Left on by wish, and ended by wish.
    let on = project.start(&["power", "lamp", "on", "--detach"]);
    let (code, said) = on.end();
    assert_eq!(code, 0, "{said}");
    assert!(level(&sim, 0), "left on");
    let (code, said) = project.start(&["run", "--no-wait"]).end();
    assert!(code == 96 && said.contains("in use by `hil power lamp on`") && said.contains("detached"), "{said}");
    assert_eq!(project.start(&["power", "lamp", "off"]).end().0, 0);
    assert!(!level(&sim, 0));
}

fn keeper() -> Pid {
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    let is_keeper = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("--be-the-keeper-now")
    };
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_keeper).find_map(Pid::from_raw).expect("a keeper")
}

// ---- the serial port

/// A CP2102 in user space with a virtual board behind it.
struct Adapter {
    running: Running,
    stdin: ChildStdin,
}

impl Adapter {
    fn plug(time_constant_ms: u32) -> Self {
        let program = Path::new(env!("CARGO_BIN_EXE_hil")).with_file_name("examples").join("cp2102");
        let mut child = Command::new(program)
            .arg(time_constant_ms.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example cp2102");
        let stdout = child.stdout.take().expect("piped");
        let (line, lines) = channel();
        std::thread::spawn(move || {
            for text in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = line.send(text);
            }
        });
        let stdin = child.stdin.take().expect("piped");
        let mut running = Running { child, lines, said: String::new() };
        running.wait_for("up");
        let adapter = Self { running, stdin };
        wait_for_tty("ttyUSB0");
        adapter
    }

    fn tell(&mut self, command: &str) {
        writeln!(self.stdin, "{command}").expect("told");
        self.running.wait_for(&format!("{command}: done"));
    }

    /// Which way the next boot goes.
    fn next_boot(&mut self) -> String {
        self.running.wait_for("boots into");
        self.boots().lines().find(|line| line.starts_with("boots into")).unwrap_or_default().to_owned()
    }

    /// What it said since the last time: which way each boot went.
    fn boots(&mut self) -> String {
        while let Ok(line) = self.running.lines.try_recv() {
            let _ = writeln!(self.running.said, "{line}");
        }
        std::mem::take(&mut self.running.said)
    }
}

impl Drop for Adapter {
    fn drop(&mut self) {
        let _ = writeln!(self.stdin, "quit");
        let _ = self.running.child.wait();
        let _ = Command::new("umount").arg("/mnt/cp2102").status();
        let gadget = Path::new("/sys/kernel/config/usb_gadget/cp2102");
        let _ = std::fs::remove_file(gadget.join("configs/c.1/ffs.cp2102"));
        for folder in ["configs/c.1", "functions/ffs.cp2102", "strings/0x409", ""] {
            let _ = std::fs::remove_dir(gadget.join(folder));
        }
    }
}

/// Waits until the kernel has made the node.
fn wait_for_tty(name: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !Path::new("/dev").join(name).exists() {
        assert!(Instant::now() < deadline, "no /dev/{name}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn serial_bench(reset: &str) -> String {
    format!(
        "[boards.lamp]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = {{ usb-serial = \"0001\" }}\nreset = \"{reset}\"\nfirmware = \"lamp\"\n\
         [firmware.lamp]\nimage = \"builtin:lamp\"\nready = \"mqtt: starting\"\n\
         nvs = {{ \"mqtt.host\" = \"{{tap.host}}\", \"mqtt.port\" = \"{{tap.port}}\" }}\n"
    )
}

/// Which sequence enters the loader depends on the capacitor at EN: 10 kΩ and 1 µF make 10 ms.
fn each_sequence_enters_the_loader_on_its_circuit() {
    // Circuit, strategy, whether the first attempt enters the loader.
    let cases =
        [(10, "classic", true), (0, "classic", false), (0, "tight", true), (100, "tight", false), (0, "auto", false)];
    let mut plugged: Option<(u32, Adapter)> = None;
    for (time_constant, strategy, enters) in cases {
        if plugged.as_ref().is_none_or(|(ms, _)| *ms != time_constant) {
            drop(plugged.take());
            plugged = Some((time_constant, Adapter::plug(time_constant)));
        }
        let (_, adapter) = plugged.as_mut().expect("plugged");
        adapter.boots();
        let project = Project::new(&serial_bench(strategy), "");
        let run = project.start(&["flash", "lamp"]);
        let first = adapter.next_boot();
        let wanted = if enters { "boots into its loader" } else { "boots into its app" };
        assert_eq!(first, wanted, "{strategy} with {time_constant} ms");
        if !enters && strategy != "auto" {
            // It would try again and again, each time in vain.
            kill_process(run.pid(), Signal::INT).expect("Ctrl-C");
            let (code, said) = run.end();
            assert_eq!(code, 130, "{strategy} with {time_constant} ms: {said}");
            continue;
        }
        // `auto` goes on with the other sequence.
        let (code, said) = run.end();
        assert_eq!(code, 0, "{strategy} with {time_constant} ms: {said}");
        assert!(said.contains("`lamp` runs on `lamp`"), "{said}");
        assert!(adapter.boots().trim_end().ends_with("boots into its app"), "the app runs in the end");
    }
}

fn a_cable_plugged_in_elsewhere_is_survived() {
    let mut adapter = Adapter::plug(10);
    let feature = r#"Feature: f
  Scenario: cable
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" has subscribed to "sooko/lampu"
    When I publish "on" to "sooko/lampu" with QoS 1
    Then "lamp" publishes "saya hidup" to "loger" within 5 s
    And "lamp" does not publish to "loger" for 3 s
    When the board "lamp" is reset
    Then the console of "lamp" shows "mqtt: starting" within 10 s
"#;
    let project = Project::new(&serial_bench("auto"), feature);
    let mut run = project.start(&["run", "-vv", "--out", "out"]);
    run.wait_for("saya hidup");
    // Whoever has the old device open keeps its number from being given out again.
    let holds = std::fs::File::open("/dev/ttyUSB0").expect("open");
    adapter.tell("unplug");
    adapter.tell("plug");
    wait_for_tty("ttyUSB1");
    let (code, said) = run.end();
    assert_eq!(code, 0, "{said}{}", adapter.boots());
    drop(holds);
    let log = std::fs::read_to_string(project.0.path().join("out/console-lamp.log")).expect("log");
    assert!(log.contains("(console lost)") && log.contains("(console back;"), "{log}");
}

fn a_board_behind_an_adapter_is_found_by_its_mac() {
    let mut adapter = Adapter::plug(10);
    let mac = hil_config::mac_text(hil_virtual_board::Options::named("lamp", &[]).mac);
    let bench = |mac: &str| serial_bench("auto").replace("usb-serial = \"0001\"", &format!("mac = \"{mac}\""));
    let (code, said) = Project::new(&bench(&mac), "").start(&["flash", "lamp"]).end();
    assert_eq!(code, 0, "{said}{}", adapter.boots());
    let (code, said) = Project::new(&bench("02:00:00:00:00:99"), "").start(&["flash", "lamp"]).end();
    assert!(code == 96 || code == 102, "{code}");
    assert!(said.contains("no serial port with MAC `02:00:00:00:00:99` is attached"), "{said}");
    let found = Project::new("", "").start(&["boards", "discover", "--probe"]).end().1;
    assert!(found.contains("10c4:ea60") && found.contains(&format!("esp32c3 {mac}")), "{found}");
}
