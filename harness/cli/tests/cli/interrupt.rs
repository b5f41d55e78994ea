//! Ctrl-C and SIGTERM at the worst moments.

use std::io::Read as _;
use std::process::Child;
use std::time::{Duration, Instant};

use hil_timeline::{FlashPhase, RunEvent, Verdict, What, read_events};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Project, wait_for_line};

const WAIT: &str = r#"Feature: f
  Scenario: first
    Given the board "lamp" runs the firmware "lamp"
    And "lamp" is connected
    Then "lamp" does not reboot for 60 s

  Scenario: second
    Given the board "lamp" runs the firmware "lamp"
    Then "lamp" connects within 5 s
"#;

const SLOW_BENCH: &str = "[boards.lamp]\nkind = \"virtual\"\nmisbehaves = [\"real-wire-speed\"]\nflash-baud = 115200\n\n[firmware.lamp]\nimage = \"builtin:lamp\"\n";

/// Sends a signal, and checks that the program ends in time and leaves nothing.
fn end(project: &Project, mut child: Child, signal: Signal) -> Vec<RunEvent> {
    let pid = Pid::from_child(&child);
    let start = Instant::now();
    kill_process(pid, signal).expect("signal");
    let mut rest = String::new();
    child.stdout.take().map(|mut stdout| stdout.read_to_string(&mut rest));
    let status = child.wait().expect("ends");
    // What runs is not awaited: the steps wait for 60 s.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}: {rest}", start.elapsed());
    assert_eq!(status.code(), Some(130), "{rest}");
    let junit = project.read("target/hil/latest/junit.xml");
    assert!(junit.contains("type=\"aborted\"") && junit.ends_with("</testsuite>\n"), "{junit}");
    let events = read_events(&project.path("target/hil/latest/events.jsonl")).expect("events");
    assert!(events.iter().any(|event| event.what == What::RunFinished { exit_code: 130 }), "{events:#?}");
    let power = events.iter().rev().find_map(|event| match &event.what {
        What::Power { on, .. } => Some(*on),
        _ => None,
    });
    assert_ne!(power, Some(true), "the power is off");
    for event in &events {
        if let What::Broker { address, .. } = &event.what {
            assert!(std::net::TcpStream::connect(address).is_err(), "nothing listens on {address} any more");
        }
    }
    let mut left: Vec<_> =
        std::fs::read_dir(project.path("")).expect("folder").flatten().map(|entry| entry.file_name()).collect();
    left.retain(|name| !["features", "target", "bench.toml"].iter().any(|known| name == *known));
    assert!(left.is_empty(), "no file outside of the run folder: {left:?}");
    events
}

fn verdicts(events: &[RunEvent]) -> Vec<Verdict> {
    let verdict = |event: &RunEvent| match &event.what {
        What::ScenarioFinished { verdict, .. } => Some(*verdict),
        _ => None,
    };
    events.iter().filter_map(verdict).collect()
}

#[test]
fn in_the_middle_of_a_wait() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let project = Project::with_feature(WAIT);
        let mut child = project.start(&["run", "-vv"]);
        wait_for_line(&mut child, "PUBLISH `online`");
        let events = end(&project, child, signal);
        assert_eq!(verdicts(&events), [Verdict::Aborted, Verdict::Aborted], "the one that runs and the one that waits");
    }
}

#[test]
fn in_the_middle_of_a_scenario() {
    let steps =
        "    When I publish \"x\" to \"y\"\n    Then \"lamp\" does not publish to \"loger\" for 100 ms\n".repeat(300);
    let project = Project::with_feature(&format!(
        "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" is connected\n{steps}"
    ));
    let mut child = project.start(&["run", "-vv"]);
    wait_for_line(&mut child, "PINGREQ");
    end(&project, child, Signal::INT);
}

#[test]
fn in_the_middle_of_a_flash() {
    let project = Project::with_feature(WAIT);
    project.file("bench.toml", SLOW_BENCH);
    let mut child = project.start(&["run", "-vv", "--bench", "bench.toml"]);
    wait_for_line(&mut child, "writing");
    let events = end(&project, child, Signal::INT);
    let finished =
        events.iter().any(|event| matches!(&event.what, What::Flash { flash: FlashPhase::Finished { .. }, .. }));
    assert!(!finished, "the flash was cut short");
}

#[test]
fn a_killed_run_still_has_its_reports() {
    let project = Project::with_feature(WAIT);
    let mut child = project.start(&["run", "-vv"]);
    wait_for_line(&mut child, "PUBLISH `online`");
    child.kill().expect("SIGKILL");
    child.wait().expect("ends");
    let outcome = project.hil(&["report"]);
    assert_eq!(outcome.code, 130, "{outcome:?}");
    let aborted = |name: &str| ("aborted".to_owned(), name.to_owned());
    assert_eq!(outcome.verdicts(), [aborted("first"), aborted("second")], "the one that ran and the one that waited");
    assert!(project.read("target/hil/latest/junit.xml").contains("type=\"aborted\""));
}
