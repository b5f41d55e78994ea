//! JUnit XML: one test case a scenario; a failure is the product's, an error the bench's.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::DateTime;
use hil_timeline::{Failure, Verdict};
use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use crate::fold::{RunSummary, ScenarioResult};

/// Writes a run as JUnit XML: a suite for each feature, in the order in which features began.
///
/// # Errors
/// When the XML can't be made.
pub fn junit(run: &RunSummary) -> Result<String, SerializeError> {
    let mut report = Report::new("hil");
    report.set_time(Duration::from_micros(run.took_us));
    if let Some(started) = run.info.as_ref().and_then(|info| started(info.unix_ms)) {
        report.set_timestamp(started.fixed_offset());
    }
    let mut suites: Vec<(String, TestSuite)> = Vec::new();
    let names = unique_names(run);
    for (scenario, name) in run.scenarios.iter().zip(names) {
        let feature = &scenario.info.feature;
        let at = suites.iter().position(|(known, _)| known == feature).unwrap_or_else(|| {
            suites.push((feature.clone(), suite(feature, run)));
            suites.len() - 1
        });
        suites[at].1.add_test_case(case(scenario, &name));
    }
    report.add_test_suites(suites.into_iter().map(|(_, suite)| suite));
    report.to_string()
}

fn started(unix_ms: u64) -> Option<DateTime<chrono::Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(unix_ms).ok()?)
}

fn suite(feature: &str, run: &RunSummary) -> TestSuite {
    let mut suite = TestSuite::new(feature);
    if let Some(info) = &run.info {
        suite.add_property(("hil.version", info.version.as_str()));
        suite.add_property(("hil.bench", info.bench.as_str()));
        suite.add_property(("hil.broker", info.broker.as_str()));
        for board in &info.boards {
            let simulated = if board.simulated { ", simulated" } else { "" };
            let value = format!("{} {}{simulated}", board.kind, board.chip);
            suite.add_property((format!("hil.board.{}", board.name), value));
        }
    }
    suite
}

/// Names within a feature, made unique by the line where they are not.
fn unique_names(run: &RunSummary) -> Vec<String> {
    let mut times: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for scenario in &run.scenarios {
        *times.entry((&scenario.info.feature, &scenario.info.name)).or_default() += 1;
    }
    let name = |scenario: &ScenarioResult| {
        let info = &scenario.info;
        match times.get(&(info.feature.as_str(), info.name.as_str())) {
            Some(1) => info.name.clone(),
            _ => format!("{} (line {})", info.name, info.line),
        }
    };
    run.scenarios.iter().map(name).collect()
}

fn case(scenario: &ScenarioResult, name: &str) -> TestCase {
    let mut case = TestCase::new(name, status(scenario));
    case.set_classname(class(scenario)).set_time(scenario.took());
    let mut output = String::new();
    for step in &scenario.steps {
        let word = step.outcome.as_ref().map_or("not run", |outcome| outcome.verdict.word());
        output.push_str(&format!("{word:>7}  {} {}\n", step.keyword, step.text));
    }
    if !scenario.tail.is_empty() {
        output.push_str("\nconsole and traffic:\n");
        output.push_str(&scenario.tail.join("\n"));
        output.push('\n');
    }
    case.set_system_out(output);
    case.extra.insert("file".into(), scenario.info.path.as_str().into());
    case.extra.insert("line".into(), scenario.info.line.to_string().into());
    case
}

/// Feature and boards: `lamp [lamp]`.
fn class(scenario: &ScenarioResult) -> String {
    let boards = scenario.info.boards.join(", ");
    if boards.is_empty() { scenario.info.feature.clone() } else { format!("{} [{boards}]", scenario.info.feature) }
}

fn status(scenario: &ScenarioResult) -> TestCaseStatus {
    let (mut status, kind) = match scenario.verdict {
        Verdict::Passed => return TestCaseStatus::success(),
        Verdict::Skipped => (TestCaseStatus::skipped(), "skipped"),
        Verdict::Failed => (TestCaseStatus::non_success(NonSuccessKind::Failure), "failed"),
        Verdict::Errored => (TestCaseStatus::non_success(NonSuccessKind::Error), "errored"),
        Verdict::Aborted => (TestCaseStatus::non_success(NonSuccessKind::Error), "aborted"),
    };
    status.set_type(kind);
    if let Some(failure) = &scenario.failure {
        status.set_message(failure.message.as_str());
        status.set_description(describe(scenario, failure));
    }
    status
}

fn describe(scenario: &ScenarioResult, failure: &Failure) -> String {
    let mut lines = vec![failure.message.clone()];
    lines.extend(failure.details.iter().map(|detail| format!("  {detail}")));
    lines.extend(failure.hint.iter().map(|hint| format!("hint: {hint}")));
    if let Some(step) = scenario.failed_step() {
        lines.push(format!("step: {} {} ({}:{})", step.keyword, step.text, scenario.info.path, step.line));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use crate::fold::tests::sample;

    #[test]
    fn every_verdict_has_its_element() {
        let xml = super::junit(&crate::RunSummary::of(&sample())).expect("XML");
        insta::assert_snapshot!(xml);
    }

    #[test]
    fn a_killed_run_is_valid_and_aborted() {
        let events = sample();
        let killed = &events[..events.len() - 3];
        let run = crate::RunSummary::of(killed);
        assert_eq!(run.counts().aborted, 1);
        assert!(super::junit(&run).expect("XML").contains("type=\"aborted\""));
    }
}
