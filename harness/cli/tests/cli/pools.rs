//! Roles: scenarios on whichever board is free, retries on another board, and boards that are set aside.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{Project, assert_snapshot};

/// On the board `a`, `moody` never becomes ready: a fault of the bench.
const BENCH: &str = r#"
[boards.a]
kind = "process"
tags = ["worker"]
[boards.b]
kind = "process"
tags = ["worker"]
[roles.worker]
tags = ["worker"]
[roles.other]
tags = ["worker"]
[firmware.good]
kind = "process"
command = ["sh", "-c", "echo here {board.name}; read word"]
ready = "here"
[firmware.moody]
kind = "process"
command = ["sh", "-c", "if [ {board.name} = a ]; then read word; fi; echo here; read word"]
ready = "here"
"#;

const FEATURE: &str = r#"Feature: f
  Scenario Outline: one <n>
    Given the board "worker" runs the firmware "good"
    Then the console of "worker" shows "here" within 2 s
    And the console of "worker" does not show "gone" for 500 ms
    Examples:
      | n |
      | 1 |
      | 2 |
      | 3 |
      | 4 |

  Scenario: both
    Given the board "worker" runs the firmware "good"
    And the board "other" runs the firmware "good"
    Then the console of "other" shows "here" within 2 s
    And the console of "worker" does not show "gone" for 100 ms
"#;

const MOODY: &str = r#"Feature: f
  Scenario: it depends on the board
    Given the board "worker" runs the firmware "moody"
    Then the console of "worker" shows "here" within 2 s
"#;

fn project(feature: &str) -> Project {
    let project = Project::with_feature(feature);
    project.file("bench.toml", BENCH);
    project
}

fn events(project: &Project, event: &str) -> Vec<Value> {
    let text = project.read("run/events.jsonl");
    let all = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    all.filter(|line| line["event"] == event).collect()
}

/// The boards of each scenario, in the order of their starts.
fn bound(project: &Project) -> Vec<Vec<String>> {
    let boards = |event: &Value| serde_json::from_value(event["info"]["boards"].clone()).expect("boards");
    events(project, "scenario-started").iter().map(boards).collect()
}

