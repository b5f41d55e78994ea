//! However a run on hosts ends, its boards are safe, and what was is reported.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use hil_timeline::What;
use rustix::process::{Pid, Signal, kill_process};

use super::fleet::Fleet;
use super::{events, verdicts};
use crate::support::{Outcome, Printed, ends};

/// Keeps each board busy for a minute.
pub(super) const LONG: &str = r#"Feature: long
  Scenario Outline: <board> is watched
    Given the board "<board>" runs the firmware "lamp"
    And "<board>" is connected
    Then "<board>" does not reboot for 60 s

    Examples:
      | board  |
      | lamp   |
      | lamp-2 |
"#;

/// A run in the middle of its scenarios.
fn running(fleet: &Fleet, more: &[&str]) -> (Child, Printed) {
    let mut hil = fleet.run(&[&["-vv", "--out", "run"], more].concat());
    let mut hil = hil.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
    let printed = Printed::by(&mut hil);
    printed.wait_for(&["lamp <- CONNACK", "lamp-2 <- CONNACK"]);
    (hil, printed)
}

fn ended(mut hil: Child, printed: Printed) -> Outcome {
    let mut stderr = String::new();
    let piped = hil.stderr.take().expect("piped");
    let reading = std::thread::spawn(move || std::io::read_to_string(piped).unwrap_or_default());
    let code = hil.wait().expect("ends").code().unwrap_or(-1);
    stderr.push_str(&reading.join().expect("read"));
    Outcome { code, stdout: printed.rest(), stderr }
}

/// Ctrl-C ends the agents in order: the head has all that they recorded.
#[test]
fn an_interrupt_ends_the_agents_in_order() {
    let fleet = Fleet::new(LONG, &["pi-a", "pi-b"]);
    let (hil, printed) = running(&fleet, &[]);
    let begun = Instant::now();
    kill_process(Pid::from_child(&hil), Signal::INT).expect("it runs");
    let outcome = ended(hil, printed);
    assert_eq!(outcome.code, 130, "{outcome:?}");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    fleet.wait_until_safe("after the interrupt");
    let recorded = events(&fleet.project, "run");
    let aborted = recorded.iter().filter(|event| {
        matches!(&event.what, What::ScenarioFinished { verdict: hil_timeline::Verdict::Aborted, .. })
            && event.host.is_some()
    });
    assert_eq!(aborted.count(), 2, "as their agents recorded them");
    assert!(!recorded.iter().any(|event| matches!(event.what, What::HostLost { .. })), "{outcome:?}");
    for host in fleet.hosts.iter().filter(|host| !host.runs().is_empty()) {
        let report = fleet.project.hil(&["report", &host.runs()[0].display().to_string()]);
        assert_eq!(report.code, 130, "{report:?}");
    }
}

/// A head that is killed can't say anything: the end of its pipe does.
#[test]
fn an_agent_whose_head_is_killed_ends_with_its_reports() {
    let fleet = Fleet::new(LONG, &["pi-a"]);
    let (mut hil, _printed) = running(&fleet, &[]);
    hil.kill().expect("it runs");
    hil.wait().expect("ends");
    fleet.wait_until_safe("after the head was killed");
    let run = fleet.host("pi-a").runs().pop().expect("its run folder");
    for report in ["junit.xml", "report.html", "summary.md", "cucumber.json"] {
        assert!(run.join(report).is_file(), "{report}");
    }
    let report = fleet.project.hil(&["report", "run"]);
    assert_eq!(report.code, 130, "what the head had can be reported: {report:?}");
}

/// A head that is stopped keeps its pipes open: its silence ends the session.
#[test]
fn an_agent_does_not_wait_for_a_silent_head() {
    let fleet = Fleet::new(LONG, &["pi-a"]);
    let (mut hil, _printed) = running(&fleet, &[]);
    let agent = fleet.host("pi-a").agents().pop().expect("an agent");
    kill_process(Pid::from_child(&hil), Signal::STOP).expect("it runs");
    let begun = Instant::now();
    assert!((0..4).any(|_| ends(agent)), "the agent waits for ever");
    let took = begun.elapsed();
    assert!((Duration::from_secs(8)..Duration::from_secs(16)).contains(&took), "{took:?}");
    fleet.wait_until_safe("after ten seconds of silence");
    hil.kill().expect("it is stopped");
    hil.wait().expect("ends");
}

/// A stopped agent is silent as well: the head goes on without it.
#[test]
fn a_head_does_not_wait_for_a_silent_agent() {
    let fleet = Fleet::new(LONG, &["pi-a"]);
    let (hil, printed) = running(&fleet, &["--bench-retries", "0"]);
    let agent = fleet.host("pi-a").agents().pop().expect("an agent");
    kill_process(agent, Signal::STOP).expect("it runs");
    let outcome = ended(hil, printed);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert!(outcome.stdout.contains("its agent has been silent for 10 s"), "{outcome:?}");
    // The head has ended its command, which is the agent itself here.
    fleet.wait_until_safe("after the agent was given up");
}

