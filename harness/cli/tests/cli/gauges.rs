//! Gauges and silent consoles: what must fail says why, and what is recorded. `features/mqtt/gauges.feature` has what
//! passes.

use crate::support::{Project, assert_snapshot};
use crate::verdicts::all_fail;

/// Steps of a client that has made gauges of what it publishes, and connected.
fn after(commands: &str, then: &str) -> String {
    format!(
        "CLIENT\nGiven the gauge \"temp\" of \"client\" is what it publishes to \"t\"\nWhen I type \"connect id=a\" at the console of \"client\"\nThen \"client\" connects within 10 s\nTYPE {commands}\nThen \"client\" publishes \"done\" to \"end\" within 5 s\nAnd {then}"
    )
}

fn gauge(what: &str) -> String {
    format!("the gauge \"temp\" of \"client\" {what}")
}

#[test]
fn a_gauge_that_is_not_as_it_should_be_fails() {
    let end = "; publish end done";
    let cases = [
        ("too low", after(&format!("publish t 21; publish t 14{end}"), &gauge("is above 15"))),
        ("not a number", after(&format!("publish t nan{end}"), &gauge("is above 15"))),
        ("too low in time", after(&format!("publish t 14{end}"), &gauge("is above 15 within 300 ms"))),
        ("no value in time", after("publish end done", &gauge("is above 15 within 300 ms"))),
        ("does not stay", after("publish end done; repeat 8 150 publish t 1{n}", &gauge("stays below 14 for 5 s"))),
        ("no value while it stays", after("publish end done", &gauge("stays below 12 for 300 ms"))),
        (
            "falls",
            after(
                &format!("publish t 100; publish t 96; publish t 94{end}"),
                &gauge("does not fall by more than 5 % over 600 ms"),
            ),
        ),
        (
            "rises",
            after(&format!("publish t 100; publish t 104{end}"), &gauge("does not rise by more than 3 over 600 ms")),
        ),
        (
            "shows it",
            after(
                "publish end done; subscribe in; repeat 8 150 publish in oops{n}",
                "the console of \"client\" does not show \"/oops[3-9]/\" for 5 s",
            ),
        ),
    ];
    let cases: Vec<_> = cases.iter().map(|(name, steps)| (*name, steps.as_str())).collect();
    all_fail("gauges-that-fail", &cases);
}

