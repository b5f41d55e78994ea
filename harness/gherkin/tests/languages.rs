//! A feature in every language, with each of its keywords.

use hil_gherkin::{Headline, Language, StepKind, parse};

/// Every keyword of a language in one feature. Keywords for features are used in turn, because a file has only one.
fn features(language: &Language) -> impl Iterator<Item = String> {
    let words = |wanted: Headline| language.headlines().filter(move |(_, of)| *of == wanted).map(|(word, _)| word);
    let steps: Vec<_> = language.steps().map(|(word, _)| format!("      {word}x\n")).collect();
    let steps = steps.concat();
    let background = words(Headline::Background).next().unwrap_or_default();
    let backgrounds: Vec<_> = words(Headline::Background).collect();
    let scenarios: String = words(Headline::Scenario).map(|word| format!("    {word}: a\n{steps}")).collect();
    let examples: String =
        words(Headline::Examples).map(|word| format!("      {word}:\n        | x |\n        | y |\n")).collect();
    let outlines: String = words(Headline::Outline).map(|word| format!("    {word}: a\n{steps}{examples}")).collect();
    let rules: Vec<_> = words(Headline::Rule).collect();
    let rules: String = backgrounds
        .iter()
        .zip(rules.iter().cycle())
        .chain(rules.iter().map(|rule| (&background, rule)))
        .map(|(background, rule)| format!("  {rule}: r\n    {background}:\n{steps}{scenarios}{outlines}"))
        .collect();
    let code = language.code();
    words(Headline::Feature)
        .map(move |word| format!("# language: {code}\n{word}: f\n  {background}:\n{steps}{scenarios}{outlines}{rules}"))
        .collect::<Vec<_>>()
        .into_iter()
}

#[test]
fn every_keyword_of_every_language_is_read() {
    for language in Language::all() {
        for source in features(language) {
            let document = parse(&source).unwrap_or_else(|faults| panic!("{}: {faults:?}\n{source}", language.code()));
            let feature = document.feature.expect("a feature");
            assert_eq!((document.language.as_str(), feature.heading.name.as_str()), (language.code(), "f"));
            let keywords = language.steps().count();
            let count = |wanted: Headline| language.headlines().filter(|(_, of)| *of == wanted).count();
            assert_eq!(feature.background.as_ref().map(|background| background.steps.len()), Some(keywords));
            assert_eq!(feature.rules.len(), count(Headline::Rule) + count(Headline::Background));
            for scenarios in feature.rules.iter().map(|rule| &rule.scenarios).chain([&feature.scenarios]) {
                assert_eq!(scenarios.len(), count(Headline::Scenario) + count(Headline::Outline), "{source}");
                let outlines = scenarios.iter().filter(|scenario| scenario.outline);
                assert!(outlines.clone().all(|outline| outline.examples.len() == count(Headline::Examples)));
                assert_eq!(outlines.count(), count(Headline::Outline));
                for scenario in scenarios {
                    let read: Vec<_> = scenario.steps.iter().map(|step| (step.kind, step.keyword.as_str())).collect();
                    let written: Vec<_> = language.steps().map(|(word, kind)| (kind, word)).collect();
                    assert_eq!(read, written, "{}", language.code());
                }
            }
        }
    }
}

#[test]
fn every_language_has_a_step_of_each_kind_of_its_own() {
    for language in Language::all() {
        for kind in [StepKind::Given, StepKind::When, StepKind::Then, StepKind::And] {
            let word = language.steps().find(|(_, of)| *of == kind).map(|(word, _)| word).unwrap_or_default();
            assert!(!word.trim().is_empty() && word != "* ", "{}: {kind:?}", language.code());
        }
    }
}
