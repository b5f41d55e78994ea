//! `hil` killed at any moment: its reports can still be generated.

use std::process::Stdio;
use std::time::Duration;

use hil_timeline::{What, read_events};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Outcome, Printed, Project, workspace};

const REPORTS: [&str; 4] = ["junit.xml", "cucumber.json", "summary.md", "report.html"];

/// `HIL_KILLS` says how often; a soak has 30.
#[test]
fn whenever_it_is_killed_every_report_can_be_made_and_what_ran_is_aborted() {
    let kills: u32 = std::env::var("HIL_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    let project = Project::new();
    let mut interrupted = 0;
    for n in 0..kills {
        let out = project.path(&format!("run-{n}"));
        let mut command = project.command(&["run", "-vv", "features/lamp", "features/mqtt/sessions.feature", "--out"]);
        command.arg(&out);
        if n == 1 {
            command.args(["--name", "its will comes once"]);
        }
        command.current_dir(workspace()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut hil = command.spawn().expect("hil");
        let printed = Printed::by(&mut hil);
        if n == 1 {
            // In the middle of a scenario for sure: it lasts for seconds.
            printed.wait_for(&["lamp -> CONNECT"]);
        } else {
            // A random moment is what is wanted here.
            std::thread::sleep(Duration::from_millis(150 + u64::from(n) * 7919 % 4000));
        }
        kill_process(Pid::from_child(&hil), Signal::KILL).expect("it runs");
        hil.wait().expect("ends");
        let Ok(events) = read_events(&out.join("events.jsonl")) else {
            assert!(!out.join("events.jsonl").exists(), "kill {n}: what there is can be read");
            continue;
        };
        let outcome = report(&project, &out);
        if events.is_empty() {
            continue;
        }
        assert_eq!(outcome.code, 130, "kill {n}: {outcome:?}");
        for report in REPORTS {
            let text = std::fs::read_to_string(out.join(report)).unwrap_or_else(|error| panic!("{report}: {error}"));
            assert!(!text.is_empty(), "kill {n}: {report}");
        }
        interrupted += check(&project, &format!("run-{n}"), &events);
    }
    assert!(interrupted > 0, "some were killed in the middle of a scenario");
}

fn report(project: &Project, out: &std::path::Path) -> Outcome {
    let mut command = project.command(&["report"]);
    command.arg(out).output().expect("hil reports").into()
}

/// Checks that each report shows the scenarios that were running as aborted; returns their number.
fn check(project: &Project, out: &str, events: &[hil_timeline::RunEvent]) -> usize {
    let mut open = std::collections::BTreeMap::new();
    for event in events {
        match &event.what {
            What::ScenarioStarted { info, .. } => drop(open.insert(event.scenario, info.name.clone())),
            What::ScenarioFinished { .. } => drop(open.remove(&event.scenario)),
            _ => {}
        }
    }
    let planned = events.iter().find_map(|event| match &event.what {
        What::RunStarted { plan, .. } => Some(plan.len()),
        _ => None,
    });
    let (xml, json) = (project.read(&format!("{out}/junit.xml")), project.read(&format!("{out}/cucumber.json")));
    assert!(xml.ends_with("</testsuite>\n"));
    assert_eq!(Some(xml.matches("<testcase").count()), planned, "what never began is there as well");
    // Feature and boards, whether it started or not: CI servers identify cases by it.
    assert!(
        xml.split("<testcase ").skip(1).all(|case| case
            .split("classname=\"")
            .nth(1)
            .is_some_and(|class| { class.split('"').next().is_some_and(|class| class.ends_with(']')) })),
        "{xml}"
    );
    serde_json::from_str::<serde_json::Value>(&json).expect("whole JSON");
    for name in open.values() {
        let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&apos;");
        let case = xml.split("<testcase ").find(|case| case.contains(&format!("name=\"{name}")));
        let case = case.unwrap_or_else(|| panic!("no case `{name}`"));
        assert!(case.contains("type=\"aborted\"") && case.contains("while this scenario ran"), "{case}");
    }
    open.len()
}

/// A scenario that failed and was killed during its retry has failed; the run is unfinished.
#[test]
fn a_run_that_is_killed_while_it_tries_again_says_so() {
    let project = Project::with_feature(
        "Feature: f\n  @retry\n  Scenario: never\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" publishes \"nonsense\" to \"x\" within 1 s\n",
    );
    let mut command = project.command(&["run", "-vv", "--out", "run"]);
    let mut hil = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("hil");
    let printed = Printed::by(&mut hil);
    printed.wait_for(&[" failed  "]);
    printed.wait_for(&["lamp -> CONNECT"]);
    kill_process(Pid::from_child(&hil), Signal::KILL).expect("it runs");
    hil.wait().expect("ends");
    let outcome = report(&project, &project.path("run"));
    assert_eq!(outcome.code, 130, "{outcome:?}");
    assert!(outcome.stdout.contains("0 passed, 1 failed in"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("the run was ended before its end"), "{}", outcome.stdout);
    let gate = project.hil(&["compare", "run", "run", "--fail-on", "regression"]);
    assert_eq!(gate.code, 4, "{gate:?}");
}
