//! Outputs that are not read delay no rail, signal or deadline, and a late reader loses nothing.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use hil_timeline::{RunEvent, What, read_events};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};

use crate::real_bench::Lab;
use crate::support::Project;

/// Far longer than anything here takes; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// An output and its two ends. As long as `read` is not read, what is written blocks once it is full.
pub(crate) struct Unread {
    read: File,
    write: File,
}

impl Unread {
    fn pipe() -> Self {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).expect("pipe");
        Self { read: read.into(), write: write.into() }
    }

    /// A terminal: what is not read at its master fills it as Ctrl-S does.
    pub(crate) fn terminal() -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("pty");
        unlockpt(&master).expect("unlock");
        let name = ptsname(&master, Vec::new()).expect("name").to_string_lossy().into_owned();
        let mut options = File::options();
        let slave = options.read(true).write(true).custom_flags(OFlags::NOCTTY.bits() as i32).open(name);
        Self { read: master.into(), write: slave.expect("terminal") }
    }

    fn full(self) -> Self {
        self.fill();
        self
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        // Opened again, because non-blocking mode must not apply to the program.
        let mut options = File::options();
        let path = format!("/proc/self/fd/{}", self.write.as_raw_fd());
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
        let mut again = options.write(true).custom_flags(flags).open(path).expect("opened once more");
        for block in [4096, 1] {
            let fill = vec![b'~'; block];
            while again.write(&fill).is_ok() {}
        }
    }

    pub(crate) fn stdio(&self) -> Stdio {
        self.write.try_clone().expect("descriptor").into()
    }

    /// Reads until a text arrives; returns what came before it.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        let mut shown = String::new();
        while !shown.contains(text) {
            let more = self.more().unwrap_or_else(|| panic!("no `{text}` in {shown}"));
            shown.push_str(&more);
        }
        shown
    }

    fn more(&self) -> Option<String> {
        assert!(is_ready(&self.read), "nothing comes");
        let mut buffer = [0; 4096];
        let length = (&self.read).read(&mut buffer).ok().filter(|length| *length > 0)?;
        Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }

    /// What is written from now on until all others have closed it, without what filled it.
    pub(crate) fn rest(self) -> String {
        let Self { read, write } = self;
        drop(write);
        let output = Self { read, write: File::open("/dev/null").expect("null") };
        // A terminal ends with an error.
        let shown: String = std::iter::from_fn(|| output.more()).collect();
        shown.trim_start_matches('~').to_owned()
    }
}

/// Whether something can be read, or the process has ended, in time.
fn is_ready(what: &impl std::os::fd::AsFd) -> bool {
    let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    poll(&mut [PollFd::new(what, PollFlags::IN)], Some(&patience)).expect("poll") == 1
}

/// `hil` while it runs; killed where a test fails.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("hil starts"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("it runs");
    }

    /// Waits for its end; returns the exit code.
    pub(crate) fn code(&mut self) -> i32 {
        let process = pidfd_open(Pid::from_child(&self.0), PidfdFlags::empty()).expect("not waited for");
        assert!(is_ready(&process), "it does not end");
        self.0.wait().expect("ends").code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A bench whose rail reports when it is switched.
pub(crate) struct Bench {
    pub(crate) lab: Lab,
    switched: Receiver<String>,
}

impl Bench {
    pub(crate) fn open() -> Self {
        let lab = Lab::open(None);
        let project = &lab.project;
        let program = env!("CARGO_BIN_EXE_hil");
        let script =
            format!("#!/bin/sh\n{program} virtual --tell lab/control.sock power lamp $1 && echo $1 > switched\n");
        project.file("rail", &script);
        std::fs::set_permissions(project.path("rail"), PermissionsExt::from_mode(0o755)).expect("a program");
        let fifo = project.path("switched");
        rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).expect("FIFO");
        let mut text = project.read("lab/bench.toml");
        for state in ["on", "off"] {
            let begin = format!("{state} = [");
            let rail = text.find("[[boards.lamp.rails]]").expect("a rail");
            let from = rail + text[rail..].find(&begin).expect("a command");
            let to = from + text[from..].find('\n').expect("a line");
            let rail = project.path("rail");
            text.replace_range(from..to, &format!("{state} = [\"{}\", \"{state}\"]", rail.display()));
        }
        project.file("lab/bench.toml", &text);
        // Also for writing: otherwise it would reach end of file between two switches.
        let fifo = File::options().read(true).write(true).open(fifo).expect("FIFO");
        let (send, switched) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(fifo).lines().map_while(Result::ok) {
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        Self { lab, switched }
    }

    /// Waits until the rail is switched to that.
    pub(crate) fn wait_for(&self, state: &str) {
        loop {
            let line = self.switched.recv_timeout(PATIENCE);
            if line.unwrap_or_else(|error| panic!("not switched {state}: {error}")) == state {
                return;
            }
        }
    }

    fn start(&self, arguments: &[&str], out: Stdio, err: Stdio) -> Running {
        Running::start(self.lab.command(arguments).stdout(out).stderr(err))
    }

    /// Checks that the rail is off once the board is free.
    pub(crate) fn check_off(&self) {
        self.lab.wait_for_locks();
        assert_eq!(self.lab.tell(&["state", "lamp"]), "off");
    }

    /// Checks an aborted run: the rail is off, and the reports are complete.
    pub(crate) fn check_aborted(&self, folder: &str) {
        self.check_off();
        let junit = self.lab.project.read(&format!("{folder}/junit.xml"));
        assert!(junit.contains("type=\"aborted\"") && junit.ends_with("</testsuite>\n"), "{junit}");
        assert!(finished(&self.lab.project.path(folder)).contains(&130));
    }
}

fn events(folder: &Path) -> Vec<RunEvent> {
    read_events(&folder.join("events.jsonl")).expect("events")
}

fn finished(folder: &Path) -> Vec<u8> {
    let code = |event: RunEvent| match event.what {
        What::RunFinished { exit_code } => Some(exit_code),
        _ => None,
    };
    events(folder).into_iter().filter_map(code).collect()
}

const WAITS: [&str; 4] = ["run", "features/waits.feature", "-vv", "--out"];

fn waits<'a>(folder: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&WAITS, [folder].as_slice(), more].concat()
}

