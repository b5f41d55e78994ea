//! Converts Gherkin to what cucumber runs: outlines are expanded, and every step has one kind.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use cucumber::gherkin::{self, LineCol, Span, StepType, Table};
use hil_gherkin::{Case, StepKind, Text};

use super::composite::{Composites, Expanded, is_explicit};
use crate::origin::span_of;
use crate::registry::is_defined;

/// The name of a feature or scenario without one.
const UNNAMED: &str = "(no name)";

/// Converts a feature with the scenarios at these lines.
pub(super) fn feature(
    feature: &hil_gherkin::Feature,
    path: &Path,
    taken: &BTreeSet<usize>,
    composites: &Composites,
) -> gherkin::Feature {
    let convert = Convert { path, composites };
    let (background, kind) = convert.background(feature.background.as_ref(), None);
    let mut names = Names::of(feature);
    let scenarios = convert.scenarios(&feature.scenarios, kind, taken, names.entry(String::new()).or_default());
    let mut rule = |rule: &hil_gherkin::Rule| {
        let names = names.entry(rule.heading.name.clone()).or_default();
        convert.rule(rule, kind, taken, names)
    };
    let mut rules: Vec<_> = feature.rules.iter().map(&mut rule).collect();
    rules.retain(|rule| !rule.scenarios.is_empty());
    gherkin::Feature {
        keyword: feature.heading.keyword.clone(),
        name: if feature.heading.name.is_empty() { UNNAMED.to_owned() } else { feature.heading.name.clone() },
        description: description(&feature.heading.description),
        background,
        scenarios,
        rules,
        tags: feature.heading.tags.clone(),
        span: NOWHERE,
        position: at(feature.heading.line),
        path: Some(path.to_owned()),
    }
}

/// Converts the parts of one feature.
struct Convert<'a> {
    path: &'a Path,
    composites: &'a Composites,
}

impl Convert<'_> {
    /// Converts a background; returns the kind of its last step, which applies to a first `And` of the scenarios.
    fn background(
        &self,
        background: Option<&hil_gherkin::Background>,
        before: Option<StepType>,
    ) -> (Option<gherkin::Background>, Option<StepType>) {
        let Some(background) = background else { return (None, before) };
        let (steps, kind) = self.steps(&background.steps, before);
        let background = gherkin::Background {
            keyword: background.heading.keyword.clone(),
            name: background.heading.name.clone(),
            description: description(&background.heading.description),
            steps,
            span: NOWHERE,
            position: at(background.heading.line),
        };
        (Some(background), kind)
    }

    fn rule(
        &self,
        rule: &hil_gherkin::Rule,
        before: Option<StepType>,
        taken: &BTreeSet<usize>,
        names: &mut Names,
    ) -> gherkin::Rule {
        let (background, kind) = self.background(rule.background.as_ref(), before);
        gherkin::Rule {
            keyword: rule.heading.keyword.clone(),
            name: rule.heading.name.clone(),
            description: description(&rule.heading.description),
            background,
            scenarios: self.scenarios(&rule.scenarios, kind, taken, names),
            tags: rule.heading.tags.clone(),
            span: NOWHERE,
            position: at(rule.heading.line),
        }
    }

    fn scenarios(
        &self,
        scenarios: &[hil_gherkin::Scenario],
        before: Option<StepType>,
        taken: &BTreeSet<usize>,
        names: &mut Names,
    ) -> Vec<gherkin::Scenario> {
        let cases: Vec<_> =
            scenarios.iter().flat_map(|scenario| scenario.cases().map(move |case| (scenario, case))).collect();
        let named = cases.iter().map(|(scenario, case)| {
            let name = names.name(own_name(&case.name), case.row.map(|(_, row)| row));
            (scenario, case, name)
        });
        let taken = named.filter(|(_, case, _)| taken.contains(&case.line));
        let one = |(scenario, case, name): (&&hil_gherkin::Scenario, &Case<'_>, String)| gherkin::Scenario {
            keyword: scenario.heading.keyword.clone(),
            name,
            description: description(&scenario.heading.description),
            steps: self.steps(&case.steps, before).0,
            examples: Vec::new(),
            tags: case.tags.iter().map(|tag| (*tag).to_owned()).collect(),
            span: NOWHERE,
            position: at(case.line),
        };
        taken.map(one).collect()
    }

    /// Converts steps with the kind that each keyword means in its place; returns that of the last. Composite steps are replaced
    /// by their parts.
    fn steps(&self, steps: &[hil_gherkin::Step], before: Option<StepType>) -> (Vec<gherkin::Step>, Option<StepType>) {
        let mut kind = before;
        let mut converted = Vec::new();
        for step in steps {
            let Some(parts) = self.composites.expand(step, self.path) else {
                kind = Some(kind_of(step, kind));
                converted.push(one(step, kind, step.line, NOWHERE));
                continue;
            };
            if is_explicit(step.kind) {
                kind = Some(kind_of(step, kind));
            }
            let mut inner = kind;
            for Expanded { step: part, part_of } in parts {
                inner = Some(kind_of(&part, inner));
                converted.push(one(&part, inner, step.line, span_of(part_of)));
            }
            kind = kind.or(inner);
        }
        (converted, kind)
    }
}

