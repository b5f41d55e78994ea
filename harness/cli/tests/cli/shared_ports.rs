//! A serial port that another program has open, and boards that are released when a run is over.

use crate::real_bench::Lab;
use crate::support::{Printed, wait_for_line};

fn port(lab: &Lab) -> std::path::PathBuf {
    lab.project.path("lab/port-lamp").canonicalize().expect("the port is there")
}

/// The other program is this one.
fn in_use() -> String {
    format!("(pid {})", std::process::id())
}

/// Opens it as ser2net or ModemManager do.
fn open(lab: &Lab) -> std::fs::File {
    std::fs::File::options().read(true).write(true).open(port(lab)).expect("open")
}

#[test]
fn a_port_in_use_by_another_program_is_reported_at_once() {
    let lab = Lab::open(None);
    let other = open(&lab);
    let run = lab.hil(&["run", "features/short.feature", "--bench-retries", "0"]);
    assert_eq!(run.code, 102, "{}{}", run.stdout, run.stderr);
    let said = format!("the serial port of board `lamp`, {}, is in use by", port(&lab).display());
    assert!(run.stdout.contains(&said) && run.stdout.contains(&in_use()), "{}", run.stdout);
    assert!(!run.stdout.contains("once more"), "nothing is tried again and again: {}", run.stdout);
    drop(other);
    let run = lab.hil(&["run", "features/short.feature", "--bench-retries", "0"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

/// It reads part of the board's output: a missing line proves nothing about the firmware.
#[test]
fn a_program_that_opens_the_port_during_a_run_is_named_by_the_step_that_heard_nothing() {
    let lab = Lab::open(None);
    let feature = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    \
                   Then \"lamp\" connects within 5 s\n    \
                   And the console of \"lamp\" shows \"never said\" within 5 s\n";
    lab.project.file("features/one.feature", feature);
    let mut run = lab.start(&["run", "features/one.feature", "-vv", "--bench-retries", "0"]);
    wait_for_line(&mut run, "lamp <- CONNACK");
    let other = open(&lab);
    let ended = run.wait_with_output().expect("ends");
    drop(other);
    let said = String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(102), "{said}");
    assert!(said.contains("error: the serial port of `lamp` is in use by") && said.contains(&in_use()), "{said}");
}

/// A board that stays in reset would look dead to the next program.
#[test]
fn a_board_runs_after_a_run() {
    let lab = Lab::open(None);
    // Its supply is not a rail of the bench: it has power all the time.
    let bench = lab.project.read("lab/bench.toml");
    let rails = bench.find("[[boards.lamp.rails]]").expect("rails");
    let rest = bench[rails..].find("\n[boards.").or_else(|| bench[rails..].find("\n[firmware.")).expect("the next");
    lab.project.file("lab/bench.toml", &format!("{}{}", &bench[..rails], &bench[rails + rest..]));
    lab.tell(&["power", "lamp", "on"]);
    let run = lab.hil(&["run", "features/short.feature"]);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    let mut monitor = lab.start(&["monitor", "lamp"]);
    monitor.stdin.take();
    let printed = Printed::by(&mut monitor);
    // The broker of the run is gone: a running lamp keeps reporting that.
    printed.wait_for(&["mqtt: connection lost, next attempt"]);
    rustix::process::kill_process(rustix::process::Pid::from_child(&monitor), rustix::process::Signal::INT)
        .expect("Ctrl-C");
    assert_eq!(monitor.wait().expect("ends").code(), Some(0));
}
