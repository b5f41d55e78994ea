//! Steps that are made of other steps. `features/mqtt/composite.feature` has what passes.

use crate::support::{Project, assert_snapshot};

const STEPS: &str = "\
# The lamp.

Step: the lamp \"<board>\" is ready
  Starts it and waits for its subscription.
  Given the board \"<board>\" runs the firmware \"lamp\"
  And \"<board>\" has subscribed to \"sooko/lampu\"

Step: the lamp \"<board>\" answers \"<answer>\" within <time>
  When I publish \"on\" to \"sooko/lampu\"
  Then \"<board>\" publishes \"<answer>\" to \"loger\" within <time>
";

const FEATURE: &str = "\
Feature: f
  Scenario: s
    Given the lamp \"lamp\" is ready
    Then the lamp \"lamp\" answers \"saya mati\" within 300 ms
";

fn project(feature: &str, steps: &str) -> Project {
    let project = Project::with_feature(feature);
    project.file("features/lamp.steps", steps);
    project
}

#[test]
fn a_failure_in_a_composite_step_names_both_places() {
    let outcome = project(FEATURE, STEPS).hil(&["run", "--out", "out"]);
    assert_eq!(outcome.code, 100, "{outcome:?}");
    assert_snapshot("composite-failure", &outcome.stable());
    let project = project(&FEATURE.replace("mati", "hidup"), STEPS);
    let outcome = project.hil(&["run", "--out", "out"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let events = project.read("out/events.jsonl");
    let part = r#""part_of":{"step":"the lamp \"lamp\" is ready","file":"features/lamp.steps","part_line":5}"#;
    assert!(events.contains(part), "{events}");
}

/// A file of steps counts for the features of its folder and those below it, up to `features`.
#[test]
fn a_file_of_steps_counts_for_the_features_beside_and_below_it() {
    let project = Project::new();
    project.file("features/lamp.steps", STEPS);
    project.file("features/a/b/one.feature", FEATURE);
    assert_eq!(project.hil(&["lint"]).code, 0);
    project.file("features/other/two.steps", "Step: it is lit\n  Then the pin \"led\" of \"lamp\" is on within 1 s\n");
    project.file("features/a/b/one.feature", &format!("{FEATURE}    And it is lit\n"));
    let outcome = project.hil(&["lint"]);
    assert_eq!(outcome.code, 96, "it is in another folder: {outcome:?}");
}

#[test]
fn what_is_wrong_with_composite_steps_is_explained() {
    let cases = [
        ("a wrong argument", FEATURE.replace("300 ms", "0 s"), STEPS.to_owned()),
        ("an unknown board", FEATURE.replace("the lamp \"lamp\" is", "the lamp \"lamb\" is"), STEPS.to_owned()),
        ("a table below it", FEATURE.replace("is ready", "is ready\n      | a |"), STEPS.to_owned()),
        ("an undefined part", FEATURE.to_owned(), STEPS.replace("has subscribed", "has subcribed")),
        (
            "it uses itself",
            FEATURE.to_owned(),
            STEPS.replace("  And \"<board>\" has", "  Given the lamp \"<board>\" is started\n  And \"<board>\" has")
                + "\nStep: the lamp \"<board>\" is started\n  Given the lamp \"<board>\" is ready\n",
        ),
        ("it is built in", FEATURE.to_owned(), format!("{STEPS}\nStep: \"<x>\" is connected\n  When I wait 1 s\n")),
        (
            "it is there twice",
            FEATURE.to_owned(),
            format!("{STEPS}\nStep: the lamp \"<x>\" is ready\n  When I wait 1 s\n"),
        ),
        ("no steps", FEATURE.to_owned(), format!("{STEPS}\nStep: nothing happens\n")),
        ("no Gherkin", FEATURE.to_owned(), format!("{STEPS}\nStp: nothing happens\n")),
        (
            "an argument without a name",
            FEATURE.to_owned(),
            STEPS.replace("within <time>\n  When", "within <answer>\n  When"),
        ),
        ("examples", FEATURE.to_owned(), format!("{STEPS}\n  Examples:\n    | a |\n    | b |\n")),
        ("a background", FEATURE.to_owned(), format!("Background:\n  Given the broker stops\n{STEPS}")),
    ];
    let mut shown = String::new();
    for (name, feature, steps) in cases {
        let project = project(&feature, &steps);
        project.file("bench.toml", "[boards.lamp]\nkind = \"virtual\"\n\n[firmware.lamp]\nimage = \"builtin:lamp\"\n");
        let outcome = project.hil(&["lint", "--bench", "bench.toml"]);
        assert_eq!(outcome.code, 96, "{name}: {outcome:?}");
        shown += &format!("# {name}\n{}\n", outcome.stderr.trim_end());
    }
    assert_snapshot("composite-wrong", &shown);
}

#[test]
fn hil_steps_lists_composite_steps() {
    let project = project(FEATURE, STEPS);
    let outcome = project.hil(&["steps", "subscription", "lamp", "ready"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_snapshot("composite-listed", &outcome.stdout);
    let json = project.hil(&["steps", "composite", "--format", "json"]);
    let steps: Vec<serde_json::Value> = serde_json::from_str(&json.stdout).expect("JSON");
    let arguments: Vec<_> = steps.iter().map(|step| step["arguments"].clone()).collect();
    assert_eq!(arguments, [serde_json::json!(["board"]), serde_json::json!(["board", "answer", "time"])]);
}

/// The parts and the texts may be in any language of Gherkin.
#[test]
fn a_file_of_steps_may_be_in_another_language() {
    let feature = "# language: de\nFunktionalität: f\n  Szenario: s\n    Angenommen die Lampe ist bereit\n    Dann \"lamp\" connects within 10 s\n";
    let steps =
        "# language: de\n\nStep: die Lampe ist bereit\n  Angenommen the board \"lamp\" runs the firmware \"lamp\"\n";
    let outcome = project(feature, steps).hil(&["lint"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
}

/// Those of a folder of another name, and those that a feature or a folder below it may use.
#[test]
fn hil_steps_lists_the_composite_steps_of_named_features() {
    let project = Project::new();
    let step =
        |name: &str| format!("Step: the lamp {name} is ready\n  Given the board \"lamp\" runs the firmware \"lamp\"\n");
    project.file("tests/hil/one.steps", &step("one"));
    project.file("tests/hil/deep/two.steps", &step("two"));
    project.file("features/three.steps", &step("three"));
    project.file("features/lamp/four.steps", &step("four"));
    project.file("features/lamp/a.feature", "Feature: f\n");
    let listed = |more: &[&str]| {
        let outcome = project.hil(&[&["steps", "composite", "--format", "json"], more].concat());
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let steps: Vec<serde_json::Value> = serde_json::from_str(&outcome.stdout).expect("JSON");
        let name = |step: &serde_json::Value| {
            step["example"].as_str().and_then(|text| text.split(' ').nth(3)).map(str::to_owned)
        };
        steps.iter().filter_map(name).collect::<Vec<_>>()
    };
    assert_eq!(listed(&[]), ["four", "three"]);
    assert_eq!(listed(&["--features", "tests/hil"]), ["two", "one"]);
    assert_eq!(listed(&["--features", "features/lamp"]), ["four", "three"]);
    assert_eq!(
        listed(&["--features", "features/lamp/a.feature", "--features", "tests/hil/deep"]),
        ["four", "three", "two"]
    );
    let missing = project.hil(&["steps", "--features", "nowhere"]);
    assert_eq!((missing.code, missing.stdout.as_str()), (96, ""), "{missing:?}");
    assert_snapshot("composite-nowhere", &missing.stderr);
}
