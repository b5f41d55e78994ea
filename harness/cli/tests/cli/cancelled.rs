//! Jobs that are cancelled and connections that are lost: what `hil` holds is released, and a run has its reports.

use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::blocked::{Bench, Running, Unread, starter};
use crate::support::{Outcome, ends, processes};

const WAITS: [&str; 5] = ["run", "features/waits.feature", "-vv", "--out", "run"];
const REPORTS: [&str; 4] = ["junit.xml", "cucumber.json", "summary.md", "report.html"];

/// Commands that hold a board.
const HOLDING: [&[&str]; 6] = [
    &WAITS,
    &["power", "lamp", "on"],
    &["power", "lamp", "cycle"],
    &["monitor", "lamp"],
    &["reset", "lamp"],
    &["flash", "lamp"],
];

/// How often; a soak sets more.
fn rounds() -> usize {
    std::env::var("HIL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn check_reports(bench: &Bench) {
    for report in REPORTS {
        assert!(!bench.lab.project.read(&format!("run/{report}")).is_empty(), "{report}");
    }
}

/// Removes the run folder, so that the next run may use its name.
fn tidy(bench: &Bench) {
    std::fs::remove_dir_all(bench.lab.project.path("run")).expect("a run folder");
}

/// `timeout` sends SIGTERM twice, `sudo` SIGHUP and SIGTERM, runners SIGINT or SIGTERM to a process and to its group.
#[test]
fn signals_that_come_in_pairs_end_a_run_in_order() {
    let bench = Bench::open();
    let pairs = [
        [Signal::TERM, Signal::TERM],
        [Signal::HUP, Signal::TERM],
        [Signal::INT, Signal::INT],
        [Signal::INT, Signal::TERM],
    ];
    for pair in std::iter::repeat_n(pairs, rounds()).flatten() {
        let mut run = Running::start(bench.lab.command(&WAITS).stdout(Stdio::null()).stderr(Stdio::null()));
        bench.wait_for("on");
        for signal in pair {
            run.signal(signal);
            // Pending signals of the same kind are one to the kernel: the first must have arrived.
            wait_until_taken(&run);
        }
        assert_eq!(run.code(), 130, "{pair:?}");
        bench.check_aborted("run");
        check_reports(&bench);
        tidy(&bench);
    }
}

/// Waits until a process has no pending signal, or has ended.
fn wait_until_taken(run: &Running) {
    let pending = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", run.0.id())).unwrap_or_default();
        let masks = status.lines().filter_map(|line| line.strip_prefix("ShdPnd:").or(line.strip_prefix("SigPnd:")));
        masks.filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok()).any(|mask| mask != 0)
    };
    while pending() {
        std::thread::yield_now();
    }
}

/// Starts `hil` as `ssh -tt` does: in a session of its own with this terminal, alone or below a shell.
fn at(terminal: &Unread, hil: &Command, has_shell: bool) -> Running {
    let mut command = starter("setsid", hil);
    command.args(["--ctty", "--wait"]);
    if has_shell {
        command.args(["sh", "-c", "\"$@\"; exit $?", "sh"]);
    }
    command.arg(hil.get_program()).args(hil.get_args());
    Running::start(command.stdin(terminal.stdio()).stdout(terminal.stdio()).stderr(terminal.stdio()))
}

/// Waits until no process of the bench has this argument.
fn wait_for_the_end(bench: &Bench, argument: &str) {
    for process in processes(&bench.lab.project.path("locks"), argument) {
        assert!(ends(process), "`{argument}` does not end");
    }
}

#[test]
fn a_lost_terminal_ends_every_command_that_holds_a_board() {
    let bench = Bench::open();
    for (arguments, has_shell) in HOLDING.iter().flat_map(|it| [(it, false), (it, true)]) {
        let terminal = Unread::terminal();
        let mut session = at(&terminal, &bench.lab.command(arguments), has_shell);
        bench.wait_for("on");
        drop(terminal);
        session.code();
        wait_for_the_end(&bench, arguments[0]);
        bench.check_off();
        if arguments[0] == "run" {
            bench.check_aborted("run");
            check_reports(&bench);
            tidy(&bench);
        }
    }
}

