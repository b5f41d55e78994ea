//! GitHub's annotations: workflow commands that stand at the line of a feature.

use hil_timeline::Verdict;

use crate::result::{RunSummary, ScenarioResult};
use crate::text::failure_lines;

/// GitHub shows no more than ten errors and ten warnings of a step.
const SHOWN: usize = 10;

/// A command for each scenario that failed, and a warning for each flaky one.
#[must_use]
pub fn annotations(run: &RunSummary) -> Vec<String> {
    let of = |level: &'static str, wanted: &'static [Verdict]| {
        let wanted = run.scenarios.iter().filter(|scenario| wanted.contains(&scenario.verdict));
        wanted.take(SHOWN).map(move |scenario| annotation(level, scenario))
    };
    of("error", &[Verdict::Failed, Verdict::Errored]).chain(of("warning", &[Verdict::Flaky])).collect()
}

fn annotation(level: &str, scenario: &ScenarioResult) -> String {
    let info = &scenario.info;
    let line = scenario.telling().failed_step().map_or(info.line, |step| step.line);
    let title = format!("{}: {}", scenario.verdict.word(), info.name);
    let message = failure_lines(scenario).join("\n");
    format!("::{level} file={},line={line},title={}::{}", property(&info.path), property(&title), data(&message))
}

/// Escapes as GitHub's own toolkit does.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::{sample, tried};

    #[test]
    fn each_stands_on_one_line_at_its_step() {
        let mut lines = annotations(&RunSummary::of(&sample()));
        lines.extend(annotations(&RunSummary::of(&tried(&[Verdict::Errored, Verdict::Passed]))));
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn a_name_can_neither_end_the_command_nor_begin_one() {
        let mut run = RunSummary::of(&sample());
        run.scenarios[1].info.name = "a,line=1::x\n::set-env name=A::b".to_owned();
        let lines = annotations(&run);
        assert!(lines.iter().all(|line| !line.contains('\n') && line.matches("::").count() == 2), "{lines:?}");
    }
}
