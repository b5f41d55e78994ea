//! Exit codes of `hil`.

mod run_end;

pub(crate) use run_end::{Demands, RunEnd, of_read};

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
    /// All of them.
    const ALL: [Self; 7] =
        [Self::Passed, Self::NothingRan, Self::Setup, Self::Failed, Self::Errored, Self::Regression, Self::Aborted];

    /// The exit code with this number.
    #[must_use]
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.code() == code)
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