/// `hil virtual` and `hil tap` hold a port each.
#[test]
fn a_lost_terminal_ends_a_virtual_bench_and_a_tap() {
    let bench = Bench::open();
    bench.lab.project.file("own.toml", "[boards.lamp]\nkind = \"virtual\"\n");
    let tap: &[&str] = &["tap", "--listen", "127.0.0.1:0", "--broker", "127.0.0.1:1"];
    let commands = [(tap, "listening on "), (&["virtual", "--bench", "own.toml"], "up; Ctrl-C exits")];
    for ((arguments, up), has_shell) in commands.iter().flat_map(|it| [(it, false), (it, true)]) {
        let terminal = Unread::terminal();
        let mut session = at(&terminal, &bench.lab.command(arguments), has_shell);
        terminal.wait_for(up);
        drop(terminal);
        session.code();
        wait_for_the_end(&bench, arguments[0]);
    }
}

/// SIGHUP is ignored, so only its terminal can end it.
#[test]
fn a_monitor_ends_with_its_terminal_even_if_it_ignores_the_hangup() {
    let bench = Bench::open();
    let terminal = Unread::terminal();
    let hil = bench.lab.command(&["monitor", "lamp"]);
    let mut command = starter("setsid", &hil);
    // Without `env --default-signal`, which would undo the trap.
    command.args(["--ctty", "--wait", "sh", "-c", "trap '' HUP; exec \"$0\" monitor lamp", env!("CARGO_BIN_EXE_hil")]);
    let stdio = || terminal.stdio();
    let mut monitor = Running::start(command.stdin(stdio()).stdout(stdio()).stderr(stdio()));
    drop(command);
    bench.wait_for("on");
    drop(terminal);
    assert_eq!(monitor.code(), 0);
    bench.check_off();
}

/// A runner that kills the job's tree: the keeper is not in it, and `hil report` writes what the run could not.
#[test]
fn a_killed_tree_leaves_rails_off_locks_free_and_a_record_for_the_reports() {
    let bench = Bench::open();
    for _ in 0..rounds() {
        let mut command = starter("sh", &bench.lab.command(&[]));
        // The shell of a job's step, which does not become the program.
        command.args(["-c", "\"$@\"; exit $?", "sh", env!("CARGO_BIN_EXE_hil")]).args(WAITS);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut job = Running::start(std::os::unix::process::CommandExt::process_group(&mut command, 0));
        bench.wait_for("on");
        kill_process_group(Pid::from_child(&job.0), Signal::KILL).expect("it runs");
        job.code();
        bench.check_off();
        let report: Outcome = bench.lab.command(&["report", "run"]).output().expect("hil").into();
        assert_eq!(report.code, 130, "{report:?}");
        assert!(report.stdout.contains("aborted  features/waits.feature"), "{report:?}");
        check_reports(&bench);
        tidy(&bench);
    }
}

/// Cancelled at one time, on one bench each: none disturbs another.
#[test]
fn several_jobs_that_are_cancelled_at_once_end_in_order() {
    let ways = [Signal::INT, Signal::TERM, Signal::HUP];
    for _ in 0..rounds() {
        let jobs: Vec<_> = ways
            .map(|way| {
                let bench = Bench::open();
                let mut command = bench.lab.command(&WAITS);
                (way, Running::start(command.stdout(Stdio::null()).stderr(Stdio::null())), bench)
            })
            .into();
        jobs.iter().for_each(|(.., bench)| bench.wait_for("on"));
        for (way, run, _) in &jobs {
            kill_process(Pid::from_child(&run.0), *way).expect("it runs");
        }
        for (way, mut run, bench) in jobs {
            assert_eq!(run.code(), 130, "{way:?}");
            bench.check_aborted("run");
            check_reports(&bench);
        }
    }
}
