//! The processes that hold power: the state of a rail after one of them ends, stops or hangs.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Outcome, Project, ends, processes};

/// A board whose rail is a file: `rail` holds `on` or `off`, and `rail.log` each program that ran.
struct Rig {
    project: Project,
}

/// The scripts of a rail's programs.
struct Scripts {
    on: &'static str,
    off: &'static str,
    state: Option<&'static str>,
    timeout: &'static str,
}

const PLAIN: Scripts = Scripts {
    on: "printf on > RIG/rail; echo on >> RIG/rail.log",
    off: "printf off > RIG/rail; echo off >> RIG/rail.log",
    state: Some("cat RIG/rail"),
    timeout: "10s",
};

impl Rig {
    fn new(scripts: &Scripts) -> Self {
        let rig = Self { project: Project::new() };
        rig.write(scripts);
        rig.project.file("rail", "off");
        rig
    }

    fn write(&self, scripts: &Scripts) {
        let folder = self.project.path("").display().to_string();
        let words = |script: &str| format!("[\"sh\", \"-c\", {:?}]", script.replace("RIG/", &folder));
        let state = scripts.state.map(|state| format!("state = {}", words(state))).unwrap_or_default();
        let (on, off, timeout) = (words(scripts.on), words(scripts.off), scripts.timeout);
        self.project.file(
            "bench.toml",
            &format!(
                "[tap]\naddress = \"127.0.0.1\"\n[boards.lamp]\nkind = \"esp\"\nchip = \"esp32\"\nport = {{ path = \"/dev/no-such-port\" }}\n\
                 [[boards.lamp.rails]]\ndriver = \"command\"\non = {on}\noff = {off}\n{state}\ntimeout = \"{timeout}\"\n"
            ),
        );
    }

    fn path(&self, name: &str) -> PathBuf {
        self.project.path(name)
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.project.command(arguments);
        command.env("HIL_BENCH", "bench.toml").env("HIL_LOCKS", self.path("locks"));
        command
    }

    fn hil(&self, arguments: &[&str]) -> Outcome {
        self.command(arguments).output().expect("hil runs").into()
    }

    /// Starts `hil power lamp on`; the rail is on when this returns.
    fn hold(&self) -> Child {
        let mut hil = self.switch_on();
        let stdout = hil.stdout.as_mut().expect("piped");
        let mut said = String::new();
        BufReader::new(stdout).read_line(&mut said).expect("a line");
        assert_eq!(said, "`lamp` is on\n");
        assert_eq!(self.rail(), "on");
        hil
    }

    fn switch_on(&self) -> Child {
        self.command(&["power", "lamp", "on"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil")
    }

    fn rail(&self) -> String {
        self.project.read("rail")
    }

    /// Processes of this rig with an argument.
    fn processes(&self, argument: &str) -> Vec<Pid> {
        processes(&self.path("locks"), argument)
    }

    fn keeper(&self) -> Pid {
        let keepers = self.processes("--be-the-keeper-now");
        assert_eq!(keepers.len(), 1, "{keepers:?}");
        keepers[0]
    }

    fn standby(&self) -> Pid {
        let standbys = self.processes("--stand-by-the-keeper-now");
        assert_eq!(standbys.len(), 1, "{standbys:?}");
        standbys[0]
    }

    fn notes(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.path("locks")).expect("locks").flatten().map(|entry| entry.path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "note")).collect()
    }

    /// Nothing runs any more, every lock is free, and the rail is off.
    fn assert_safe(&self) {
        for argument in ["--be-the-keeper-now", "--stand-by-the-keeper-now"] {
            for process in self.processes(argument) {
                assert!(ends(process), "`{argument}` is left: {process:?}");
            }
        }
        for entry in std::fs::read_dir(self.path("locks")).expect("locks").flatten() {
            let file = std::fs::File::open(entry.path()).expect("lock");
            rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).expect("free");
        }
        assert_eq!(self.rail(), "off");
    }
}

fn signal(process: Pid, signal: Signal) {
    kill_process(process, signal).expect("it runs");
}

fn output(child: Child) -> Outcome {
    child.wait_with_output().expect("ends").into()
}

