//! Each faulty lamp against the normal features, with the good lamp's runs as baseline: exactly what its fault breaks
//! must fail, and is reported as a regression.

use std::collections::BTreeSet;

use crate::support::{Outcome, Project, assert_snapshot, workspace};

/// Five runs of the good lamp.
const BASELINE: &str = "fixtures/baselines/lamp.json";

/// Runs scenarios about updates on the bench whose lamp has one fault in them.
fn update(name: &str, fault: &str, scenario: &str) {
    let (root, project) = (workspace(), Project::new());
    let mut command = project.command(&["run", "features/update", "--name", scenario, "--bench"]);
    command.arg(root.join(format!("fixtures/benches/faulty/update-{fault}.toml")));
    let outcome: Outcome =
        command.arg("--out").arg(project.path("out")).current_dir(root).output().expect("hil runs").into();
    assert_eq!(outcome.code, 100, "{outcome:?}");
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // What follows are the last signs of life, whose order and times depend on the machine.
    settings.add_filter(r"(?m)^           (?:last|this|the console|closest).*\n", "");
    settings.add_filter(r"\d+ boots in \d+\.\d s, the last from \w+", "BOOTS");
    settings.add_filter(r"[+-]?\d+\.\d+ s\b", "TIME");
    settings.add_filter(r"(?m)^reports: .*$", "reports: OUT");
    settings.bind(|| insta::assert_snapshot!(format!("update-{name}"), outcome.stdout));
}

#[test]
fn an_update_that_confirms_itself_at_its_start() {
    update("confirms-at-start", "confirms-at-start", "one start");
}

#[test]
fn an_update_that_never_confirms_itself() {
    update("never-confirms", "never-confirms", "and the next one");
}

#[test]
fn a_lamp_that_starts_an_update_with_a_wrong_hash() {
    update("accepts-any-hash", "accepts-any-hash", "whose hash is wrong");
}

#[test]
fn a_lamp_that_loads_an_update_from_any_server() {
    update("accepts-any-certificate", "accepts-any-certificate", "that has expired");
}

#[test]
fn a_lamp_that_a_power_cut_in_its_update_destroys() {
    update("switches-first", "switches-first", "in the middle");
}

#[test]
fn a_lamp_that_one_of_many_power_cuts_destroys() {
    update("switches-first-swept", "switches-first", "one of the two versions");
}

/// Runs the lamp's features on the bench whose lamp has one fault.
fn run(project: &Project, fault: &str) -> Outcome {
    let root = workspace();
    let bench = root.join(format!("fixtures/benches/faulty/{fault}.toml"));
    let mut command = project.command(&["run", "features/lamp", "--baseline", BASELINE, "--fail-on", "regression"]);
    command.arg("--bench").arg(bench).arg("--out").arg(project.path("out")).current_dir(root);
    command.arg("--history").arg(project.path("history.jsonl"));
    command.output().expect("hil runs").into()
}

/// The same comparison in another format.
fn compared(project: &Project, format: &str) -> String {
    let mut command = project.command(&["compare", BASELINE]);
    command.arg(project.path("out")).args(["--format", format, "--fail-on", "regression"]).current_dir(workspace());
    command.arg("--history").arg(project.path("history.jsonl"));
    let outcome: Outcome = command.output().expect("hil compares").into();
    assert_eq!(outcome.code, 103, "{outcome:?}");
    outcome.stdout
}

/// Measured times and the order of packets depend on the machine; everything else depends on the lamp.
fn of_the_lamp(text: &str) -> String {
    let times = |line: &str| {
        let line = line.trim_start_matches([' ', '-']);
        ["boot: ", "reconnect: ", "flash: ", "latency: ", "step: "].iter().any(|kind| line.starts_with(kind))
            || ["new: ", "missing: "].iter().any(|kind| line.starts_with(kind))
            || ["slower (", "faster ("].iter().any(|title| line.trim_start_matches('*').starts_with(title))
    };
    let kept: Vec<_> = text.lines().filter(|line| !times(line)).collect();
    // Removes a title if none of its lines is left.
    let is_title = |line: &str| line.trim_start_matches('*').starts_with("traffic (");
    let has_lines = |at: usize| {
        let next = kept[at + 1..].iter().find(|line| !line.is_empty());
        next.is_some_and(|line| line.starts_with([' ', '-']))
    };
    let kept = kept.iter().enumerate().filter(|(at, line)| !is_title(line) || has_lines(*at));
    let mut kept: Vec<_> = kept.map(|(_, line)| *line).collect();
    kept.dedup_by(|a, b| a.is_empty() && b.is_empty());
    kept.join("\n")
}