/// Runs with an output that is full; ends it by its deadline, or by a signal while the rail is on.
fn ends_in_order(output: &Unread, signal: Option<Signal>) {
    let bench = Bench::open();
    let deadline = if signal.is_some() { [].as_slice() } else { &["--deadline", "3s"] };
    let mut run = bench.start(&waits("run", deadline), output.stdio(), output.stdio());
    bench.wait_for("on");
    if let Some(signal) = signal {
        run.signal(signal);
    }
    assert_eq!(run.code(), 130, "{signal:?}");
    bench.check_aborted("run");
}

#[test]
fn a_run_whose_pipe_is_not_read_ends_by_its_deadline_and_by_signals() {
    let output = Unread::pipe().full();
    for signal in [None, Some(Signal::INT), Some(Signal::TERM), Some(Signal::HUP)] {
        ends_in_order(&output, signal);
    }
}

#[test]
fn a_run_at_a_stopped_terminal_ends_by_its_deadline_and_by_signals() {
    let output = Unread::terminal().full();
    for signal in [None, Some(Signal::INT), Some(Signal::TERM), Some(Signal::HUP)] {
        ends_in_order(&output, signal);
    }
}

#[test]
fn what_was_not_shown_is_counted_on_standard_error() {
    let bench = Bench::open();
    let (out, err) = (Unread::pipe().full(), Unread::pipe());
    let mut run = bench.start(&waits("run", &[]), out.stdio(), err.stdio());
    bench.wait_for("on");
    run.signal(Signal::INT);
    assert_eq!(run.code(), 130);
    let said = err.rest();
    let count = said.strip_prefix("warning: ").and_then(|rest| rest.split_once(" lines were not shown: "));
    assert!(count.is_some_and(|(count, _)| count.parse::<u32>().is_ok_and(|count| count > 2)), "{said}");
}

#[test]
fn a_run_that_is_not_read_takes_two_signals_at_once_as_one_and_ends_in_order() {
    let bench = Bench::open();
    let output = Unread::pipe().full();
    let mut run = bench.start(&waits("run", &[]), output.stdio(), output.stdio());
    bench.wait_for("on");
    run.signal(Signal::TERM);
    run.signal(Signal::INT);
    assert_eq!(run.code(), 130);
    bench.check_aborted("run");
}

#[test]
fn a_blocked_standard_error_keeps_nothing_from_standard_output() {
    let bench = Bench::open();
    let (out, err) = (Unread::pipe(), Unread::pipe().full());
    let mut run = bench.start(&waits("run", &[]), out.stdio(), err.stdio());
    bench.wait_for("on");
    run.signal(Signal::INT);
    assert_eq!(run.code(), 130);
    bench.check_aborted("run");
    let shown = out.rest();
    assert!(shown.contains("lamp power off") && shown.contains("aborted  features/waits.feature"), "{shown}");
    assert!(shown.contains("reports: run"), "{shown}");
}

