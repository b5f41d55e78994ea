//! Cucumber JSON for Cucumber's own report tools: one element per scenario, and one for each further attempt.

use std::collections::BTreeMap;

use hil_timeline::{Failure, Verdict};
use serde::Serialize;

use crate::names::unique_names;
use crate::report_file::ReportFile;
use crate::result::{Attempt, RunSummary, ScenarioResult, StepResult};

#[derive(Serialize)]
struct Feature<'a> {
    uri: &'a str,
    id: String,
    name: &'a str,
    description: &'a str,
    keyword: &'a str,
    line: usize,
    tags: Vec<Tag>,
    elements: Vec<Element<'a>>,
}

#[derive(Serialize)]
struct Element<'a> {
    id: String,
    name: String,
    /// The boards that played its roles.
    description: String,
    keyword: &'a str,
    r#type: &'a str,
    line: usize,
    tags: Vec<Tag>,
    steps: Vec<Step>,
}

#[derive(Serialize)]
struct Tag {
    name: String,
    line: usize,
}

#[derive(Serialize)]
struct Step {
    keyword: String,
    name: String,
    line: usize,
    r#match: Match,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rows: Vec<Row>,
    #[serde(skip_serializing_if = "Option::is_none")]
    doc_string: Option<DocString>,
    result: StepEnd,
}

#[derive(Serialize)]
struct Row {
    cells: Vec<String>,
}

#[derive(Serialize)]
struct DocString {
    value: String,
    content_type: &'static str,
}

#[derive(Serialize)]
struct Match {
    location: String,
}

#[derive(Serialize)]
struct StepEnd {
    status: &'static str,
    /// Nanoseconds.
    duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// The report.
pub(crate) const REPORT: ReportFile = ReportFile {
    name: "cucumber.json",
    audience: "report tools for Cucumber",
    about: "one element per scenario and attempt",
    text: |from| Ok(cucumber(from.run)?),
};

/// Writes a run as Cucumber JSON.
///
/// # Errors
/// When the JSON can't be written.
pub fn cucumber(run: &RunSummary) -> serde_json::Result<String> {
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut features: Vec<Feature<'_>> = Vec::new();
    for (scenario, name) in run.scenarios.iter().zip(unique_names(run)) {
        let info = &scenario.info;
        let at = *places.entry((&info.path, &info.feature)).or_insert_with(|| {
            features.push(Feature {
                uri: &info.path,
                id: id(&info.feature),
                name: &info.feature,
                description: "",
                keyword: "Feature",
                line: 1,
                tags: Vec::new(),
                elements: Vec::new(),
            });
            features.len() - 1
        });
        features[at].elements.extend(elements(scenario, &name));
    }
    serde_json::to_string(&features)
}

/// The tools themselves replace spaces and capitals.
fn id(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn elements<'a>(scenario: &'a ScenarioResult, name: &str) -> impl Iterator<Item = Element<'a>> {
    let count = scenario.attempts.len();
    let element = move |name: &str, n: usize, attempt: &Attempt| {
        let name = if count == 1 { name.to_owned() } else { format!("{name} (attempt {n} of {count})") };
        Element {
            id: format!("{};{}", id(&scenario.info.feature), id(&name)),
            name,
            description: attempt.cast(),
            keyword: "Scenario",
            r#type: "scenario",
            line: scenario.info.line,
            tags: scenario
                .info
                .tags
                .iter()
                .map(|tag| Tag { name: format!("@{tag}"), line: scenario.info.line })
                .collect(),
            steps: steps(scenario, attempt),
        }
    };
    let name = name.to_owned();
    (1..).zip(&scenario.attempts).map(move |(n, attempt)| element(&name, n, attempt))
}

fn steps(scenario: &ScenarioResult, attempt: &Attempt) -> Vec<Step> {
    let mut steps: Vec<Step> = attempt.steps.iter().map(|step| of(scenario, attempt, step)).collect();
    // A failure outside the steps (a fault that never happened, an aborted run) has no other place.
    let unsaid = !steps.iter().any(|step| step.result.status == "failed");
    if unsaid && !matches!(attempt.verdict, Verdict::Passed | Verdict::Skipped) {
        steps.push(Step {
            keyword: "* ".to_owned(),
            name: "the scenario ended".to_owned(),
            line: scenario.info.line,
            r#match: location(scenario, scenario.info.line),
            rows: Vec::new(),
            doc_string: None,
            result: StepEnd { status: "failed", duration: 0, error_message: Some(message(attempt)) },
        });
    }
    steps
}

fn of(scenario: &ScenarioResult, attempt: &Attempt, step: &StepResult) -> Step {
    let result = match &step.outcome {
        Some(outcome) => {
            let status = match outcome.verdict {
                Verdict::Passed => "passed",
                Verdict::Skipped => "skipped",
                _ => "failed",
            };
            let error_message = (status == "failed").then(|| message(attempt));
            StepEnd { status, duration: outcome.took_us.saturating_mul(1000), error_message }
        }
        None => StepEnd { status: "skipped", duration: 0, error_message: None },
    };
    let info = &step.info;
    Step {
        keyword: format!("{} ", info.keyword),
        name: info.text.clone(),
        line: info.line,
        r#match: location(scenario, info.line),
        rows: info.table.iter().flatten().map(|cells| Row { cells: cells.clone() }).collect(),
        doc_string: info.doc.clone().map(|value| DocString { value, content_type: "" }),
        result,
    }
}

fn location(scenario: &ScenarioResult, line: usize) -> Match {
    Match { location: format!("{}:{line}", scenario.info.path) }
}

/// Begins with the verdict's word: the format has only `failed`.
fn message(attempt: &Attempt) -> String {
    let Some(Failure { message, details, hint }) = &attempt.failure else { return attempt.verdict.word().to_owned() };
    let mut lines = vec![format!("{}: {message}", attempt.verdict.word())];
    lines.extend(details.iter().map(|detail| format!("  {detail}")));
    lines.extend(hint.iter().map(|hint| format!("hint: {hint}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::{sample, tried};

    fn pretty(run: &RunSummary) -> String {
        let value: serde_json::Value = serde_json::from_str(&cucumber(run).expect("JSON")).expect("JSON");
        serde_json::to_string_pretty(&value).expect("JSON")
    }

    #[test]
    fn every_verdict_uses_a_status_of_the_format() {
        insta::assert_snapshot!(pretty(&RunSummary::of(sample())));
    }

    #[test]
    fn attempts_are_kept_apart() {
        let run = RunSummary::of(tried(&[Verdict::Failed, Verdict::Passed]));
        let json = pretty(&run);
        assert!(json.contains("on and off (attempt 1 of 2)") && json.contains("on and off (attempt 2 of 2)"));
    }

    #[test]
    fn a_scenario_that_never_began_is_not_reported_as_passed() {
        let mut events = sample();
        events.truncate(1);
        if let hil_timeline::What::RunStarted { plan, .. } = &mut events[0].what {
            plan.push(hil_timeline::ScenarioInfo {
                feature: "The lamp".into(),
                path: "lamp.feature".into(),
                line: 3,
                name: "later".into(),
                boards: vec!["lamp".into()],
                ..Default::default()
            });
        }
        assert!(pretty(&RunSummary::of(&events)).contains("aborted: the run ended before this scenario began"));
    }
}