/// Polls for an effect of a script, which no event reports.
fn wait_until(what: &str, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(30);
    while !is() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn fifo(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).expect("fifo");
}

/// The keeper makes its rails safe and releases its locks, so `hil` no longer holds the board.
#[test]
fn a_keeper_that_ends_on_a_signal_ends_what_holds_the_board() {
    let rig = Rig::new(&PLAIN);
    let hil = rig.hold();
    signal(rig.keeper(), Signal::TERM);
    let held = output(hil);
    assert_eq!(held.code, 102, "{held:?}");
    assert!(
        held.stderr.contains("error: the power keeper exited; the power state of the boards is unknown"),
        "{held:?}"
    );
    rig.assert_safe();
}

/// However long its rails take: no step can rely on the board's power any more.
#[test]
fn a_keeper_that_takes_its_time_to_end_is_lost_at_once() {
    let rig =
        Rig::new(&Scripts { off: "read line < RIG/let; printf off > RIG/rail; echo off >> RIG/rail.log", ..PLAIN });
    fifo(&rig.path("let"));
    let mut hil = rig.hold();
    signal(rig.keeper(), Signal::TERM);
    let mut said = BufReader::new(hil.stderr.take().expect("piped")).lines().map_while(Result::ok);
    assert!(
        said.any(|line| line == "error: the power keeper exited; the power state of the boards is unknown"),
        "said while the rail is on"
    );
    assert_eq!(rig.rail(), "on");
    std::fs::write(rig.path("let"), "go\n").expect("let");
    assert_eq!(output(hil).code, 102);
    rig.assert_safe();
}

#[test]
fn a_rail_program_ends_with_its_keeper_before_the_rails_are_made_safe() {
    let rig = Rig::new(&Scripts {
        // What switches is a child of the shell, in a group of its own, and does so once it is let.
        on: "setsid true; (set -m; (touch RIG/begun; read line < RIG/let; printf on > RIG/rail) & wait)",
        ..PLAIN
    });
    fifo(&rig.path("let"));
    let hil = rig.switch_on();
    wait_until("the program", || rig.path("begun").exists());
    signal(rig.keeper(), Signal::KILL);
    let held = output(hil);
    assert_ne!(held.code, 0, "{held:?}");
    rig.assert_safe();
    assert_eq!(rig.project.read("rail.log").lines().next(), Some("off"), "the rails were made safe");
    // The one that would have switched is gone: its FIFO has no reader.
    let flags = rustix::fs::OFlags::WRONLY | rustix::fs::OFlags::NONBLOCK;
    let opened = rustix::fs::open(rig.path("let"), flags, rustix::fs::Mode::empty());
    assert_eq!(opened.err(), Some(rustix::io::Errno::NXIO), "a program waits to switch the rail on");
}

#[test]
fn a_keeper_that_hangs_is_replaced() {
    let rig = Rig::new(&PLAIN);
    let hil = rig.hold();
    signal(rig.keeper(), Signal::STOP);
    let held = output(hil);
    assert_eq!(held.code, 102, "{held:?}");
    rig.assert_safe();
}

/// `hil` and its keeper are killed at the same time; the standby is left.
#[test]
fn a_standby_makes_the_rails_safe_when_hil_and_its_keeper_are_killed() {
    let rig = Rig::new(&PLAIN);
    let hil = rig.hold();
    let (keeper, standby) = (rig.keeper(), rig.standby());
    // Neither can do anything before it dies.
    for process in [Pid::from_child(&hil), keeper] {
        signal(process, Signal::STOP);
    }
    for process in [Pid::from_child(&hil), keeper] {
        signal(process, Signal::KILL);
    }
    output(hil);
    assert!(ends(keeper) && ends(standby));
    rig.assert_safe();
    let next = rig.hil(&["power", "lamp", "off"]);
    assert_eq!((next.code, next.stderr.as_str()), (0, ""), "nothing unsafe is left");
}

