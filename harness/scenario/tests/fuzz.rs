//! Mutated features: each is planned, or refused with a message. Nothing panics or hangs.

use std::path::Path;

use hil_config::Bench;
use hil_fuzz::{Corpus, GHERKIN_WORDS, fuzz};
use hil_scenario::{Filter, Plan};

/// The features of this repository.
fn features(folder: &Path, found: &mut Vec<Vec<u8>>) {
    let mut entries: Vec<_> = std::fs::read_dir(folder).expect("list").flatten().map(|entry| entry.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            features(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "feature") {
            found.push(std::fs::read(&path).expect("read"));
        }
    }
}

#[test]
fn a_feature_may_hold_any_bytes() {
    let mut found = Vec::new();
    features(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../features"), &mut found);
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