/// Behind ssh, the head can end only the client: the keeper of an agent that stands still makes its boards safe.
#[test]
fn an_agent_that_stands_still_out_of_reach_has_no_power_and_no_locks() {
    let fleet = Fleet::new(LONG, &["pi-a"]);
    let host = fleet.host("pi-a");
    let mut hil = fleet.project.command(&["run", "-vv", "--out", "run", "--bench-retries", "0", "--hosts"]);
    // The shell is what the head ends; the agent has a session of its own, so that it gets no SIGHUP.
    hil.arg(format!("pi-a=sh -c 'setsid {}; true'", host.agent_script().display()));
    let mut hil = hil.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
    let printed = Printed::by(&mut hil);
    printed.wait_for(&["lamp <- CONNACK", "lamp-2 <- CONNACK"]);
    let agent = host.agents().pop().expect("an agent");
    kill_process(agent, Signal::STOP).expect("it runs");
    let outcome = ended(hil, printed);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    host.wait_until_released(&fleet.project, "while the agent is stopped");
    kill_process(agent, Signal::KILL).expect("it is stopped");
    fleet.wait_until_safe("after the agent was killed");
}

/// The system of a host shuts down: the run was not aborted.
#[test]
fn an_agent_that_is_sent_a_signal_is_a_lost_host() {
    let feature = super::outline(12).replace("300 ms", "1 s");
    let fleet = Fleet::new(&feature, &["pi-a", "pi-b"]);
    let mut hil = fleet.run(&["-vv", "--out", "run"]);
    let mut hil = hil.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
    let printed = Printed::by(&mut hil);
    printed.wait_for(&["<- CONNACK"]);
    printed.wait_for(&[" passed  "]);
    let agent = fleet.host("pi-a").agents().pop().expect("an agent");
    kill_process(agent, Signal::TERM).expect("it runs");
    let outcome = ended(hil, printed);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    fleet.wait_until_safe("after the signal");
    let all = verdicts(&fleet.project.hil(&["report", "run"]));
    assert_eq!(all.len(), 12, "{outcome:?}");
    assert!(all.values().all(|word| ["passed", "flaky"].contains(&word.as_str())), "{all:?}");
}

/// A host that dies: what ran there is errored, with the evidence; the rest runs elsewhere.
#[test]
fn scenarios_of_a_lost_host_run_elsewhere() {
    let feature = super::outline(12).replace("300 ms", "1 s");
    let fleet = Fleet::new(&feature, &["pi-a", "pi-b"]);
    for (retries, code) in [("1", 0), ("0", 102)] {
        let mut hil = fleet.run(&["-vv", "--out", retries, "--bench-retries", retries]);
        let mut hil = hil.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil");
        let printed = Printed::by(&mut hil);
        printed.wait_for(&["<- CONNACK"]);
        printed.wait_for(&[" passed  "]);
        let agent = fleet.host("pi-a").agents().pop().expect("an agent");
        kill_process(agent, Signal::KILL).expect("it runs");
        let outcome = ended(hil, printed);
        assert_eq!(outcome.code, code, "{outcome:?}");
        assert!(outcome.stderr.contains("warning: host `pi-a` was lost: the connection ended"), "{outcome:?}");
        fleet.wait_until_safe("after the agent was killed");
        let report = fleet.project.hil(&["report", retries]);
        let all = verdicts(&report);
        assert_eq!(all.len(), 12, "{report:?}");
        let not_passed: Vec<_> = all.iter().filter(|(_, word)| *word != "passed").collect();
        let expected = if retries == "1" { "flaky" } else { "errored" };
        assert!((1..=2).contains(&not_passed.len()), "what ran on the host: {not_passed:?}");
        assert!(not_passed.iter().all(|(_, word)| *word == expected), "{not_passed:?}");
        assert!(
            report.stdout.contains("host `pi-a` was lost while this scenario ran: the connection ended"),
            "{report:?}"
        );
        assert!(report.stdout.contains("; lost: the connection ended"), "{report:?}");
    }
    assert_eq!(fleet.hil(&["--out", "next"]).code, 0, "the next run is as good as any");
}

/// Each would have one host and wait for the other's.
#[test]
fn two_runs_on_the_same_hosts_take_turns() {
    let fleet = Fleet::new(&super::outline(4), &["pi-a", "pi-b"]);
    let mut hosts = fleet.piped();
    let runs: Vec<_> = ["there", "back"]
        .into_iter()
        .map(|out| {
            let mut hil = fleet.project.command(&["run", "--out", out]);
            for host in &hosts {
                hil.arg("--hosts").arg(host);
            }
            hosts.reverse();
            hil.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("hil")
        })
        .collect();
    for run in runs {
        let outcome: Outcome = run.wait_with_output().expect("ends").into();
        assert_eq!(outcome.code, 0, "{outcome:?}");
    }
}

#[test]
fn without_any_host_the_rest_is_errored() {
    let feature = super::outline(8).replace("300 ms", "2 s");
    let fleet = Fleet::new(&feature, &["pi-a", "pi-b"]);
    let (hil, printed) = running(&fleet, &[]);
    for host in &fleet.hosts {
        host.agents().into_iter().for_each(|agent| kill_process(agent, Signal::KILL).expect("it runs"));
    }
    let outcome = ended(hil, printed);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    fleet.wait_until_safe("after both agents were killed");
    let report = fleet.project.hil(&["report", "run"]);
    assert_eq!((report.code, verdicts(&report).len()), (102, 8), "{report:?}");
    assert!(verdicts(&report).values().all(|word| word == "errored"), "{report:?}");
    assert!(
        report.stdout.contains("it could not run: ") && report.stdout.contains("host `pi-b` was lost"),
        "{report:?}"
    );
}
