//! What the steps of a scenario expect of its boards' health: a reboot that a step asks for is not a fault.

use hil_timeline::Finding;
use hil_verdict::{TextPattern, is_shown};

use crate::spec::{Expects, Kind, Reading};

/// What a step of the scenario expects of a board.
#[derive(Debug, Clone)]
struct Expectation {
    /// Number of the step, from 1. The expectation ends with it.
    step: usize,
    board: String,
    what: Expects,
    /// The line that the step waits for.
    line: Option<TextPattern>,
}

/// What the steps of a scenario expect.
#[derive(Debug, Clone, Default)]
pub(crate) struct Expectations(Vec<Expectation>);

impl Expectations {
    /// The expectations of these steps, in order; none of a step that is not built in.
    pub(crate) fn of(steps: impl Iterator<Item = Option<Reading>>) -> Self {
        let expected = |(n, reading): (usize, Option<Reading>)| Some(expected(n + 1, &reading?));
        Self(steps.enumerate().filter_map(expected).flatten().collect())
    }

    /// Whether the current step, counted from 1, or a later one expects this of the board.
    pub(crate) fn expects(&self, step: usize, board: &str, finding: Finding, detail: &str) -> bool {
        self.0.iter().filter(|expectation| expectation.board == board).any(|expectation| {
            let is_ahead = expectation.step >= step;
            match expectation.what {
                Expects::Nothing | Expects::AnyViolation => false,
                Expects::AnyReboot => matches!(finding, Finding::Reboot | Finding::BootLoop),
                Expects::Reboot => is_ahead && (finding == Finding::Reboot || is_a_boot(finding, detail)),
                Expects::BootLoop => is_ahead,
                Expects::End => is_ahead && finding == Finding::Ended,
                Expects::Line => is_ahead && expectation.is_about(finding, detail),
            }
        })
    }

    /// Whether a board may break the protocol.
    pub(crate) fn allows_violations(&self, board: &str) -> bool {
        self.0.iter().any(|expectation| expectation.board == board && expectation.what == Expects::AnyViolation)
    }
}

impl Expectation {
    /// Whether the expected line belongs to the finding.
    fn is_about(&self, finding: Finding, detail: &str) -> bool {
        self.line.as_ref().is_some_and(|wanted| lines_of(finding, detail).any(|line| is_shown(wanted, line)))
    }
}

/// Whether a finding is a boot that names the watchdog or the brown-out as its cause.
fn is_a_boot(finding: Finding, detail: &str) -> bool {
    matches!(finding, Finding::Watchdog | Finding::BrownOut)
        && (detail.contains("rst:0x") || detail.contains("rst cause:"))
}

/// The lines of a finding that a step may expect. The detail of an exception is its last line.
fn lines_of(finding: Finding, detail: &str) -> impl Iterator<Item = &str> {
    let headline = (finding == Finding::Exception).then_some("Traceback (most recent call last):");
    std::iter::once(detail).chain(headline)
}

fn expected(n: usize, reading: &Reading) -> Vec<Expectation> {
    let what = reading.spec.expects;
    // The plan reports invalid patterns.
    let line = reading.first(Kind::Shown).and_then(|text| TextPattern::parse(text).ok());
    let of = |board: &str| Expectation { step: n, board: board.to_owned(), what, line: line.clone() };
    reading.boards().filter(|_| what != Expects::Nothing).map(of).collect()
}

#[cfg(test)]
mod tests {
    use cucumber::gherkin::StepType;

    use super::*;
    use crate::forms;
    use crate::registry::bare_step;

    fn expectations(texts: &[&str]) -> Expectations {
        Expectations::of(texts.iter().map(|text| forms::read(&bare_step(text, StepType::Then))))
    }

    #[test]
    fn a_step_expects_only_what_it_waits_for() {
        let steps = expectations(&[r#"the board "a" is reset"#, r#""a" reboots once within 5 s"#, r#""a" is quiet"#]);
        assert!(steps.expects(1, "a", Finding::Reboot, "SW") && steps.expects(2, "a", Finding::Reboot, "SW"));
        assert!(!steps.expects(3, "a", Finding::Reboot, "SW"), "once is once");
        assert!(!steps.expects(1, "b", Finding::Reboot, "SW") && !steps.expects(1, "a", Finding::Panic, "x"));
        let allowed = expectations(&[r#""a" may reboot"#]);
        assert!(allowed.expects(9, "a", Finding::BootLoop, "3") && !allowed.expects(9, "a", Finding::Watchdog, "x"));
    }

    #[test]
    fn an_expectation_ends_with_its_step() {
        let steps = expectations(&[r#"the program of "a" is killed"#, r#""a" does not reboot for 2 s"#]);
        assert!(steps.expects(1, "a", Finding::Ended, "by signal 9"));
        assert!(!steps.expects(2, "a", Finding::Ended, "with code 3"), "the restarted program ended by itself");
    }

    #[test]
    fn a_boot_by_a_watchdog_is_a_reboot_that_a_step_waits_for() {
        let steps = expectations(&[r#"the reset cause of "a" is "watchdog" within 5 s"#]);
        assert!(steps.expects(1, "a", Finding::Watchdog, "rst:0x7 (TG0WDT_SYS_RST),boot:0xd (SPI_FAST_FLASH_BOOT)"));
        assert!(!steps.expects(1, "a", Finding::Watchdog, "Task watchdog got triggered"));
    }

    #[test]
    fn quotes_of_either_kind_are_read() {
        let assertion = r#"assertion "x > 0" failed: file "a.c", line 3"#;
        let steps = expectations(&[r#"the console of 'a' shows 'assertion "x > 0" failed' within 1 s"#]);
        assert!(steps.expects(1, "a", Finding::Abort, assertion));
        let steps = expectations(&[r#"the console of "a" shows "Traceback (most recent call last)" within 1 s"#]);
        assert!(steps.expects(1, "a", Finding::Exception, "OSError: 113"));
    }

    #[test]
    fn a_line_that_a_step_waits_for_is_expected() {
        let steps = expectations(&[
            r#"the console of "a" or "b" shows "/panicked at/" exactly once within 1 s, settling for 1 s"#,
        ]);
        assert!(steps.expects(1, "b", Finding::Panic, "panicked at src/main.rs:1"));
        assert!(
            !steps.expects(1, "a", Finding::Abort, "abort() was called")
                && !steps.expects(2, "a", Finding::Panic, "panicked at")
        );
    }
}
