//! Steps about updates: what must fail, and what the bench file may not say. `features/update` has what passes,
//! `faulty.rs` what faulty firmware does.

use crate::support::{Outcome, Project, assert_snapshot};

/// A native lamp in one version, and others that it does not run.
const BENCH: &str = r#"[boards.lamp]
kind = "virtual"
connects-within = "1 s"

[firmware.app-1]
image = "builtin:lamp"
nvs = { "mqtt.host" = "{tap.host}", "mqtt.port" = "{tap.port}" }
ready = "mqtt: starting"

[firmware.app-2]
extends = "app-1"
image = "builtin:lamp-no-will"

[firmware.twin]
extends = "app-1"

[firmware.published]
extends = "app-2"
version-topic = "lamp/version"
"#;

fn run(steps: &[(&str, &str)]) -> Outcome {
    let mut text = "Feature: updates\n".to_owned();
    for (name, step) in steps {
        text.push_str(&format!(
            "  Scenario: {name}\n    Given the board \"lamp\" runs the firmware \"app-1\"\n    {step}\n"
        ));
    }
    let project = Project::with_feature(&text);
    project.file("bench.toml", BENCH);
    project.hil(&["run", "--bench", "bench.toml", "--bench-retries", "0"])
}

fn after_a_cut(step: &str) -> String {
    format!("When the power of \"lamp\" is cut\n    Then {step}")
}

#[test]
fn a_board_that_does_not_do_what_a_step_says_fails_and_says_what_it_runs() {
    let outcome = run(&[
        ("another version", r#"Then "lamp" runs the firmware "app-2" within 300 ms"#),
        ("a version that it does not publish", r#"Then "lamp" runs the firmware "published" within 300 ms"#),
        ("still another version", r#"Then "lamp" still runs the firmware "app-2" for 300 ms"#),
        (
            "back by a flash",
            "Given the board \"lamp\" runs the firmware \"app-2\"\n    And the board \"lamp\" runs the firmware \"app-1\"\n    \
             Then \"lamp\" has gone back to the firmware \"app-1\" within 300 ms",
        ),
        ("back from nowhere", r#"Then "lamp" has gone back to the firmware "app-1" within 300 ms"#),
        (
            "nothing loaded",
            "Given the update \"app-2\" is offered\n    When \"lamp\" has loaded 60 % of the update \"app-2\"\n    \
             Then \"lamp\" runs the firmware \"app-2\" within 1 s",
        ),
        (
            "an update that it does not take",
            r#"Then "lamp" survives 2 resets in its update from "app-1" to "app-2" within 1 s"#,
        ),
    ]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert!(outcome.verdicts().iter().all(|(word, _)| word == "failed"), "{outcome:?}");
    assert_snapshot("updates-must-fail", &outcome.stable());
}

#[test]
fn a_step_that_can_not_tell_is_errored_and_what_holds_passes() {
    let outcome = run(&[
        ("the same version", r#"Then "lamp" survives 2 resets in its update from "app-1" to "twin" within 1 s"#),
        ("a twin that may run instead", r#"Then "lamp" runs the firmware "twin" within 1 s"#),
        ("what ran before a cut", &after_a_cut(r#""lamp" runs the firmware "app-1" within 300 ms"#)),
        ("still, without power", &after_a_cut(r#""lamp" still runs the firmware "app-1" for 300 ms"#)),
        ("back, without power", &after_a_cut(r#""lamp" has gone back to the firmware "app-1" within 300 ms"#)),
        ("the slot before a cut", &after_a_cut(r#"the slot of "lamp" is "factory""#)),
        ("no such slot", r#"Then the slot of "lamp" is "ota_1""#),
        ("it runs that already", r#"Then "lamp" runs the firmware "app-1" within 1 s"#),
        ("its slot after a reset", "When the board \"lamp\" is reset\n    Then the slot of \"lamp\" is \"factory\""),
        ("its slot", r#"Then the slot of "lamp" is "factory""#),
    ]);
    let words: Vec<_> = outcome.verdicts().into_iter().map(|(word, _)| word).collect();
    assert_eq!(words, [["errored"; 7].as_slice(), &["passed"; 3]].concat(), "{outcome:?}");
    assert_snapshot("updates-errored", &outcome.stable());
}

#[test]
fn a_version_and_a_table_that_do_not_fit_are_refused_before_anything_has_power() {
    let project = Project::with_feature(
        "Feature: updates\n  Scenario: any\n    Given the board \"lamp\" runs the firmware \"app\"\n    Then \"lamp\" connects within 1 s\n",
    );
    let bench = |firmware: &str| {
        let bench = format!("[boards.lamp]\nkind = \"virtual\"\n\n[firmware.app]\n{firmware}\n");
        project.file("bench.toml", &bench);
        let outcome = project.hil(&["run", "--bench", "bench.toml"]);
        assert_eq!(outcome.code, 96, "{outcome:?}");
        outcome.stderr
    };
    let too_long = format!("version = \"{}\"", "1".repeat(32));
    let refused = [
        "image = \"builtin:lamp-esp32c3\"\npartitions = \"builtin:three\"",
        &format!("image = \"builtin:lamp-esp32c3\"\n{too_long}"),
        "image = \"builtin:lamp-esp32c3\"\nversion = \"\"",
        "image = \"builtin:lamp\"\nversion = \"2.0.0\"",
        "image = \"builtin:lamp\"\nversion-topic = \"lamp/#\"",
    ]
    .map(bench);
    assert_snapshot("updates-refused", &refused.join("\n"));
}