#[test]
fn a_gauge_that_drifts_over_reconnects_fails_and_its_values_are_in_the_reports() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And the gauge \"uptime\" of \"lamp\" is \"/^[IW] \\((?<uptime>\\d+)\\)/\" on its console\n    And \"lamp\" is connected\n    When the connection of \"lamp\" is closed 2 times\n    Then the gauge \"uptime\" of \"lamp\" does not rise by more than 1 % over 2 reconnects\n",
    );
    let outcome = project.hil(&["run", "--out", "out"]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert!(outcome.stdout.contains("the gauge `uptime` of `lamp` rose from "), "{}", outcome.stdout);
    assert!(outcome.stdout.contains(" over 2 reconnects, by more than 1 %"), "{}", outcome.stdout);
    let events = project.read("out/events.jsonl");
    let values = events.matches(r#""event":"gauge","board":"lamp","gauge":"uptime""#).count();
    assert!(values > 2, "{values}");
    assert!(project.read("target/hil/history.jsonl").contains("gauge: uptime of lamp"), "measured for comparisons");
}

/// Without evidence there is no verdict about the firmware.
#[test]
fn a_gauge_without_values_and_a_mute_console_prove_nothing() {
    let lamp = "Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" is connected";
    let heap = "And the gauge \"heap\" of \"lamp\" is \"/heap: (?<heap>\\d+)/\" on its console";
    let up = "And the gauge \"up\" of \"lamp\" is \"/^[IW] \\((?<up>\\d+)\\)/\" on its console";
    let mut shown = String::new();
    for (name, steps) in [
        ("no value", format!("{lamp}\n    {heap}\n    Then the gauge \"heap\" of \"lamp\" is above 1")),
        ("no values to compare", format!("{lamp}\n    {heap}\n    Then the gauge \"heap\" of \"lamp\" does not fall by more than 5 % over 100 ms")),
        ("too few reconnects", format!("{lamp}\n    {up}\n    When the connection of \"lamp\" is closed\n    Then the gauge \"up\" of \"lamp\" does not fall by more than 5 % over 100 reconnects")),
        ("no connection to close", "Given the board \"client\" runs the firmware \"mqtt-client\"\n    When the connection of \"client\" is closed 3 times\n    Then \"client\" connects within 1 s".to_owned()),
    ] {
        let outcome = Project::with_feature(&format!("Feature: f\n  Scenario: s\n    {steps}\n")).hil(&["run", "--bench-retries", "0"]);
        assert_eq!(outcome.code, 102, "{name}: {outcome:?}");
        let lines = outcome.stdout.lines().filter(|line| !line.starts_with("reports:"));
        shown += &format!("# {name}\n{}\n", lines.collect::<Vec<_>>().join("\n"));
    }
    assert_snapshot("gauges-without-evidence", &shown);
    let dead = "Feature: f\n  Scenario: s\n    Given the board \"lamp\" is flashed with the firmware \"lamp\"\n    Then the console of \"lamp\" does not show \"x\" for 300 ms\n";
    let project = Project::with_feature(dead);
    project.file(
        "bench.toml",
        "[boards.lamp]\nkind = \"virtual\"\nmisbehaves = [\"mute\"]\noff-time = \"100ms\"\n\n[firmware.lamp]\nimage = \"builtin:lamp\"\nready = \"mqtt: starting\"\n",
    );
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
}

/// A board that does not come back is the firmware's fault.
#[test]
fn a_board_that_does_not_reconnect_fails() {
    let steps = "CLIENT\nWhen I type \"connect id=a\" at the console of \"client\"\nThen \"client\" connects within 10 s\nWhen the connection of \"client\" is closed 3 times\nThen \"client\" connects within 1 s";
    all_fail("no-reconnect", &[("it stays away", steps)]);
}

#[test]
fn a_gauge_that_no_step_makes_is_an_error_before_anything_runs() {
    let lamp = "Given the board \"lamp\" runs the firmware \"lamp\"";
    let heap = "And the gauge \"heap\" of \"lamp\" is \"/heap: (?<heap>\\d+)/\" on its console";
    let mut shown = String::new();
    for (name, steps) in [
        ("no step makes it", format!("{lamp}\n    Then the gauge \"heap\" of \"lamp\" is above 1")),
        ("a similar name", format!("{lamp}\n    {heap}\n    Then the gauge \"haep\" of \"lamp\" is above 1")),
        ("another board", format!("{lamp}\n    {heap}\n    Then the gauge \"heap\" of \"lamp-2\" is above 1")),
        (
            "no group",
            format!(
                "{lamp}\n    And the gauge \"heap\" of \"lamp\" is \"/heap: (\\d+)/\" on its console\n    Then the gauge \"heap\" of \"lamp\" is above 1"
            ),
        ),
        (
            "not a name",
            format!(
                "{lamp}\n    And the gauge \"free heap\" of \"lamp\" is what it publishes to \"t\"\n    Then \"lamp\" connects within 1 s"
            ),
        ),
        (
            "not a path",
            format!(
                "{lamp}\n    And the gauge \"heap\" of \"lamp\" is \"$[a]\" in what it publishes to \"t\"\n    Then \"lamp\" connects within 1 s"
            ),
        ),
    ] {
        let outcome = Project::with_feature(&format!("Feature: f\n  Scenario: s\n    {steps}\n")).hil(&["lint"]);
        assert_eq!(outcome.code, 96, "{name}: {outcome:?}");
        shown += &format!("# {name}\n{}\n", outcome.stderr.trim_end());
    }
    assert_snapshot("no-gauge", &shown);
}