/// At its end a run releases its boards and then waits for a slow reader.
#[test]
fn a_late_reader_gets_everything_and_the_rail_is_off_before() {
    let bench = Bench::open();
    for (folder, more) in [("text", "-vv"), ("json", "--format=json")] {
        let output = Unread::pipe().full();
        let arguments = ["run", "features/short.feature", "--out", folder, more];
        let mut run = bench.start(&arguments, output.stdio(), Stdio::null());
        bench.wait_for("off");
        let shown = output.rest();
        assert_eq!(run.code(), 0, "{shown}");
        if folder == "json" {
            let run: serde_json::Value = serde_json::from_str(&shown).expect("whole JSON");
            assert_eq!(run["scenarios"][0]["verdict"], "passed", "{run}");
            continue;
        }
        let packets = events(&bench.lab.project.path(folder));
        let packets = packets.iter().filter(|event| matches!(event.what, What::Packet { .. })).count();
        let is_packet = |line: &&str| line.contains("lamp -> ") || line.contains("lamp <- ");
        assert_eq!(shown.lines().filter(is_packet).count(), packets, "{shown}");
        assert!(shown.contains("1 passed") && shown.ends_with("reports: text\n"), "{shown}");
    }
}

#[test]
fn a_signal_while_only_output_is_waited_for_ends_a_run_with_its_own_exit_code() {
    let bench = Bench::open();
    let output = Unread::pipe().full();
    let arguments = ["run", "features/short.feature", "--out", "run", "-vv"];
    let mut run = bench.start(&arguments, output.stdio(), Stdio::null());
    bench.wait_for("off");
    // The boards are released: the exit code is settled.
    bench.lab.wait_for_locks();
    run.signal(Signal::TERM);
    assert_eq!(run.code(), 0);
    assert_eq!(finished(&bench.lab.project.path("run")), [0]);
    assert!(bench.lab.project.read("run/junit.xml").ends_with("</testsuite>\n"));
}

#[test]
fn a_closed_pipe_does_not_end_a_run() {
    let bench = Bench::open();
    let arguments = |folder| ["run", "features/short.feature", "-vv", "--out", folder];
    for (folder, output) in [("pipe", Unread::pipe()), ("terminal", Unread::terminal())] {
        let Unread { read, write } = output;
        let output = || Stdio::from(write.try_clone().expect("descriptor"));
        let mut run = bench.start(&arguments(folder), output(), output());
        let mut first = String::new();
        BufReader::new(read).read_line(&mut first).expect("a line");
        assert!(!first.is_empty());
        // Both ends of the test are closed.
        drop(write);
        assert_eq!(run.code(), 0, "{folder}");
        assert_eq!(finished(&bench.lab.project.path(folder)), [0]);
    }
}

