//! How `hil` ends.

use hil_report::Counts;

/// Exit codes; documented in the README. 101 is Rust's own panic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// Everything that ran passed, and something did.
    Passed = 0,
    /// Nothing ran: no scenario matched, or all were skipped.
    NothingRan = 4,
    /// Bad arguments, bench file or features; a port that is taken.
    Setup = 96,
    /// Scenarios failed: the firmware's fault.
    Failed = 100,
    /// Scenarios errored and none failed: the bench's fault. With `--strict` also where any was skipped.
    Errored = 102,
    /// Ended by Ctrl-C, SIGTERM or the run's deadline.
    Aborted = 130,
}

impl ExitCode {
    /// What a run's verdicts amount to.
    #[must_use]
    pub fn of(counts: &Counts) -> Self {
        match counts {
            Counts { aborted: 1.., .. } => Self::Aborted,
            Counts { failed: 1.., .. } => Self::Failed,
            Counts { errored: 1.., .. } => Self::Errored,
            Counts { passed: 0, .. } => Self::NothingRan,
            Counts { .. } => Self::Passed,
        }
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
    fn green_needs_something_that_passed_and_nothing_that_did_not() {
        let counts = |passed, failed, errored, skipped, aborted| Counts { passed, failed, errored, skipped, aborted };
        assert_eq!(ExitCode::of(&counts(1, 0, 0, 5, 0)).code(), 0);
        assert_eq!(ExitCode::of(&counts(9, 1, 1, 0, 0)).code(), 100);
        assert_eq!(ExitCode::of(&counts(9, 0, 1, 0, 0)).code(), 102);
        assert_eq!(ExitCode::of(&counts(0, 0, 0, 3, 0)).code(), 4);
        assert_eq!(ExitCode::of(&counts(0, 0, 0, 0, 0)).code(), 4);
        assert_eq!(ExitCode::of(&counts(3, 1, 1, 1, 1)).code(), 130);
    }
}
