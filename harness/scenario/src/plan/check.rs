//! What is wrong with a feature, on any bench.

use std::path::Path;

use cucumber::gherkin::{Feature, Step, StepType};
use hil_gherkin::{Language, StepKind};

use super::problem::{Problem, Wrong};
use super::reading::reading;
use super::{arguments, below, captures, scenarios};
use crate::captured::sampled;
use crate::durations::durations_written;
use crate::quotes::skeleton;
use crate::registry::{STEPS, is_defined};
use crate::spec::StepDoc;
use crate::suggest::{Near, has_odd_quotes, near};

/// Everything that is wrong with a feature.
pub(super) fn check(feature: &Feature, language: &Language) -> Vec<Problem> {
    let path = feature.path.clone().unwrap_or_default();
    let mut problems = Vec::new();
    let backgrounds = feature.background.iter().chain(feature.rules.iter().filter_map(|rule| rule.background.as_ref()));
    for step in backgrounds.flat_map(|background| &background.steps) {
        problems.extend(check_step(&path, step, language));
    }
    for (tags, scenario) in scenarios(feature) {
        let line = scenario.position.line;
        if let Some(tag) = tags.iter().find(|tag| crate::tags::is_misspelt(tag)) {
            let what = format!("the tag `@{tag}` is not a number of retries");
            problems.push(Wrong::new(what, "write `@retry(2)`, or `@retry` for one").at(&path, line));
        }
        problems.extend(scenario.steps.iter().flat_map(|step| check_step(&path, step, language)));
        if !scenario.steps.iter().any(|step| step.ty == StepType::Then) {
            let what = format!("the scenario `{}` has no Then: it can't fail, so it must not pass", scenario.name);
            problems.push(Wrong::new(what, "add what should happen, or delete the scenario").at(&path, line));
        }
    }
    problems.extend(captures::check(feature, &path));
    problems.sort_by_key(|problem| problem.line);
    problems.dedup();
    problems
}

fn check_step(path: &Path, step: &Step, language: &Language) -> Vec<Problem> {
    let step = &sampled(step);
    let wrong = match STEPS.find(step) {
        Ok(Some(_)) => check_content(path, step),
        Ok(None) => vec![undefined(step, language)],
        Err(error) => {
            let matches: Vec<_> =
                error.possible_matches.iter().map(|(regex, _)| format!("`{}`", regex.as_str())).collect();
            let hint = format!("it matches {}", matches.join(" and "));
            vec![Wrong::new(format!("ambiguous step `{}`", step.value), hint)]
        }
    };
    wrong.into_iter().map(|wrong| wrong.at_step(path, step)).collect()
}

fn undefined(step: &Step, language: &Language) -> Wrong {
    let (keyword, text) = (step.keyword.trim(), &step.value);
    let others = [StepType::Given, StepType::When, StepType::Then].into_iter().filter(|ty| is_defined(text, *ty));
    if let Some(other) = others.into_iter().next() {
        let what = format!("the step `{text}` is a `{other:?}`, but is used as a `{:?}`", step.ty);
        let and = word(StepKind::And, language).trim_end();
        let hint = format!("write `{}{text}`; `{and}` repeats the keyword above it", word(kind(other), language));
        return Wrong::new(what, hint);
    }
    let near = near(text);
    let shown: Vec<_> = near.steps.iter().map(|step| in_language(*step, language)).collect();
    let quoting = if has_odd_quotes(text) { quoting(&near, language) } else { String::new() };
    let hint = match shown.as_slice() {
        [] => format!("`hil steps` lists all steps{quoting}"),
        near => format!("did you mean `{}`?{quoting}", near.join("` or `")),
    };
    Wrong::new(format!("undefined step `{keyword} {text}`"), hint)
}

/// A hint on quotes within a text.
fn quoting(near: &Near, language: &Language) -> String {
    let below = near.with_text.map(|step| format!(", or the text below `{}`", in_language(step, language)));
    let below = below.unwrap_or_default();
    format!(
        " Write texts in `\"…\"` or `'…'`; quotes within them: `'{{\"a\": 1}}'`, `\"{{\\\"a\\\": 1}}\"`{below}; a backslash at the end is written twice"
    )
}

/// An example, with its keyword in this language.
fn in_language(step: StepDoc, language: &Language) -> String {
    let kind = match step.keyword() {
        "Given" => StepKind::Given,
        "When" => StepKind::When,
        _ => StepKind::Then,
    };
    format!("{}{}", word(kind, language), step.text())
}

fn kind(ty: StepType) -> StepKind {
    match ty {
        StepType::Given => StepKind::Given,
        StepType::When => StepKind::When,
        StepType::Then => StepKind::Then,
    }
}

/// The usual keyword of a kind, with the space after it if the language has one.
fn word(of: StepKind, language: &Language) -> &'static str {
    language.steps().find(|(_, kind)| *kind == of).map_or("", |(word, _)| word)
}

/// What is wrong with a step that is defined.
fn check_content(path: &Path, step: &Step) -> Vec<Wrong> {
    let mut wrong: Vec<_> = durations_written(&skeleton(&step.value)).filter_map(check_duration).collect();
    if let Some(reading) = reading(step) {
        wrong.extend(arguments::check(&reading, path));
        wrong.extend(below::check(step, reading.spec.below.map(|below| below.takes)));
    }
    wrong
}

fn check_duration(text: &str) -> Option<Wrong> {
    match hil_config::parse_duration(text) {
        Err(_) => Some(Wrong::new(format!("`{text}` is too long"), "durations go up to 24 hours")),
        Ok(zero) if zero.is_zero() => {
            Some(Wrong::new(format!("a step that lasts `{text}` can't fail"), "use a time above 0"))
        }
        Ok(_) => None,
    }
}
