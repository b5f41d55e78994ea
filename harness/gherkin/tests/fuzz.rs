//! Mutated features are parsed, or rejected with an error and its line. Nothing panics or hangs.

use hil_fuzz::{Corpus, GHERKIN_WORDS, fuzz};

#[test]
fn a_feature_may_hold_any_bytes() {
    let seeds = [
        "Feature: f\n  Background:\n    Given a\n  @t\n  Scenario Outline: s <x>\n    When b\n      | <x> | \\| |\n    Then c\n      \"\"\"json\n      {}\n      \"\"\"\n    Examples:\n      | x |\n      | 1 |\n  Rule: r\n    Scenario: t\n      * d\n",
        "# language: zh-CN\n功能: f\n  场景: s\n    当a\n    那么b\n",
    ];
    let corpus = Corpus::new(seeds.map(|seed| seed.as_bytes().to_vec()).to_vec()).with_words(GHERKIN_WORDS);
    fuzz("gherkin", &corpus, 2000, |text| {
        let text = String::from_utf8_lossy(text);
        let lines = text.lines().count().max(1);
        match hil_gherkin::parse(&text) {
            Ok(document) => {
                for scenario in document.feature.iter().flat_map(|feature| &feature.scenarios) {
                    assert!(scenario.heading.start <= scenario.heading.line && scenario.heading.line <= lines);
                    assert!(scenario.cases().all(|case| case.line <= lines));
                }
            }
            Err(faults) => {
                assert!(!faults.is_empty());
                assert!(faults.iter().all(|fault| (1..=lines).contains(&fault.line)), "{faults:?}");
            }
        }
    });
}
