//! `hil steps`.

use crate::support::{Project, assert_snapshot};

#[test]
fn words_select_steps_by_text_subject_and_description() {
    let project = Project::new();
    let listed = |words: &[&str]| project.hil(&[&["steps"], words].concat());
    let all = listed(&[]);
    let (some, fewer) = (listed(&["gauge"]), listed(&["GAUGE", "reconnects"]));
    assert_eq!((all.code, some.code, fewer.code), (0, 0, 0));
    assert!(all.stdout.len() > 4 * some.stdout.len() && some.stdout.len() > 2 * fewer.stdout.len());
    assert_snapshot("steps-of-words", &fewer.stdout);
    let table = listed(&["one message matches every row"]).stdout;
    assert!(table.contains("| QoS ") && table.contains("json PATH"), "its table and its fields: {table}");
    let none = listed(&["telepathy"]);
    assert_eq!(none.code, 4, "{none:?}");
    assert_eq!(none.stderr, "no step has `telepathy`; `hil steps` lists all steps\n");
}

/// Editors find steps by these patterns.
#[test]
fn each_step_has_a_pattern_that_matches_its_example() {
    let outcome = Project::new().hil(&["steps", "--format", "json"]);
    let steps: Vec<serde_json::Value> = serde_json::from_str(&outcome.stdout).expect("JSON");
    assert!(steps.len() > 100);
    let text = |step: &serde_json::Value, key: &str| step[key].as_str().expect(key).to_owned();
    for step in &steps {
        let pattern = regex::Regex::new(&text(step, "pattern")).expect("a regular expression");
        let example = text(step, "example");
        let (_, of) = example.split_once(' ').expect("a keyword");
        let found = pattern.captures(of).unwrap_or_else(|| panic!("{example}"));
        assert_eq!(found.len() - 1, step["arguments"].as_array().expect("arguments").len(), "{example}");
    }
    let with = steps.iter().find(|step| text(step, "example").ends_with("within 2 s with:")).expect("a step");
    assert_eq!(with["below"]["columns"], serde_json::json!(["field", "value"]));
}
