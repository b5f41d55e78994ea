//! Scenarios in quarantine run and are reported, but do not fail the run.

use crate::support::{Project, assert_snapshot};

fn project(quarantine: &str) -> Project {
    let on = "Given the board \"pi\" runs the firmware \"mute\"";
    let project = Project::with_feature(&format!(
        "Feature: f\n  Scenario: sticks\n    {on}\n    Then the console of \"pi\" shows \"ready\" within 100 ms\n\n  \
         Scenario: works\n    {on}\n    Then the console of \"pi\" shows \"no\" within 2 s\n"
    ));
    project.file(
        "bench.toml",
        "[boards.pi]\nkind = \"process\"\n[firmware.mute]\nkind = \"process\"\ncommand = [\"sh\", \"-c\", \"echo no; read word\"]\n",
    );
    project.file("quarantine.toml", quarantine);
    project
}

const STICKS: &str = "[[scenario]]\nname = \"sticks\"\nfeature = \"one.feature\"\nreason = \"the relay sticks\"\nuntil = \"2999-12-31\"\nissue = \"https://example.org/17\"\n";

#[test]
fn a_failure_in_quarantine_is_reported_and_does_not_fail_the_run() {
    let project = project(STICKS);
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--out", "run", "--fail-fast"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_snapshot("quarantine-output", &outcome.stable());
    let xml = project.read("run/junit.xml");
    assert!(xml.contains(r#"tests="2" errors="0" skipped="1" failures="0""#), "{xml}");
    assert!(xml.contains(r#"<skipped message="in quarantine until 2999-12-31: the relay sticks (https://example.org/17); it failed: "#), "{xml}");
    let summary = project.read("run/summary.md");
    assert!(
        summary.starts_with("## ✅ 1 passed, 1 quarantined in ") && summary.contains("### quarantined: sticks"),
        "{summary}"
    );
    assert!(project.read("run/report.html").contains("\"verdict\":\"quarantined\""));
    // The reports are a function of the record.
    project.file("quarantine.toml", "");
    assert_eq!((project.hil(&["report", "run"]).code, project.read("run/junit.xml")), (0, xml));
    // Such a run is a good one.
    let compared = project.hil(&[
        "run",
        "--bench",
        "bench.toml",
        "--baseline",
        "run",
        "--fail-on",
        "regression",
        "--name",
        "works",
    ]);
    assert_eq!(compared.code, 0, "{compared:?}");
    assert_eq!(project.hil(&["run", "--bench", "bench.toml", "--last-failed=run"]).code, 4, "it did not fail the run");
}

#[test]
fn only_scenarios_in_quarantine_are_not_nothing() {
    let project = project(STICKS);
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--name", "sticks"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let repeated = project.hil(&["run", "--bench", "bench.toml", "--repeat", "2", "--until-fail"]);
    assert_eq!(repeated.code, 0, "{repeated:?}");
    assert!(repeated.stdout.contains("2 passed, 2 quarantined in"), "{repeated:?}");
}

#[test]
fn an_expired_entry_counts_and_one_that_matches_nothing_is_named() {
    let expired = STICKS.replace("2999", "2020");
    let project = project(&format!("{expired}{}", STICKS.replace("\"sticks\"", "\"stiks\"")));
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--quiet"]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert_snapshot("quarantine-warnings", &outcome.stderr);
    // What another selection leaves out is not missing.
    project.file("quarantine.toml", STICKS);
    let other = project.hil(&["run", "--bench", "bench.toml", "--name", "works"]);
    assert_eq!((other.code, other.stderr.as_str()), (0, ""));
    project.file("elsewhere/bad.toml", &STICKS.replace("until = \"2999-12-31\"", "until = \"soon\""));
    let bad = project.hil(&["run", "--bench", "bench.toml", "--quarantine", "elsewhere/bad.toml"]);
    assert_snapshot("quarantine-bad", &bad.stable());
    let missing = project.hil(&["run", "--bench", "bench.toml", "--quarantine", "no.toml"]);
    assert_snapshot("quarantine-missing", &missing.stable());
}
