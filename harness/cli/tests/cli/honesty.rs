//! A passed run must prove something.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Printed, Project, assert_snapshot, workspace};

const CONNECTED: &str =
    "Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" has subscribed to \"sooko/lampu\"";

fn scenario(steps: &str) -> String {
    format!("Feature: f\n  Scenario: s\n    {}\n", steps.replace("CONNECTED", CONNECTED))
}

#[test]
fn a_run_that_passes_leaves_its_reports() {
    let project = Project::with_feature(&scenario("CONNECTED\n    Then the pin \"led\" of \"lamp\" is off within 1 s"));
    let outcome = project.hil(&["run"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_snapshot("passes", &outcome.stable());
    for file in ["events.jsonl", "junit.xml", "console-lamp.log"] {
        assert!(!project.read(&format!("target/hil/latest/{file}")).is_empty());
    }
    assert!(!outcome.stdout.contains('\u{1b}'), "no colour where there is no terminal");
    let again = project.hil(&["report"]);
    assert_eq!((again.code, again.verdicts()), (0, outcome.verdicts()));
}

#[test]
fn a_run_in_which_nothing_ran_does_not_pass() {
    let project = Project::with_feature(&scenario("CONNECTED\n    Then \"lamp\" connects within 1 s"));
    for (name, arguments) in [
        ("nothing-matches", &["run", "--name", "no such scenario"][..]),
        ("nothing-matches-tags", &["run", "--tags", "@nowhere"]),
    ] {
        let outcome = project.hil(arguments);
        assert_eq!(outcome.code, 4);
        assert_snapshot(name, &outcome.stable());
    }
    project.file("features/one.feature", "Feature: f\n");
    assert_eq!(project.hil(&["run"]).code, 4, "an empty feature");
    project
        .file("features/one.feature", &format!("@requires:relay\n{}", scenario("Then \"lamp\" connects within 1 s")));
    let outcome = project.hil(&["run"]);
    assert_eq!(outcome.code, 4, "all skipped: {outcome:?}");
    assert_snapshot("all-skipped", &outcome.stable());
}

#[test]
fn two_identical_thens_need_two_messages() {
    let publishes = "Then \"lamp\" publishes \"saya hidup\" to \"loger\" within 1 s";
    let once =
        scenario(&format!("CONNECTED\n    When I publish \"on\" to \"sooko/lampu\"\n    {publishes}\n    {publishes}"));
    let outcome = Project::with_feature(&once).hil(&["run"]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert!(outcome.stdout.contains("features/one.feature:7"), "the second one fails: {}", outcome.stdout);
    let twice = once.replace(
        "When I publish \"on\" to \"sooko/lampu\"",
        "When I publish to \"sooko/lampu\" with QoS 1, one after another:\n      | on |\n      | on |",
    );
    assert_eq!(Project::with_feature(&twice).hil(&["run"]).code, 0);
}

#[test]
fn a_dead_board_does_not_pass_a_negative_step() {
    let dead = "Given the board \"lamp\" is flashed with the firmware \"lamp-corrupt\"\n    Then \"lamp\" does not publish to \"loger\" for 1 s";
    let outcome = Project::with_feature(&scenario(dead)).hil(&["run"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert_snapshot("dead-board", &outcome.stable());
    let silenced =
        "CONNECTED\n    When the power of \"lamp\" is cut\n    Then \"lamp\" does not publish to \"loger\" for 1 s";
    assert_eq!(Project::with_feature(&scenario(silenced)).hil(&["run"]).code, 0, "silenced on purpose");
}

#[test]
fn a_board_that_runs_without_power_is_a_bench_fault() {
    let project = Project::with_feature(&scenario(
        "Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" is connected\n    When the power of \"lamp\" is cut\n    Then no will of \"lamp\" is published for 4 s",
    ));
    project.file("bench.toml", &bench("never-powers-off"));
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert!(outcome.stdout.contains("the power of `lamp` was cut, but it kept printing"), "{}", outcome.stdout);
}

#[test]
fn a_short_cut_that_took_no_power_is_noticed() {
    let project = Project::with_feature(&scenario(
        "CONNECTED\n    When the power of \"lamp\" is cut for 200 ms\n    Then \"lamp\" does not reboot for 100 ms",
    ));
    project.file("bench.toml", &bench("never-powers-off"));
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert!(outcome.stdout.contains("it did not boot"), "{}", outcome.stdout);
    assert_eq!(project.hil(&["run", "--bench", "builtin"]).code, 0, "a real cut is one");
}

#[test]
fn a_reset_board_is_not_connected_until_it_is() {
    let reset =
        "CONNECTED\n    When the board \"lamp\" is reset\n    Then \"lamp\" does not publish to \"loger\" for 1 s";
    let outcome = Project::with_feature(&scenario(reset)).hil(&["run"]);
    assert_eq!(outcome.code, 102, "it could not have spoken: {outcome:?}");
    let again = "CONNECTED\n    When the board \"lamp\" is reset\n    Given \"lamp\" has subscribed to \"sooko/lampu\"\n    When I publish \"on\" to \"sooko/lampu\" with QoS 1\n    Then \"lamp\" acknowledges the message within 500 ms";
    assert_eq!(Project::with_feature(&scenario(again)).hil(&["run"]).code, 0, "it waited for the new session");
}

#[test]
fn each_delivery_and_each_change_of_a_pin_satisfies_one_step() {
    let receives = "Then \"lamp\" receives \"on\" on \"sooko/lampu\" within 500 ms";
    let steps =
        format!("CONNECTED\n    When I publish \"on\" to \"sooko/lampu\" with QoS 1\n    {receives}\n    {receives}");
    assert_eq!(Project::with_feature(&scenario(&steps)).hil(&["run"]).code, 100);
    let pin = |level: &str| format!("\n    And the pin \"led\" of \"lamp\" is {level} within 500 ms");
    let pulse = "CONNECTED\n    When I publish to \"sooko/lampu\" with QoS 1, one after another:\n      | on |\n      | off |\n    Then \"lamp\" publishes \"saya mati\" to \"loger\" within 1 s";
    let seen = format!("{pulse}{}{}{}", pin("on"), pin("on"), pin("off"));
    assert_eq!(Project::with_feature(&scenario(&seen)).hil(&["run"]).code, 0);
    let twice = format!("{pulse}{}{}{}", pin("on"), pin("off"), pin("on"));
    assert_eq!(Project::with_feature(&scenario(&twice)).hil(&["run"]).code, 100);
}

fn bench(misbehaviour: &str) -> String {
    format!(
        "[boards.lamp]\nkind = \"virtual\"\nmisbehaves = [\"{misbehaviour}\"]\noff-time = \"100ms\"\n\n[firmware.lamp]\nimage = \"builtin:lamp\"\nready = \"mqtt: starting\"\nnvs = {{ \"mqtt.host\" = \"{{tap.host}}\", \"mqtt.port\" = \"{{tap.port}}\" }}\n"
    )
}

#[test]
fn a_silent_board_is_errored_soon_and_later_errors_name_it_as_the_cause() {
    let one = "Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 1 s";
    let two = scenario(one).replace("Feature: f\n", "").replace("Scenario: s", "Scenario: t");
    let project = Project::with_feature(&format!("{}{two}", scenario(one)));
    project.file("bench.toml", &bench("mute"));
    let start = Instant::now();
    let outcome = project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"]);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert_snapshot("mute-board", &outcome.stable());
}

#[test]
fn faults_of_boards_are_distinguished() {
    let steps = scenario("Given the board \"lamp\" runs the firmware \"lamp\"\n    Then \"lamp\" connects within 5 s");
    for (misbehaviour, code) in [
        ("wrong-chip", 102),
        ("flash-encrypted", 102),
        ("secure-download", 102),
        ("flash-bit-flip", 102),
        ("port-vanishes", 102),
        ("boot-loop", 100),
        ("brown-out", 100),
    ] {
        let project = Project::with_feature(&steps);
        project.file("bench.toml", &bench(misbehaviour));
        let outcome = project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"]);
        assert_eq!(outcome.code, code, "{misbehaviour}: {outcome:?}");
        assert_snapshot(misbehaviour, &outcome.stable());
    }
}

#[test]
fn steps_that_nothing_has_prepared_are_errored() {
    let cases = [
        ("already-off", "When the power of \"lamp\" is cut"),
        ("not-started", "Then the pin \"led\" of \"lamp\" is off within 1 s"),
    ];
    for (name, steps) in cases {
        let project = Project::with_feature(&scenario(&format!("{steps}\n    Then \"lamp\" connects within 1 s")));
        let outcome = project.hil(&["run"]);
        assert_eq!(outcome.code, 102, "{name}: {outcome:?}");
        assert_snapshot(name, &outcome.stable());
    }
}

/// Real boards take up to 4 s to join a network, and each chip names its reset causes differently.
#[test]
fn the_features_of_boards_keep_limits_that_silicon_holds() {
    let limit = regex::Regex::new(
        r#"(?:\bconnects|\bsubscribes|\bconnects over "[^"]*"|is refused with code \S+|, retained,) within (\d+) (ms|s|min)\b"#,
    );
    let (limit, mut found) = (limit.expect("regex"), 0);
    for folder in ["lamp", "micropython-lamp", "two-lamps", "mqtt"] {
        for entry in std::fs::read_dir(workspace().join("features").join(folder)).expect("folder").flatten() {
            // A folder holds snapshots of the features beside it.
            let Ok(text) = std::fs::read_to_string(entry.path()) else { continue };
            for word in ["rst:0x", "POWERON", "_RST", "_RESET"] {
                assert!(!text.contains(word), "{} knows one chip's ROM: {word}", entry.path().display());
            }
            for line in text.lines() {
                let Some(captures) = limit.captures(line) else { continue };
                let generous = &captures[2] != "ms" && captures[1].parse::<u32>().is_ok_and(|seconds| seconds >= 10);
                assert!(generous, "{}: {line}", entry.path().display());
                found += 1;
            }
        }
    }
    assert!(found > 50, "the limits are written otherwise: {found}");
}

#[test]
fn a_scenario_is_isolated_from_the_one_before_it() {
    let started = scenario("CONNECTED\n    Then \"lamp\" does not reboot for 100 ms");
    let relies =
        scenario("Given \"lamp\" has subscribed to \"sooko/lampu\"\n    Then \"lamp\" does not reboot for 100 ms");
    let both = format!("{started}{}", relies.replace("Feature: f\n", "").replace("Scenario: s", "Scenario: t"));
    let outcome = Project::with_feature(&both).hil(&["run"]);
    let words: Vec<_> = outcome.verdicts().into_iter().map(|(word, _)| word).collect();
    assert_eq!((outcome.code, words), (102, vec!["passed".to_owned(), "errored".to_owned()]), "{}", outcome.stdout);
}

#[test]
fn a_filter_in_a_then_is_a_filter() {
    let steps =
        |then: &str| scenario(&format!("CONNECTED\n    When I publish \"on\" to \"sooko/lampu\"\n    Then {then}"));
    let publishes = steps("\"lamp\" publishes \"saya hidup\" to \"+\" within 1 s");
    assert_eq!(Project::with_feature(&publishes).hil(&["run"]).code, 0);
    let does_not = steps("\"lamp\" does not publish to \"#\" for 1 s");
    assert_eq!(Project::with_feature(&does_not).hil(&["run"]).code, 100);
}

#[test]
fn a_failure_that_a_live_rail_explains_is_the_benchs() {
    let project = Project::with_feature(&scenario(
        "CONNECTED\n    When the power of \"lamp\" is cut\n    Then the will of \"lamp\" is published on \"sooko/status\"",
    ));
    project.file("bench.toml", &bench("never-powers-off"));
    let outcome = project.hil(&["run", "--bench", "bench.toml"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
}

#[test]
fn deadlines_end_what_hangs() {
    let project = Project::with_feature(&scenario(
        "CONNECTED\n    When the network of \"lamp\" goes silent for 900 s\n    Then \"lamp\" connects within 1 s",
    ));
    let outcome = project.hil(&["run", "--scenario-deadline", "2s"]);
    assert_eq!(outcome.code, 102, "{outcome:?}");
    assert!(outcome.stdout.contains("the scenario deadline passed while this step ran"), "{}", outcome.stdout);
    let outcome = project.hil(&["run", "--deadline", "2s"]);
    assert_eq!((outcome.code, outcome.verdicts()[0].0.as_str()), (130, "aborted"), "{outcome:?}");
}

#[test]
fn scenarios_on_different_boards_overlap_and_on_one_board_they_do_not() {
    let wait = |board: &str, n: u32| {
        format!(
            "  Scenario: {board} {n}\n    Given the board \"{board}\" runs the firmware \"lamp\"\n    And \"{board}\" is connected\n    When the network of \"{board}\" goes silent for 2 s\n    Then \"{board}\" does not reboot for 1 s\n"
        )
    };
    let project =
        Project::with_feature(&format!("Feature: f\n{}{}{}", wait("lamp", 1), wait("lamp-2", 1), wait("lamp", 2)));
    let outcome = project.hil(&["run", "--format", "json"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let events = hil_timeline::read_events(&project.path("target/hil/latest/events.jsonl")).expect("events");
    let span = |name: &str| {
        let id = events.iter().find_map(|event| match &event.what {
            hil_timeline::What::ScenarioStarted { info, .. } if info.name == name => event.scenario,
            _ => None,
        });
        let mine: Vec<_> = events.iter().filter(|event| event.scenario == id).map(|event| event.at).collect();
        (mine[0], mine[mine.len() - 1])
    };
    let (one, other, second) = (span("lamp 1"), span("lamp-2 1"), span("lamp 2"));
    assert!(one.0 < other.1 && other.0 < one.1, "different boards overlap: {one:?} {other:?}");
    assert!(one.1 <= second.0 || second.1 <= one.0, "one board is used by one: {one:?} {second:?}");
    let json: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert_eq!(json["scenarios"].as_array().map(Vec::len), Some(3));
}

/// The embedded broker stands still with `hil`: its will is late, which is not the firmware's fault.
#[test]
fn a_machine_that_stands_still_is_reported_and_is_not_the_lamps_fault() {
    let will = "  Scenario: will\n    Given the board \"lamp\" runs the firmware \"lamp\"\n    And \"lamp\" has subscribed to \"sooko/lampu\"\n    When the power of \"lamp\" is cut\n    Then the will of \"lamp\" is published on \"sooko/status\"\n";
    let silent = "  Scenario: silent\n    Given the board \"lamp-2\" runs the firmware \"lamp\"\n    Then \"lamp-2\" publishes \"nonsense\" to \"x\" within 6 s\n";
    let project = Project::with_feature(&format!("Feature: f\n{will}{silent}"));
    let mut hil = project.command(&["run", "-vv"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("hil");
    let printed = Printed::by(&mut hil);
    let stop = |span| {
        kill_process(Pid::from_child(&hil), Signal::STOP).expect("stop");
        // For as long as it stands still.
        std::thread::sleep(span);
        kill_process(Pid::from_child(&hil), Signal::CONT).expect("go on");
    };
    printed.wait_for(&["lamp power off", "lamp-2 -> SUBSCRIBE"]);
    stop(Duration::from_millis(300));
    printed.wait_for(&["this machine stalled for "]);
    // Until after the last moment at which the broker may publish the will: keep alive 5 s.
    stop(Duration::from_millis(8500));
    printed.wait_for(&[" passed  features/one.feature:2  will"]);
    assert_eq!(hil.wait().expect("ends").code(), Some(100), "one passed, one failed");
}