/// Compares with a snapshot, without what depends on the machine.
fn assert_comparison(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
        .add_filter(r"; (\d+ measurements? compared|not enough data|no measurements|times are not compared).*", "; …");
    settings.add_filter(r", \d+ slower", "");
    // Whether it reboots while the message is being published or just after depends on the machine.
    settings.add_filter(r"is failed\): .*?: (`lamp` rebooted by itself)", "is failed): …: $1");
    settings.add_filter(r"traffic \(\d+\)", "traffic (N)");
    settings.add_filter(r"[+-]?\d+\.\d\d? s\b", "TIME");
    settings.bind(|| insta::assert_snapshot!(name, of_the_lamp(text)));
}

fn must_fail(fault: &str, expected: &[&str]) -> Project {
    let project = Project::new();
    let outcome = run(&project, fault);
    assert_eq!(outcome.code, 103, "{outcome:?}");
    assert_comparison(&format!("compared-{fault}"), &compared(&project, "text"));
    let failed: BTreeSet<_> = outcome
        .verdicts()
        .into_iter()
        .filter(|(word, _)| word != "passed")
        .map(|(word, name)| format!("{word}: {name}"))
        .collect();
    let expected: BTreeSet<_> = expected.iter().map(|name| format!("failed: {name}")).collect();
    assert_eq!(failed, expected, "{}", outcome.stdout);
    assert_eq!(outcome.verdicts().len(), 16, "every scenario has a verdict");
    project
}

const ON: &str = "`on` lights the lamp and is answered";
const OFF: &str = "`off` puts the lamp out and is answered";
const TOGGLES: &str = "three fast toggles arrive in order and none is lost";
const ACKNOWLEDGED: &str = "a command at QoS 1 is acknowledged";
const WILL: &str = "after a power cut its will comes once, in time, and is retained";
const BACK: &str = "when the power is back it reports online and works";
const SILENT: &str = "a network that is silent for less than a keep alive loses nothing";
const CONNECT: &str = "it connects with its will, a keep alive and a clean session";
const RESTART: &str = "after a restart of the broker it comes back with growing pauses";

#[test]
fn a_lamp_that_never_acknowledges() {
    let _ = must_fail("never-acks", &[ACKNOWLEDGED]);
}

#[test]
fn a_lamp_without_a_will() {
    let project = must_fail("no-will", &[WILL, BACK, SILENT, CONNECT]);
    assert_comparison("compared-markdown", &compared(&project, "markdown"));
    let mut json: serde_json::Value = serde_json::from_str(&compared(&project, "json")).expect("JSON");
    let parts = json.as_object_mut().expect("object");
    parts.retain(|name, _| ["regression", "scenarios", "images"].contains(&name.as_str()));
    assert_comparison("compared-json", &serde_json::to_string_pretty(&json).expect("JSON"));
    for (report, mark) in [("summary.md", "**newly failing (4)**"), ("report.html", "newly failing (4):")] {
        assert!(project.read(&format!("out/{report}")).contains(mark), "{report}");
    }
}

#[test]
fn a_lamp_without_a_keep_alive() {
    let _ = must_fail("no-keep-alive", &[WILL, BACK, CONNECT]);
}

#[test]
fn a_lamp_that_reboots_on_on() {
    let _ = must_fail("reboots-on-on", &[ON, OFF, TOGGLES, ACKNOWLEDGED, BACK, SILENT, RESTART]);
}

#[test]
fn a_lamp_that_never_subscribes() {
    let ignored = ["ON", "on off", "1"].map(|payload| format!("anything else is ignored: {payload}"));
    let mut expected = vec![ON, OFF, TOGGLES, ACKNOWLEDGED, BACK, SILENT, RESTART];
    expected.extend(ignored.iter().map(String::as_str));
    let _ = must_fail("never-subscribes", &expected);
}

#[test]
fn each_message_names_what_was_expected_what_came_closest_and_the_last_signs_of_life() {
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
    // Whether the lamp reboots while the message is being published or just after depends on the machine.
    let publishing =
        |line| format!("When I publish \"on\" to \"sooko/lampu\" with QoS 1  (features/faulty/images.feature:{line})");
    let stable = stable
        .replace(
            &publishing(27),
            "Then \"lamp\" publishes \"saya hidup\" to \"loger\" within 1 s  (features/faulty/images.feature:28)",
        )
        .replace(&publishing(33), "Then \"lamp\" does not reboot for 2 s  (features/faulty/images.feature:34)");
    let kept = stable.lines().filter(|line| !line.trim_start().starts_with("the step itself:"));
    assert_snapshot("faulty", &kept.fold(String::new(), |text, line| text + line + "\n"));
}

#[test]
fn faulty_lamps_are_not_part_of_the_default_run() {
    let mut command = Project::new().command(&["run", "--list"]);
    let outcome: Outcome = command.current_dir(workspace()).output().expect("hil runs").into();
    assert_eq!(outcome.code, 0);
    assert!(!outcome.stdout.contains("faulty") && outcome.stdout.contains("features/lamp/"), "{}", outcome.stdout);
}