/// A program that gets the folder and the environment of `hil`, to start it in its own way.
pub(crate) fn starter(program: &str, hil: &Command) -> Command {
    let mut command = Command::new(program);
    if let Some(folder) = hil.get_current_dir() {
        command.current_dir(folder);
    }
    for (name, value) in hil.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

#[test]
fn a_run_under_nohup_outlives_its_terminal() {
    let bench = Bench::open();
    let mut command = starter("sh", &bench.lab.command(&[]));
    // Without `env --default-signal`, which a test that runs under `nohup` starts `hil` with.
    command.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_hil")]);
    command.args(["run", "features/short.feature", "--out", "run"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut run = Running::start(&mut command);
    bench.wait_for("on");
    run.signal(Signal::HUP);
    let mut shown = String::new();
    run.0.stdout.take().expect("piped").read_to_string(&mut shown).expect("read");
    assert_eq!(run.code(), 0, "{shown}");
}

/// `ssh -tt HOST hil run`, and the connection is lost: the output goes nowhere, and the run ends cleanly.
#[test]
fn a_terminal_that_is_gone_leaves_a_record_that_ends_and_every_report() {
    let bench = Bench::open();
    let terminal = Unread::terminal();
    let hil = bench.lab.command(&waits("run", &[]));
    // Its own session, with this as its terminal, as sshd makes it.
    let mut command = starter("setsid", &hil);
    command.args(["--ctty", "--wait"]).arg(hil.get_program()).args(hil.get_args());
    command.stdin(terminal.stdio()).stdout(terminal.stdio()).stderr(terminal.stdio());
    let mut run = Running::start(&mut command);
    bench.wait_for("on");
    drop((terminal, command));
    assert_eq!(run.code(), 130);
    bench.check_aborted("run");
    for report in ["junit.xml", "cucumber.json", "summary.md", "report.html"] {
        assert!(bench.lab.project.path("run").join(report).exists(), "{report}");
    }
}

#[test]
fn a_tap_that_is_not_read_keeps_forwarding_and_ends() {
    let project = Project::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let broker = listener.local_addr().expect("address").to_string();
    std::thread::spawn(move || {
        // An echo server.
        while let Ok((mut stream, _)) = listener.accept() {
            std::thread::spawn(move || std::io::copy(&mut stream.try_clone().expect("descriptor"), &mut stream));
        }
    });
    let output = Unread::pipe().full();
    let mut command = project.command(&["tap", "--listen", "127.0.0.1:0", "--broker", &broker]);
    let mut tap = Running::start(command.stdout(output.stdio()).stderr(Stdio::piped()));
    let mut first = String::new();
    BufReader::new(tap.0.stderr.as_mut().expect("piped")).read_line(&mut first).expect("a line");
    let address = first.strip_prefix("listening on ").and_then(|rest| rest.split(',').next()).expect("an address");
    let mut device = std::net::TcpStream::connect(address).expect("connect");
    device.set_read_timeout(Some(PATIENCE)).expect("bounded");
    let (connect, publish) = (b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04lamp", b"\x30\x06\x00\x02ab12");
    device.write_all(connect).expect("sent");
    device.read_exact(&mut [0; 18]).expect("it is passed on");
    // More than the queue holds.
    for n in 0..2000 {
        device.write_all(publish).expect("sent");
        device.read_exact(&mut [0; 8]).unwrap_or_else(|error| panic!("packet {n}: {error}"));
    }
    tap.signal(Signal::INT);
    assert_eq!(tap.code(), 0);
}

#[test]
fn a_monitor_that_is_not_read_ends_and_the_rail_is_off() {
    let bench = Bench::open();
    let output = Unread::pipe().full();
    let mut monitor = bench.start(&["monitor", "lamp"], output.stdio(), Stdio::null());
    bench.wait_for("on");
    monitor.signal(Signal::INT);
    assert_eq!(monitor.code(), 0);
    bench.check_off();
}

/// Ctrl-] at a stopped terminal.
#[test]
fn a_monitor_is_left_at_a_stopped_terminal_and_what_it_had_to_show_comes_later() {
    let bench = Bench::open();
    let terminal = Unread::terminal();
    let mut command = bench.lab.command(&["monitor", "lamp"]);
    command.stdin(terminal.stdio()).stdout(terminal.stdio()).stderr(terminal.stdio());
    let mut monitor = Running::start(&mut command);
    drop(command);
    terminal.wait_for("invalid header");
    terminal.fill();
    (&terminal.read).write_all(b"\x1d").expect("typed");
    bench.wait_for("off");
    let shown = terminal.rest();
    assert_eq!(monitor.code(), 0);
    assert!(shown.contains("power off"), "{shown}");
}

#[test]
fn a_virtual_bench_that_is_not_read_ends() {
    let project = Project::new();
    project.file("bench.toml", "[boards.lamp]\nkind = \"virtual\"\n");
    let output = Unread::pipe();
    let mut command = project.command(&["virtual", "--bench", "bench.toml"]);
    let mut bench = Running::start(command.stdin(Stdio::piped()).stdout(output.stdio()).stderr(output.stdio()));
    output.wait_for("up; Ctrl-C exits");
    output.fill();
    let stdin = bench.0.stdin.as_mut().expect("piped");
    stdin.write_all(b"reset lamp\nreset lamp\n").expect("typed");
    bench.signal(Signal::INT);
    assert_eq!(bench.code(), 0);
}

/// The question is shown before `hil` waits for the answer.
#[test]
fn the_user_is_asked_at_the_terminal() {
    let bench = Bench::open();
    let mut text = bench.lab.project.read("lab/bench.toml");
    let rail = text.find("[[boards.lamp.rails]]").expect("a rail");
    let end = text[rail..].find("\n\n").map_or(text.len(), |end| rail + end);
    text.replace_range(rail..end, "[[boards.lamp.rails]]\ndriver = \"manual\"\n");
    bench.lab.project.file("lab/bench.toml", &text);
    let terminal = Unread::terminal();
    let mut command = bench.lab.command(&["power", "lamp", "on"]);
    command.stdin(terminal.stdio()).stdout(terminal.stdio()).stderr(terminal.stdio());
    let mut power = Running::start(&mut command);
    terminal.wait_for(">>> ");
    (&terminal.read).write_all(b"\n").expect("typed");
    terminal.wait_for("`lamp` is on");
    power.signal(Signal::INT);
    assert_eq!(power.code(), 0);
}
