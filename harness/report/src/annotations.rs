//! GitHub annotations: workflow commands with the line of a feature file.

use std::path::{Component, Path, PathBuf};

use hil_timeline::Verdict;

use crate::result::{RunSummary, ScenarioResult};
use crate::text::failure_lines;

/// GitHub shows at most ten errors and ten warnings per step.
const SHOWN: usize = 10;

/// An error for each failed scenario, and a warning for each flaky one. GitHub looks for files from the root of the
/// checkout: `below` is the path of the working folder in it.
#[must_use]
pub fn annotations(run: &RunSummary, below: &Path) -> Vec<String> {
    let of = |level: &'static str, wanted: &'static [Verdict]| {
        let counts = run.scenarios.iter().filter(|scenario| !scenario.is_excused());
        let wanted = counts.filter(|scenario| wanted.contains(&scenario.verdict));
        wanted.take(SHOWN).map(move |scenario| annotation(level, scenario, below))
    };
    of("error", &[Verdict::Failed, Verdict::Errored]).chain(of("warning", &[Verdict::Flaky])).collect()
}

fn annotation(level: &str, scenario: &ScenarioResult, below: &Path) -> String {
    let info = &scenario.info;
    let line = scenario.telling().failed_step().map_or(info.line, |step| step.info.line);
    let title = format!("{}: {}", scenario.verdict.word(), scenario.title());
    let message = failure_lines(scenario).join("\n");
    let file = plain(&below.join(&info.path)).display().to_string();
    format!("::{level} file={},line={line},title={}::{}", property(&file), property(&title), data(&message))
}

/// Removes `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.file_name().is_some_and(|last| last != "..") => drop(plain.pop()),
            part => plain.push(part),
        }
        plain
    })
}

/// Escapes like GitHub's own toolkit.
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
    fn each_is_one_line_with_the_line_of_its_step() {
        let mut lines = annotations(&RunSummary::of(sample()), Path::new(""));
        lines.extend(annotations(&RunSummary::of(tried(&[Verdict::Errored, Verdict::Passed])), Path::new("")));
        insta::assert_snapshot!(lines.join("\n"));
    }

    #[test]
    fn files_are_named_from_the_root_of_the_checkout() {
        let file = |path: &str, below: &str| plain(&Path::new(below).join(path)).display().to_string();
        assert_eq!(file("features/a.feature", ""), "features/a.feature");
        assert_eq!(file("features/a.feature", "firmware"), "firmware/features/a.feature");
        assert_eq!(file("../features/a.feature", "firmware/lamp"), "firmware/features/a.feature");
        assert_eq!(file("/elsewhere/a.feature", "firmware"), "/elsewhere/a.feature");
    }

    #[test]
    fn a_name_can_neither_end_nor_begin_a_command() {
        let mut run = RunSummary::of(sample());
        run.scenarios[1].info.name = "a,line=1::x\n::set-env name=A::b".to_owned();
        let lines = annotations(&run, Path::new(""));
        assert!(lines.iter().all(|line| !line.contains('\n') && line.matches("::").count() == 2), "{lines:?}");
    }
}