/// A process that checks who uses a board, or waits for it, holds its lock for a moment and never switches a rail.
#[test]
fn a_standby_waits_for_the_lock_that_another_process_has_for_a_moment() {
    let rig = Rig::new(&PLAIN);
    let hil = rig.hold();
    let (keeper, standby) = (rig.keeper(), rig.standby());
    let locks = std::fs::read_dir(rig.path("locks")).expect("locks").flatten().map(|entry| entry.path());
    let lock = locks.filter(|path| path.extension().is_some_and(|it| it == "lock")).min().expect("a lock");
    let file = std::fs::File::open(&lock).expect("lock");
    let inode = std::os::unix::fs::MetadataExt::ino(&file.metadata().expect("file"));
    let waits = std::thread::spawn(move || {
        rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive).expect("after the keeper");
        file
    });
    // It waits in the kernel, before the standby does. Other tests of this process wait for other files.
    wait_until("the waiting", || {
        let waiting = format!("-> FLOCK  ADVISORY  WRITE {} ", std::process::id());
        let locks = std::fs::read_to_string("/proc/locks").expect("locks");
        locks.lines().any(|line| line.contains(&waiting) && line.contains(&format!(":{inode} ")))
    });
    let all = [Pid::from_child(&hil), keeper];
    all.into_iter().for_each(|process| signal(process, Signal::STOP));
    all.into_iter().for_each(|process| signal(process, Signal::KILL));
    output(hil);
    let file = waits.join().expect("no panic");
    let opened = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", standby.as_raw_nonzero())).expect("it runs").flatten();
        open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).any(|path| path == lock)
    };
    wait_until("the standby", opened);
    drop(file);
    assert!(ends(standby));
    rig.assert_safe();
}

#[test]
fn a_standby_that_is_killed_is_replaced() {
    let rig = Rig::new(&PLAIN);
    let mut hil = rig.hold();
    let first = rig.standby();
    signal(first, Signal::KILL);
    wait_until("another standby", || rig.processes("--stand-by-the-keeper-now").iter().any(|it| *it != first));
    assert!(hil.try_wait().expect("state").is_none(), "the rail is held on");
    signal(Pid::from_child(&hil), Signal::INT);
    assert_eq!(output(hil).code, 0);
    rig.assert_safe();
}

/// No process is left to make the rails safe: the next user is warned until they are.
#[test]
fn the_next_user_is_warned_of_rails_that_a_kill_left_on() {
    let rig = Rig::new(&PLAIN);
    let hil = rig.hold();
    let (standby, keeper) = (rig.standby(), rig.keeper());
    let all = [standby, keeper, Pid::from_child(&hil)];
    all.into_iter().for_each(|process| signal(process, Signal::STOP));
    all.into_iter().for_each(|process| signal(process, Signal::KILL));
    output(hil);
    assert!(ends(standby) && ends(keeper), "its locks are free");
    assert_eq!(rig.rail(), "on", "nothing could switch it off");
    let warning = "warning: the last user of board `lamp` could not leave it safe: it was killed while the rails were switched on\n";
    let next = rig.hil(&["power", "lamp", "off"]);
    assert_eq!((next.code, next.stderr.as_str()), (0, warning));
    rig.assert_safe();
    let later = rig.hil(&["power", "lamp", "off"]);
    assert_eq!((later.code, later.stderr.as_str()), (0, ""), "it is safe now");
}

#[test]
fn a_rail_that_says_it_is_on_is_not_safe_whatever_its_program_says() {
    let rig = Rig::new(&Scripts { off: "exit 0", ..PLAIN });
    let hil = rig.hold();
    signal(Pid::from_child(&hil), Signal::INT);
    let held = output(hil);
    assert_eq!(held.code, 102, "{held:?}");
    let said = "it was switched off without an error, but its driver reports that it is on";
    assert!(held.stderr.contains(said), "{held:?}");
    rig.write(&PLAIN);
    let next = rig.hil(&["power", "lamp", "off"]);
    assert!(next.code == 0 && next.stderr.contains(said), "the next user is warned: {next:?}");
    rig.assert_safe();
}