/// Gives each scenario a unique name, in a feature or in its rules of one name. The names depend only on the file, so
/// that they mean the same in every run: rows of an outline with the same name are distinguished by their values, and
/// names that are still equal by a number.
#[derive(Default)]
struct Names {
    times: HashMap<String, usize>,
    given: HashSet<String>,
    /// The last number of each.
    last: HashMap<String, usize>,
}

impl Names {
    /// How often each name occurs, by rule name; empty outside of rules.
    fn of(feature: &hil_gherkin::Feature) -> HashMap<String, Self> {
        let ruled = feature.rules.iter().map(|rule| (rule.heading.name.as_str(), &rule.scenarios));
        let mut all: HashMap<String, Self> = HashMap::new();
        for (rule, scenarios) in std::iter::once(("", &feature.scenarios)).chain(ruled) {
            let names = all.entry(rule.to_owned()).or_default();
            for name in scenarios.iter().flat_map(hil_gherkin::Scenario::case_names) {
                *names.times.entry(own_name(&name).to_owned()).or_default() += 1;
            }
        }
        all
    }

    fn name(&mut self, name: &str, row: Option<&hil_gherkin::Row>) -> String {
        let name = match row.filter(|_| self.times.get(name).is_some_and(|times| *times > 1)) {
            Some(row) => format!("{name} ({})", row.cells.join(", ")),
            None => name.to_owned(),
        };
        let nth = self.last.entry(name.clone()).or_default();
        // A name in the file may look like a numbered one.
        loop {
            *nth += 1;
            let own = if *nth == 1 { name.clone() } else { format!("{name} #{nth}") };
            if self.given.insert(own.clone()) {
                return own;
            }
        }
    }
}

/// Columns and bytes are not used.
const NOWHERE: Span = Span { start: 0, end: 0 };

fn at(line: usize) -> LineCol {
    LineCol { line, col: 1 }
}

fn description(lines: &[(usize, String)]) -> Option<String> {
    let lines: Vec<_> = lines.iter().map(|(_, line)| line.as_str()).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn own_name(name: &str) -> &str {
    if name.is_empty() { UNNAMED } else { name }
}

/// The kind that a keyword means in its place.
fn kind_of(step: &hil_gherkin::Step, before: Option<StepType>) -> StepType {
    match step.kind {
        StepKind::Given => StepType::Given,
        StepKind::When => StepType::When,
        StepKind::Then => StepType::Then,
        StepKind::And => before.unwrap_or_else(|| defined_as(&step.text, None)),
        StepKind::Any => defined_as(&step.text, before),
    }
}

fn one(step: &hil_gherkin::Step, kind: Option<StepType>, line: usize, span: Span) -> gherkin::Step {
    gherkin::Step {
        keyword: step.keyword.clone(),
        ty: kind.unwrap_or(StepType::Given),
        value: step.text.clone(),
        docstring: step.doc.as_ref().map(|Text { content, .. }| content.clone()),
        table: step.table.as_ref().map(|rows| table(rows)),
        span,
        position: at(line),
    }
}

/// The kind of a step whose keyword does not name one: that of the step before if it is defined so, or one that is
/// defined.
fn defined_as(text: &str, before: Option<StepType>) -> StepType {
    let kinds = before.into_iter().chain([StepType::Given, StepType::When, StepType::Then]);
    kinds.into_iter().find(|kind| is_defined(text, *kind)).or(before).unwrap_or(StepType::Given)
}

fn table(rows: &[hil_gherkin::Row]) -> Table {
    Table {
        rows: rows.iter().map(|row| row.cells.clone()).collect(),
        span: NOWHERE,
        position: at(rows.first().map_or(0, |row| row.line)),
    }
}
