//! Snapshots of traffic: created, matched and compared.

use crate::support::{Outcome, Project, assert_snapshot};

const FEATURE: &str = r#"Feature: f
  Scenario: s
    Given the board "client" runs the firmware "mqtt-client"
    And snapshots of the traffic leave out the topic "tick/#"
    And snapshots of the traffic show "/[0-9.]+ °C/" as "[temperature]"
    When I type at the console of "client":
      """
      connect id=client-c0ffee keep-alive=30
      publish tick/a 1
      publish news "21.5 °C" qos=1
      publish state '{"on":true,"at":7}'
      """
    Then the broker acknowledges the message of "client" within 5 s
    And "client" publishes "/on/" to "state" within 5 s
    And the traffic of "client" matches the snapshot "talk"
"#;

fn run(project: &Project, update: &str) -> Outcome {
    project.command(&["run", "--out", update]).env("INSTA_UPDATE", update).output().expect("hil runs").into()
}

#[test]
fn a_snapshot_is_created_matched_and_compared() {
    let project = Project::with_feature(FEATURE);
    let (file, pending) = ("features/snapshots/talk.snap", "features/snapshots/talk.snap.new");
    // There is no snapshot yet, and nothing has asked to create one.
    let none = run(&project, "no");
    assert_snapshot("snapshot-missing", &none.stable());
    assert!(!project.path("features/snapshots").exists());
    // It is pending review; `cargo insta accept` would do this.
    let new = run(&project, "new");
    assert_eq!(new.code, 102, "{new:?}");
    assert_snapshot("snapshot-pending", &project.read(pending));
    std::fs::rename(project.path(pending), project.path(file)).expect("accepted");
    assert_eq!(run(&project, "auto").code, 0);

    // Other ids, other temperatures, another order of keys, more ticks: the same traffic.
    let same = FEATURE
        .replace("c0ffee", "f00d42")
        .replace("21.5", "-3.25".trim_start_matches('-'))
        .replace(r#"{"on":true,"at":7}"#, r#"{"at":7,"on":true}"#)
        .replace("publish tick/a 1", "publish tick/a 1\n      publish tick/b 2");
    project.file("features/one.feature", &same);
    let matched: Outcome =
        project.command(&["run", "--out", "same"]).env("INSTA_UPDATE", "no").output().expect("hil runs").into();
    assert_eq!(matched.code, 0, "{}", matched.stdout);

    // A message at another QoS, and one too many.
    let acknowledged = "the broker acknowledges the message of \"client\" within 5 s\n    And ";
    let changed = FEATURE
        .replace("qos=1", "qos=0")
        .replace(acknowledged, "")
        .replace("at\":7}'", "at\":7}'\n      publish extra x");
    project.file("features/one.feature", &changed);
    let differs: Outcome =
        project.command(&["run", "--out", "differs"]).env("INSTA_UPDATE", "no").output().expect("hil runs").into();
    assert_snapshot("snapshot-differs", &differs.stable());
    for (report, line) in [
        ("junit.xml", "-   PUBLISH `[temperature]` on `news`, QoS 1"),
        ("report.html", "+   PUBLISH `x` on `extra`, QoS 0"),
    ] {
        assert!(project.read(&format!("differs/{report}")).contains(line), "{report}");
    }
    assert!(!project.path(pending).exists(), "`no` leaves nothing behind");
    // On request, the current traffic is accepted.
    assert_eq!(run(&project, "always").code, 0);
    assert!(project.read(file).contains("PUBLISH `x` on `extra`"));
}

#[test]
fn an_invalid_snapshot_is_reported() {
    let output = |code: i32, feature: &str, update: &str| {
        let project = Project::with_feature(feature);
        let outcome: Outcome = project.command(&["run"]).env("INSTA_UPDATE", update).output().expect("hil runs").into();
        assert_eq!(outcome.code, code, "{outcome:?}");
        assert!(!project.path("x.snap").exists());
        let printed = format!("{}{}", outcome.stdout, outcome.stderr);
        let lines = printed.lines().filter(|line| line.contains("error: ") || line.contains("hint: "));
        lines.map(|line| format!("{}\n", line.trim())).collect::<String>()
    };
    let silent = "Feature: f\n  Scenario: s\n    Given the board \"client\" runs the firmware \"mqtt-client\"\n    Then the traffic of \"client\" matches the snapshot \"x\"\n";
    let elsewhere = FEATURE.replace("\"talk\"", "\"../../x\"");
    let all = [output(96, &elsewhere, "always"), output(102, FEATURE, "yes"), output(102, silent, "always")];
    assert_snapshot("snapshot-errors", &all.concat());
}
