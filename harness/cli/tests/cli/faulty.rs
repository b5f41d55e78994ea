//! Each faulty lamp against the normal features: exactly what its fault breaks must fail.

use std::collections::BTreeSet;

use crate::support::{Outcome, Project, assert_snapshot, workspace};

/// Runs the lamp's features on the bench whose lamp has one thing wrong.
fn run(fault: &str) -> Outcome {
    let root = workspace();
    let bench = root.join(format!("fixtures/benches/faulty/{fault}.toml"));
    let project = Project::new();
    let mut command = project.command(&["run", "features/lamp", "--bench"]);
    command.arg(bench).arg("--out").arg(project.path("out")).current_dir(root);
    command.output().expect("hil runs").into()
}

fn must_fail(fault: &str, expected: &[&str]) {
    let outcome = run(fault);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    let failed: BTreeSet<_> = outcome
        .verdicts()
        .into_iter()
        .filter(|(word, _)| word != "passed")
        .map(|(word, name)| format!("{word}: {name}"))
        .collect();
    let expected: BTreeSet<_> = expected.iter().map(|name| format!("failed: {name}")).collect();
    assert_eq!(failed, expected, "{}", outcome.stdout);
    assert_eq!(outcome.verdicts().len(), 16, "every scenario has a verdict");
}

const ON: &str = "`on` lights the lamp and is answered";
const OFF: &str = "`off` puts the lamp out and is answered";
const TOGGLES: &str = "three fast toggles arrive in order and none is lost";
const ACKNOWLEDGED: &str = "a command at QoS 1 is acknowledged";
const WILL: &str = "after a power cut its will comes once, in time, and is retained";
const BACK: &str = "when the power is back it is born again and works";
const SILENT: &str = "a network that is silent for less than a keep alive loses nothing";
const CONNECT: &str = "it connects with its will, a keep alive and a clean session";
const RESTART: &str = "after a restart of the broker it comes back with growing pauses";

#[test]
fn a_lamp_that_never_acknowledges() {
    must_fail("never-acks", &[ACKNOWLEDGED]);
}

#[test]
fn a_lamp_without_a_will() {
    must_fail("no-will", &[WILL, BACK, SILENT, CONNECT]);
}

#[test]
fn a_lamp_without_a_keep_alive() {
    must_fail("no-keep-alive", &[WILL, BACK, CONNECT]);
}

#[test]
fn a_lamp_that_reboots_on_on() {
    must_fail("reboots-on-on", &[ON, OFF, TOGGLES, BACK, SILENT, RESTART]);
}

#[test]
fn a_lamp_that_never_subscribes() {
    let ignored = ["ON", "on off", "1"].map(|payload| format!("anything else is ignored: {payload}"));
    let mut expected = vec![ON, OFF, TOGGLES, ACKNOWLEDGED, BACK, SILENT, RESTART];
    expected.extend(ignored.iter().map(String::as_str));
    must_fail("never-subscribes", &expected);
}

#[test]
fn each_message_tells_what_was_expected_what_came_closest_and_the_last_signs_of_life() {
    let root = workspace();
    let project = Project::new();
    let mut command = project.command(&["run", "features/faulty", "--out"]);
    let outcome: Outcome = command.arg(project.path("out")).current_dir(root).output().expect("hil runs").into();
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert!(outcome.verdicts().iter().all(|(word, _)| word == "failed"));
    let stable: String = outcome
        .stdout
        .lines()
        .filter(|line| !line.starts_with("reports:"))
        .fold(String::new(), |text, line| text + line + "\n");
    let signs = outcome.stdout.lines().filter(|line| line.trim_start().starts_with("last ")).count();
    assert_eq!(signs, 2 * outcome.verdicts().len(), "each names the last packet and the last console line");
    assert_snapshot("faulty", &stable);
}

#[test]
fn faulty_lamps_are_not_part_of_the_default_run() {
    let mut command = Project::new().command(&["run", "--list"]);
    let outcome: Outcome = command.current_dir(workspace()).output().expect("hil runs").into();
    assert_eq!(outcome.code, 0);
    assert!(!outcome.stdout.contains("faulty") && outcome.stdout.contains("features/lamp/"), "{}", outcome.stdout);
}
