//! Exit codes of `hil`.

use hil_report::Counts;

use crate::args::Flaky;

/// Exit codes; documented in `docs/reference/exit-codes.md`. 101 is Rust's own panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// At least one scenario ran, and all that ran passed.
    Passed = 0,
    /// Nothing ran: no scenario matched, or all were skipped.
    NothingRan = 4,
    /// Invalid arguments, bench file or features; a port that is in use.
    Setup = 96,
    /// Scenarios failed: a firmware fault.
    Failed = 100,
    /// Scenarios errored and none failed: a bench fault. With `--strict` also if a scenario was skipped.
    Errored = 102,
    /// A regression since the baseline, with `--fail-on regression`.
    Regression = 103,
    /// Ended by Ctrl-C, SIGTERM or the run's deadline.
    Aborted = 130,
}

impl ExitCode {
    /// The exit code for a run's verdicts.
    #[must_use]
    pub(crate) fn of(counts: &Counts, flaky: Flaky) -> Self {
        match counts {
            Counts { aborted: 1.., .. } => Self::Aborted,
            Counts { flaky: 1.., .. } if flaky == Flaky::Fail => Self::Failed,
            Counts { failed: 1.., .. } => Self::Failed,
            Counts { errored: 1.., .. } => Self::Errored,
            Counts { passed: 0, flaky: 0, .. } => Self::NothingRan,
            Counts { .. } => Self::Passed,
        }
    }

    /// The exit code with this number.
    #[must_use]
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        let all =
            [Self::Passed, Self::NothingRan, Self::Setup, Self::Failed, Self::Errored, Self::Regression, Self::Aborted];
        all.into_iter().find(|it| it.code() == code)
    }

    /// The number.
    #[must_use]
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_passes_only_if_something_passed_and_nothing_failed() {
        let counts = |passed, failed, errored, skipped, aborted| {
            let counts = Counts { passed, failed, errored, skipped, aborted, flaky: 0 };
            ExitCode::of(&counts, Flaky::Pass).code()
        };
        assert_eq!(counts(1, 0, 0, 5, 0), 0);
        assert_eq!(counts(9, 1, 1, 0, 0), 100);
        assert_eq!(counts(9, 0, 1, 0, 0), 102);
        assert_eq!(counts(0, 0, 0, 3, 0), 4);
        assert_eq!(counts(0, 0, 0, 0, 0), 4);
        assert_eq!(counts(3, 1, 1, 1, 1), 130);
    }

    #[test]
    fn a_flaky_scenario_counts_as_the_option_says() {
        let counts = Counts { flaky: 1, ..Counts::default() };
        assert_eq!(ExitCode::of(&counts, Flaky::Pass).code(), 0);
        assert_eq!(ExitCode::of(&counts, Flaky::Fail).code(), 100);
        let worse = Counts { flaky: 1, errored: 1, ..Counts::default() };
        assert_eq!(ExitCode::of(&worse, Flaky::Pass).code(), 102);
    }
}
