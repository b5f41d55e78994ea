//! Mutated features: each is planned, or refused with a message. Nothing panics or hangs.

use std::path::Path;

use hil_config::Bench;
use hil_fuzz::{Corpus, GHERKIN_WORDS, fuzz};
use hil_scenario::{Filter, Plan, composite_steps};

/// The files of this repository's features that have this ending.
fn files(ending: &str, folder: &Path, found: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).expect("list").flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(ending, &path, found);
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(std::fs::read(&path).expect("read"));
        }
    }
}

#[test]
fn a_feature_may_hold_any_bytes() {
    let mut found = Vec::new();
    files("feature", &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../features"), &mut found);
    let steps: [&[u8]; 3] = [b"\"", b"/(/", b"| json $.a[0] | 1 |\n"];
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("one.feature");
    let (filter, bench) = (Filter::default(), Bench::builtin());
    fuzz("feature", &Corpus::new(found).with_words(GHERKIN_WORDS).with_words(steps), 200, |text| {
        std::fs::write(&path, text).expect("write");
        for bench in [None, Some(&bench)] {
            match Plan::read(std::slice::from_ref(&path), &filter, bench) {
                Ok(plan) => drop((plan.list(bench), plan.secrets())),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
        assert_eq!(std::fs::read_dir(folder.path()).expect("list").count(), 1, "nothing is written");
    });
}

/// Composite steps, those that use themselves included: a feature that uses them is planned or refused.
#[test]
fn a_file_of_composite_steps_may_hold_any_bytes() {
    let mut found = Vec::new();
    files("steps", &Path::new(env!("CARGO_MANIFEST_DIR")).join("../../features"), &mut found);
    assert!(!found.is_empty());
    let used: Vec<String> = found.iter().flat_map(|text| texts(&String::from_utf8_lossy(text))).collect();
    let steps: String = used.iter().map(|text| format!("    * {text}\n")).collect();
    let folder = tempfile::tempdir().expect("folder");
    let (feature, path) = (folder.path().join("one.feature"), folder.path().join("one.steps"));
    std::fs::write(&feature, format!("Feature: f\n  Scenario: s\n{steps}    Then \"lamp\" connects within 1 s\n"))
        .expect("write");
    let (filter, bench) = (Filter::default(), Bench::builtin());
    let words: [&[u8]; 4] = [b"Step: ", b"<board>", b"\"<board>\"", b"  * "];
    let corpus = Corpus::new(found).with_words(GHERKIN_WORDS).with_words(words);
    fuzz("composite steps", &corpus.with_words(used.iter().map(String::as_bytes)), 200, |text| {
        std::fs::write(&path, text).expect("write");
        for step in composite_steps(folder.path()) {
            assert!(regex::Regex::new(&step.pattern).is_ok(), "{step:?}");
        }
        match Plan::read(std::slice::from_ref(&feature), &filter, Some(&bench)) {
            Ok(plan) => drop((plan.list(Some(&bench)), plan.secrets())),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}

/// The texts that a file defines, with a name or a time for each argument.
fn texts(steps: &str) -> Vec<String> {
    let (quoted, bare) =
        (regex::Regex::new("\"<[^>]*>\"").expect("pattern"), regex::Regex::new("<[^>]*>").expect("pattern"));
    let defined = steps.lines().filter_map(|line| line.trim().strip_prefix("Step: "));
    defined.map(|text| bare.replace_all(&quoted.replace_all(text, "\"lamp\""), "1 s").into_owned()).collect()
}