#[test]
fn what_a_rail_program_prints_is_bounded() {
    // Without end, and by a child that outlives the program.
    let rig = Rig::new(&Scripts { on: "yes & sleep 60", timeout: "2s", ..PLAIN });
    let hil = rig.switch_on();
    wait_until("the program", || !rig.processes("yes").is_empty());
    let status = format!("/proc/{}/status", rig.keeper().as_raw_nonzero());
    let mut most = 0;
    wait_until("its end", || {
        let status = std::fs::read_to_string(&status).unwrap_or_default();
        let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        most = most.max(kilobytes.and_then(|text| text.trim().parse::<u64>().ok()).unwrap_or(0));
        rig.processes("yes").is_empty()
    });
    let refused = output(hil);
    assert_eq!(refused.code, 102, "{refused:?}");
    assert!(refused.stderr.contains("`sh` took longer than 2 s and was killed"), "{refused:?}");
    assert!(most > 0 && most < 200_000, "the keeper took {most} kB");
    rig.assert_safe();
}

#[test]
fn a_long_answer_of_a_rail_program_is_not_quoted_whole() {
    let rig = Rig::new(&Scripts { state: Some("printf 'x%.0s' $(seq 5000)"), ..PLAIN });
    let refused = rig.hil(&["power", "lamp", "off"]);
    assert_eq!(refused.code, 102, "{refused:?}");
    assert!(refused.stderr.contains("xxx… (5000 bytes)\", not `on` or `off`"), "{refused:?}");
    assert!(refused.stderr.len() < 2000, "{} bytes", refused.stderr.len());
}