#[test]
fn scenarios_of_a_role_share_its_boards_and_every_report_shows_which_one_played_it() {
    let project = project(FEATURE);
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--out", "run"]);
    assert_eq!(outcome.code, 0, "{}{}", outcome.stdout, outcome.stderr);
    let bound = bound(&project);
    // The one for two boards comes first; then each board has two of the others.
    assert_eq!(bound[0], ["a", "b"]);
    let single: Vec<_> = bound[1..].iter().map(|boards| boards.join(" ")).collect();
    assert_eq!(single[..2].iter().collect::<BTreeSet<_>>().len(), 2, "{single:?}");
    assert_eq!(single.len(), 4);
    assert!(
        outcome.stdout.contains(", worker on a)") && outcome.stdout.contains(", worker on b)"),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains(", other on a, worker on b)"), "{}", outcome.stdout);
    let xml = project.read("run/junit.xml");
    for shown in [
        r#"<property name="hil.role.other" value="a"/>"#,
        r#"<property name="hil.role.worker" value="a, b"/>"#,
        // The same whichever board played it: a case must not change its name from run to run.
        r#"name="one 1" classname="f [worker]""#,
        r#"classname="f [other, worker]""#,
        "other on a, worker on b\n",
    ] {
        assert!(xml.contains(shown), "{shown}: {xml}");
    }
    assert!(project.read("run/cucumber.json").contains(r#""description":"other on a, worker on b""#));
    assert!(project.read("run/report.html").contains(r#""cast":"other on a, worker on b""#));
}

#[test]
fn a_fault_of_the_bench_is_retried_on_another_board_and_two_set_a_board_aside() {
    let project = project(MOODY);
    let deadline = ["--step-deadline", "4s", "--repeat", "3"];
    let outcome = project.hil(&[&["run", "--bench", "bench.toml", "--out", "run"], &deadline[..]].concat());
    assert_snapshot("pools-set-aside", &outcome.stable());
    assert_eq!(bound(&project), [["a"], ["b"], ["a"], ["b"], ["b"]]);
    let [aside] = &events(&project, "set-aside")[..] else { panic!("one") };
    assert_eq!((&aside["board"], aside["reasons"].as_array().map(Vec::len)), (&Value::from("a"), Some(2)));
    for (report, shown) in [
        ("summary.md", "board \\`a\\` was set aside"),
        ("junit.xml", "name=\"hil.set-aside.a\""),
        ("report.html", "board `a` was set aside"),
        ("summary.md", "suspect: `a`"),
    ] {
        assert!(project.read(&format!("run/{report}")).contains(shown), "{report}");
    }
    assert_snapshot("pools-set-aside-report", &project.hil(&["report", "run"]).stable());
}

#[test]
fn a_pool_whose_boards_are_all_set_aside_says_what_failed() {
    let project = project(MOODY);
    project.file("bench.toml", &BENCH.replace("= a ]", "!= c ]"));
    let arguments = ["--step-deadline", "300ms", "--repeat", "3"];
    let outcome = project.hil(&[&["run", "--bench", "bench.toml"], &arguments[..]].concat());
    assert_snapshot("pools-all-set-aside", &outcome.stable());
}

#[test]
fn a_board_of_the_command_line_plays_the_roles_that_it_fits() {
    let project = project(FEATURE);
    let run = ["run", "--bench", "bench.toml", "--name", "one"];
    let outcome = project.hil(&[&run[..], &["--board", "b", "--out", "run"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stdout);
    assert!(bound(&project).iter().all(|boards| boards == &["b"]));
    let dry = project.hil(&["run", "--bench", "bench.toml", "--dry-run", "--board", "b", "--name", "one 1|both"]);
    let plain = project.hil(&["run", "--bench", "bench.toml", "--dry-run", "--name", "one 1"]);
    assert!(dry.stdout.contains("[worker: b]") && plain.stdout.contains("[worker: a or b]"), "{}", dry.stdout);
}

/// The first scenario has both boards to choose from.
#[test]
fn a_seed_decides_which_board_comes_first() {
    let first = |seed: &str| {
        let project = project(FEATURE);
        let outcome = project.hil(&["run", "--bench", "bench.toml", "--out", "run", "--name", "one 1", "--seed", seed]);
        assert_eq!(outcome.code, 0, "{}", outcome.stdout);
        let started = &events(&project, "run-started")[0];
        assert_eq!(started["choice"]["seed"].to_string(), seed);
        bound(&project).concat().concat()
    };
    assert_eq!(first("0"), "a");
    let all: BTreeSet<_> = (1..8).map(|seed| first(&seed.to_string())).collect();
    assert_eq!(all.len(), 2, "each board comes first for some seed");
    assert_eq!(first("5"), first("5"));
}

#[test]
fn a_snapshot_of_a_role_is_the_same_on_every_board() {
    let project = Project::with_feature(
        "Feature: f\n  Scenario: s\n    Given the board \"device\" runs the firmware \"app\"\n    \
         And \"device\" has subscribed to \"sooko/lampu\"\n    \
         When I publish \"on\" to \"sooko/lampu\" with QoS 1\n    \
         Then the traffic of \"device\" matches the snapshot \"on\"\n",
    );
    project.file(
        "bench.toml",
        r#"
[boards.dev-1]
kind = "virtual"
tags = ["dev"]
[boards.dev-2]
kind = "virtual"
tags = ["dev"]
[roles.device]
tags = ["dev"]
[firmware.app]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}", "mqtt.client_id" = "{board.name}" }
ready = "mqtt: starting"
"#,
    );
    let run = |board: &str, update: &str| {
        let mut command = project.command(&["run", "--bench", "bench.toml", "--board", board]);
        let output = command.env("INSTA_UPDATE", update).output().expect("hil runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (code, output) = run("dev-1", "always");
    assert_eq!(code, Some(0), "{output}");
    let snapshot = project.read("features/snapshots/on.snap");
    assert!(snapshot.contains("device sends") && snapshot.contains("`device`, keep alive"), "{snapshot}");
    let (code, output) = run("dev-2", "no");
    assert_eq!(code, Some(0), "{output}");
    assert!(output.contains("device on dev-2"), "{output}");
}

#[test]
fn roles_that_no_board_can_play_are_found_before_anything_has_power() {
    let project = Project::with_feature(
        r#"Feature: f
  Scenario: none fits
    Given the board "big" runs the firmware "good"
    Then the console of "big" shows "here" within 2 s
  Scenario: no candidate is left
    Given the board "worker" runs the firmware "good"
    Then the pin "led" of "worker" is on within 1 s
  Scenario: three roles and one board
    Given the board "worker" runs the firmware "good"
    And the board "other" runs the firmware "good"
    And the board "pi" runs the firmware "good"
    Then the console of "worker" shows "here" within 2 s
  Scenario: unknown
    Given the board "wrker" runs the firmware "good"
    Then the console of "worker" shows "here" within 2 s
"#,
    );
    project.file(
        "bench.toml",
        r#"
[boards.a]
kind = "virtual"
tags = ["worker"]
pins = { led = { line = "GPIO2" } }
[boards.b]
kind = "process"
tags = ["worker", "pi"]
[firmware.good]
kind = "process"
command = ["sh", "-c", "echo here; read word"]
"#,
    );
    let roles = "[roles.worker]\ntags = [\"worker\"]\n[roles.other]\ntags = [\"worker\"]\n[roles.pi]\ntags = [\"pi\"]\n[roles.big]\nchip = \"esp32s3\"\ntags = [\"wifi\"]\n";
    project.file("hil.toml", roles);
    assert_snapshot("pools-errors", &project.hil(&["run", "--bench", "bench.toml"]).stable());
    project.file(
        "hil.toml",
        "[roles.worker]\n[roles.\"a b\"]\ntags = [\"x\"]\n[roles.lamp]\nchip = \"esp32c33\"\ntags = \"wifi\"\n[roles.big]\nkind = \"virtual\"\nchip = \"esp32s3\"\n",
    );
    assert_snapshot("pools-roles-errors", &project.hil(&["run", "--bench", "bench.toml"]).stable());
}
