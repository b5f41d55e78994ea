//! Whether each captured value that a step asks for is captured before it.

use std::collections::BTreeSet;
use std::path::Path;

use cucumber::gherkin::{Feature, Step};
use hil_config::nearest;
use hil_verdict::{MessageMatch, TextPattern};

use super::each_scenario;
use super::needs::steps_of;
use super::problem::{Problem, Wrong};
use super::reading::reading;
use crate::captured::asked;
use crate::registry::STEPS;
use crate::spec::{Kind, Reading};

/// Everything that is asked for, but not captured by an earlier step of the scenario.
pub(super) fn check(feature: &Feature, path: &Path) -> Vec<Problem> {
    each_scenario(feature).flat_map(|(rule, scenario)| in_scenario(&steps_of(feature, rule, scenario), path)).collect()
}

fn in_scenario(steps: &[&Step], path: &Path) -> Vec<Problem> {
    let (mut known, mut later) = (BTreeSet::new(), Vec::new());
    let mut gauges = BTreeSet::new();
    let mut problems = Vec::new();
    for (n, step) in steps.iter().enumerate() {
        let missing = asked(step).into_iter().find(|name| !known.contains(name));
        if let Some(name) = missing {
            later.extend(steps[n..].iter().flat_map(|step| captured_by(step)));
            problems.push(not_captured(&name, &known, &later).at_step(path, step));
        }
        // A step of one's own may capture anything.
        if reading(step).is_none() && matches!(STEPS.find(step), Ok(Some(_))) {
            return problems;
        }
        known.extend(captured_by(step));
        if let Some(reading) = reading(step) {
            problems.extend(check_gauge(&reading, &mut gauges).map(|wrong| wrong.at_step(path, step)));
        }
    }
    problems
}

/// Whether the gauge that a step asks about is made by it or an earlier step.
fn check_gauge(reading: &Reading, known: &mut BTreeSet<(String, String)>) -> Option<Wrong> {
    let board = reading.boards().next()?.to_owned();
    let shown = reading.all(Kind::Shown).filter_map(|text| TextPattern::parse(text).ok());
    let groups: Vec<_> = shown.flat_map(|pattern| pattern.names().map(str::to_owned).collect::<Vec<_>>()).collect();
    let made = reading.first(Kind::Gauge).filter(|_| makes_gauge(reading)).map(str::to_owned);
    known.extend(groups.into_iter().chain(made).map(|name| (board.clone(), name)));
    let name = reading.first(Kind::Gauge)?;
    if known.contains(&(board.clone(), name.to_owned())) {
        return None;
    }
    let others = known.iter().filter(|(of, _)| *of == board).map(|(_, name)| name.as_str());
    let hint = match nearest(name, others) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "make it first: `Given the gauge \"{name}\" of \"{board}\" is \"/{name}: (?<{name}>\\d+)/\" on its console`"
        ),
    };
    Some(Wrong::new(format!("no step before this one makes the gauge `{name}` of `{board}`"), hint))
}

/// Whether a step that names a gauge makes it.
fn makes_gauge(reading: &Reading) -> bool {
    reading.first(Kind::Filter).or(reading.first(Kind::Shown)).is_some()
}

/// The names that a step captures.
fn captured_by(step: &Step) -> Vec<String> {
    let Some(reading) = reading(step) else { return Vec::new() };
    let given: Vec<_> = reading.spec.gives.iter().map(|name| (*name).to_owned()).collect();
    if !reading.spec.captures {
        return given;
    }
    let rows = step.table.as_ref().map_or(&[][..], |table| table.rows.as_slice());
    let in_table = MessageMatch::read(rows).ok();
    let in_table = in_table.iter().flat_map(|table| table.names().map(str::to_owned).collect::<Vec<_>>());
    patterns(&reading).iter().flat_map(TextPattern::names).map(str::to_owned).chain(in_table).collect()
}

fn patterns(reading: &Reading) -> Vec<TextPattern> {
    let texts = reading.all(Kind::Pattern).chain(reading.all(Kind::Shown));
    texts.filter_map(|text| TextPattern::parse(text).ok()).collect()
}

fn not_captured(name: &str, known: &BTreeSet<String>, later: &[String]) -> Wrong {
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `${{captured:{near}}}`?"),
        None if later.iter().any(|other| other == name) => "a later step captures it: move that step up".to_owned(),
        None => format!(
            "capture it with a named group, as in `Then \"lamp\" publishes \"/id=(?<{}>\\w+)/\" to \"loger\" within 2 s`",
            if name.is_empty() { "id" } else { name }
        ),
    };
    Wrong::new(format!("no step before this one captures `{name}`"), hint)
}