/// The second one gets no answer: it waits for the board, which is off by then.
#[test]
fn two_that_end_a_detached_keeper_at_once_both_find_the_board_off() {
    let rig = Rig::new(&Scripts {
        off: "touch RIG/begun; [ -e RIG/let-once ] || { read line < RIG/let; touch RIG/let-once; }; printf off > RIG/rail",
        ..PLAIN
    });
    fifo(&rig.path("let"));
    let left = rig.hil(&["power", "lamp", "on", "--detach"]);
    assert_eq!((left.code, rig.rail().as_str()), (0, "on"), "{left:?}");
    let off = || {
        let mut command = rig.command(&["power", "lamp", "off"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil")
    };
    let first = off();
    wait_until("the first request", || rig.path("begun").exists());
    let name = lock_name(&rig.path("locks"));
    let connections = || std::fs::read_to_string("/proc/net/unix").expect("sockets").matches(&name).count();
    let before = connections();
    let second = off();
    wait_until("the second request", || connections() > before);
    std::fs::write(rig.path("let"), "go\n").expect("let");
    for ended in [output(first), output(second)] {
        assert_eq!((ended.code, ended.stdout.as_str()), (0, "`lamp` is off\n"), "{ended:?}");
        assert!(!ended.stderr.contains("error"), "{ended:?}");
    }
    rig.assert_safe();
}

/// The prefix of the abstract socket names that belong to a folder of locks.
fn lock_name(locks: &Path) -> String {
    use std::os::unix::fs::MetadataExt as _;
    let folder = std::fs::metadata(locks).expect("folder");
    format!("@hil-lock {}:{} ", folder.dev(), folder.ino())
}

/// A child in the background keeps the program's output open.
#[test]
fn a_program_that_has_ended_is_not_waited_for_because_of_its_children() {
    let rig = Rig::new(&Scripts { on: "sleep 20 & (setsid sleep 20 &); printf on > RIG/rail", ..PLAIN });
    let hil = rig.hold();
    signal(Pid::from_child(&hil), Signal::INT);
    assert_eq!(output(hil).code, 0);
    rig.assert_safe();
}

/// The next user sees why a rail is not safe, but not the password of its plug.
#[test]
fn a_secret_that_a_rail_program_prints_stays_out_of_the_lock() {
    let rig = Rig::new(&Scripts { off: "echo bad password hunter22 >&2; exit 1", ..PLAIN });
    let bench = rig.project.read("bench.toml");
    rig.project.file(
        "bench.toml",
        &format!("{bench}[firmware.f]\nimage = \"builtin:lamp\"\nnvs = {{ \"a.b\" = \"${{secret:PLUG}}\" }}\n"),
    );
    let refused = rig.command(&["power", "lamp", "off"]).env("PLUG", "hunter22").output().expect("hil");
    let refused = Outcome::from(refused);
    assert!(refused.stderr.contains("bad password ••••") && !refused.stderr.contains("hunter22"), "{refused:?}");
    let notes = rig.notes();
    assert!(!notes.is_empty());
    for note in notes {
        let note = std::fs::read_to_string(note).expect("note");
        assert!(note.contains("bad password ••••") && !note.contains("hunter22"), "{note}");
    }
}

/// The same if its keeper is killed, with and without `hil`: what takes over hides it as well.
#[test]
fn what_takes_over_from_a_keeper_hides_secrets() {
    for with_hil in [true, false] {
        let rig = Rig::new(&Scripts { off: "echo bad password hunter22 >&2; exit 1", ..PLAIN });
        let bench = rig.project.read("bench.toml");
        let firmware = "[firmware.f]\nimage = \"builtin:lamp\"\nnvs = { \"a.b\" = \"${secret:PLUG}\" }\n";
        rig.project.file("bench.toml", &format!("{bench}{firmware}"));
        let mut hold = rig.command(&["power", "lamp", "on"]);
        let mut hil = hold.env("PLUG", "hunter22").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
        let mut said = String::new();
        BufReader::new(hil.stdout.as_mut().expect("piped")).read_line(&mut said).expect("a line");
        assert_eq!(said, "`lamp` is on\n");
        let killed: Vec<_> = with_hil.then(|| Pid::from_child(&hil)).into_iter().chain([rig.keeper()]).collect();
        killed.iter().for_each(|process| signal(*process, Signal::STOP));
        killed.iter().for_each(|process| signal(*process, Signal::KILL));
        let held = output(hil);
        assert!(!format!("{held:?}").contains("hunter22"), "{held:?}");
        for name in ["--stand-by-the-keeper-now", "--be-the-keeper-now"] {
            wait_until("the end of what took over", || rig.processes(name).is_empty());
        }
        let notes: Vec<_> = rig.notes().iter().map(|note| std::fs::read_to_string(note).expect("note")).collect();
        assert!(notes.iter().any(|note| note.contains("bad password ••••")), "{notes:?}");
        assert!(!notes.iter().any(|note| note.contains("hunter22")), "{notes:?}");
    }
}

/// A pseudo-terminal as the board's port. It exists as long as its master does.
fn with_port(rig: &Rig, more: &str) -> std::fs::File {
    use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("pty");
    unlockpt(&master).expect("unlock");
    let name = ptsname(&master, Vec::new()).expect("name").to_string_lossy().into_owned();
    let text = rig.project.read("bench.toml");
    let folder = rig.project.path("").display().to_string();
    let board = format!("port = {{ path = \"{name}\" }}\n{}", more.replace("RIG/", &folder));
    rig.project.file("bench.toml", &text.replace("port = { path = \"/dev/no-such-port\" }\n", &board));
    std::fs::File::from(master)
}

/// The reset holds at once; its release hangs until it has been started so often.
fn slow_reset(release: u32) -> String {
    let run = format!(
        "echo run >> RIG/runs; if [ $(wc -l < RIG/runs) -ge {release} ]; then printf free > RIG/reset; else exec sleep 600; fi"
    );
    format!(
        "reset = {{ strategy = \"command\", hold = [\"sh\", \"-c\", \"printf held > RIG/reset\"], \
         run = [\"sh\", \"-c\", {run:?}], loader = [\"true\"] }}\n"
    )
}

/// `hil` is killed in the middle of a reset: the keeper runs the program that lets the chip run.
#[test]
fn a_chip_in_reset_is_released_by_the_keeper() {
    let rig = Rig::new(&PLAIN);
    let _port = with_port(&rig, &slow_reset(2));
    let mut hil = rig.command(&["reset", "lamp"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("hil");
    wait_until("the release", || rig.path("runs").exists());
    assert_eq!(rig.project.read("reset"), "held");
    hil.kill().expect("kill");
    hil.wait().expect("ends");
    wait_until("the keeper's end", || rig.processes("--be-the-keeper-now").is_empty());
    assert_eq!((rig.project.read("reset").as_str(), rig.rail().as_str()), ("free", "off"));
    rig.assert_safe();
}

/// `hil` and its keeper are killed at once in the middle of a reset: the standby runs the program that lets the chip run,
/// after it has switched off rails that were on. A board without rails has a standby for that alone.
#[test]
fn a_chip_in_reset_is_released_by_the_standby() {
    for with_rail in [true, false] {
        let rig = Rig::new(&PLAIN);
        let _port = with_port(&rig, &slow_reset(2));
        if !with_rail {
            let bench = rig.project.read("bench.toml");
            let (board, _) = bench.split_once("[[boards.lamp.rails]]").expect("rails");
            rig.project.file("bench.toml", board);
        }
        let mut reset = rig.command(&["reset", "lamp"]);
        let hil = reset.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
        wait_until("the release", || rig.path("runs").exists());
        assert_eq!((rig.project.read("reset").as_str(), rig.rail() == "on"), ("held", with_rail));
        let both = [Pid::from_child(&hil), rig.keeper()];
        both.into_iter().for_each(|process| signal(process, Signal::STOP));
        both.into_iter().for_each(|process| signal(process, Signal::KILL));
        output(hil);
        wait_until("the standby's end", || rig.processes("--stand-by-the-keeper-now").is_empty());
        assert_eq!(rig.project.read("reset"), "free", "with a rail: {with_rail}");
        rig.assert_safe();
    }
}

/// A run ends in the middle of a reset, and the release takes longer than the time that its scenario has to end.
#[test]
fn a_chip_in_reset_is_released_at_the_end_of_a_run() {
    let rig = Rig::new(&PLAIN);
    let _port = with_port(&rig, &slow_reset(3));
    rig.project.file(
        "features/one.feature",
        "Feature: f\n  Scenario: s\n    When the power of \"lamp\" is restored\n    And the board \"lamp\" is reset\n    Then \"lamp\" does not reboot for 1 s\n",
    );
    let mut hil = rig.command(&["run"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
    wait_until("the release", || rig.path("runs").exists());
    kill_process(Pid::from_child(&hil), Signal::INT).expect("signal");
    hil.wait().expect("ends");
    wait_until("the keeper's end", || rig.processes("--be-the-keeper-now").is_empty());
    assert_eq!(rig.project.read("reset"), "free", "{}", rig.project.read("runs"));
    rig.assert_safe();
}

/// The console of a board that `--detach` left on is free to be read; its power stays as it is.
#[test]
fn a_monitor_joins_a_detached_hold() {
    use std::io::Write as _;
    let rig = Rig::new(&PLAIN);
    let mut port = with_port(
        &rig,
        "reset = { strategy = \"command\", hold = [\"true\"], run = [\"true\"], loader = [\"true\"] }\n",
    );
    let left = rig.hil(&["reset", "lamp", "--detach"]);
    assert_eq!((left.code, rig.rail().as_str()), (0, "on"), "{left:?}");
    assert!(left.stderr.contains("its power stays on until `hil power lamp off`"), "{left:?}");
    let mut monitor = rig.command(&["monitor", "lamp", "--no-wait", "--format", "json"]);
    let mut monitor = monitor.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
    let said = BufReader::new(monitor.stderr.take().expect("piped")).lines().next().expect("a line").expect("text");
    assert!(said.starts_with("joins `hil reset lamp`") && said.ends_with("its power stays as it is"), "{said}");
    // Until the monitor has the port, the terminal keeps what is written.
    port.write_all(b"hello from the board\r\n").expect("written");
    let mut lines = BufReader::new(monitor.stdout.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("hello from the board")));
    kill_process(Pid::from_child(&monitor), Signal::INT).expect("signal");
    assert_eq!(monitor.wait().expect("ends").code(), Some(0));
    assert_eq!(rig.rail(), "on");
    let off = rig.hil(&["power", "lamp", "off"]);
    assert_eq!((off.code, rig.rail().as_str()), (0, "off"), "{off:?}");
    rig.assert_safe();
}
