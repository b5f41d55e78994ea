//! Errors of steps, and their verdicts.

use std::cell::RefCell;
use std::fmt;

use hil_bench::BenchError;
use hil_mqtt::{BrokerError, ObserverError};
use hil_radio::RadioError;
use hil_timeline::{Failure, Verdict};
use hil_verdict::Unmet;

/// Why a step did not pass. Its kind decides the verdict.
///
/// # Example
/// ```
/// use hil_scenario::StepError;
/// fn check(answer: &str) -> Result<(), StepError> {
///     if answer == "pong" { Ok(()) } else { Err(StepError::failed(format!("it answered `{answer}`"))) }
/// }
/// assert_eq!(check("ping").unwrap_err().to_string(), "failed: it answered `ping`");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepError {
    unmet: Unmet,
    /// It may be gone in the next attempt.
    transient: bool,
    kind: Kind,
    /// The board that it is about, if it is about one.
    board: Option<String>,
}

/// What a step's error is about, to rank it among other errors.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Usual,
    /// The power keeper is gone, which may be the cause of other errors.
    Keeper,
    /// A board's trouble interrupted the step; the trouble explains more.
    Interrupted,
    /// The firmware does not run, and the error says why.
    DoesNotRun,
    /// The step timed out; earlier problems explain more.
    Deadline,
}

impl StepError {
    /// The firmware did not do what the step expects.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, message.into())
    }

    /// The bench could not perform the step.
    #[must_use]
    pub fn errored(message: impl Into<String>) -> Self {
        Self::new(Verdict::Errored, message.into())
    }

    /// The bench lacks what the scenario needs.
    #[must_use]
    pub fn skipped(message: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, message.into())
    }

    /// The run was aborted.
    #[must_use]
    pub fn aborted(message: impl Into<String>) -> Self {
        Self::new(Verdict::Aborted, message.into())
    }

    /// The power keeper exited.
    pub(crate) fn keeper_lost(message: &str) -> Self {
        Self { kind: Kind::Keeper, ..Self::errored(message) }
    }

    /// A board's trouble interrupted the step.
    pub(crate) fn interrupted(message: String) -> Self {
        Self { kind: Kind::Interrupted, ..Self::failed(message) }
    }

    /// The firmware does not run.
    pub(crate) fn does_not_run(message: String) -> Self {
        Self { kind: Kind::DoesNotRun, ..Self::failed(message) }
    }

    /// The step took too long. Problems of the bench meanwhile are added as details.
    pub(crate) fn deadline(message: String) -> Self {
        Self { kind: Kind::Deadline, ..Self::errored(message) }.transient()
    }

    pub(crate) fn is_a_deadline(&self) -> bool {
        self.kind == Kind::Deadline
    }

    pub(crate) fn is_about_the_keeper(&self) -> bool {
        self.kind == Kind::Keeper
    }

    /// Whether it explains more than a board's trouble.
    pub(crate) fn explains_trouble(&self) -> bool {
        self.kind == Kind::DoesNotRun
    }

    /// The step's own message, unless a board's trouble interrupted it.
    pub(crate) fn own_message(&self) -> Option<&str> {
        (self.kind != Kind::Interrupted).then_some(self.unmet.failure.message.as_str())
    }

    fn new(verdict: Verdict, message: String) -> Self {
        let failure = Failure { message, details: Vec::new(), hint: None };
        Unmet { verdict, failure }.into()
    }

    /// Marks an error that may be gone in the next attempt: the scenario is retried.
    #[must_use]
    pub fn transient(mut self) -> Self {
        self.transient = true;
        self
    }

    /// Whether it may be gone in the next attempt.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.transient
    }

    /// Names the board that it is about: where the bench failed on it, another board may do better.
    #[must_use]
    pub fn about(mut self, board: impl Into<String>) -> Self {
        self.board = Some(board.into());
        self
    }

    /// The board that it is about, if it is about one.
    #[must_use]
    pub fn board(&self) -> Option<&str> {
        self.board.as_deref()
    }

    /// Adds one true hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.unmet = self.unmet.with_hint(hint);
        self
    }

    /// Adds lines that show what came closest.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.unmet = self.unmet.with_details(details);
        self
    }

    /// Its verdict.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.unmet.verdict
    }

    /// What went wrong.
    #[must_use]
    pub fn failure(&self) -> &Failure {
        &self.unmet.failure
    }
}

thread_local! {
    /// The error that was last formatted on this thread.
    static SHOWN: RefCell<Option<StepError>> = const { RefCell::new(None) };
}

/// Takes the typed error that caused the panic of a step.
///
/// Cucumber turns a step's `Err` into `panic!("{error}")`, which keeps only the text. Formatting a [`StepError`]
/// therefore stores a copy for the thread. A panic with the text of the copy was caused by it.
pub(crate) fn from_panic_text(text: &str) -> Option<StepError> {
    let shown = SHOWN.take()?;
    (shown.text() == text).then_some(shown)
}

/// Forgets the stored error.
pub(crate) fn forget_shown() {
    SHOWN.take();
}

impl StepError {
    fn text(&self) -> String {
        let failure = self.failure();
        let mut text = format!("{}: {}", self.verdict().word(), failure.message);
        for detail in &failure.details {
            text.push_str("\n  ");
            text.push_str(detail);
        }
        if let Some(hint) = &failure.hint {
            text.push_str("\nhint: ");
            text.push_str(hint);
        }
        text
    }
}

impl fmt::Display for StepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SHOWN.set(Some(self.clone()));
        f.write_str(&self.text())
    }
}

impl std::error::Error for StepError {}

impl From<Unmet> for StepError {
    fn from(unmet: Unmet) -> Self {
        Self { unmet, transient: false, kind: Kind::Usual, board: None }
    }
}

impl From<BenchError> for StepError {
    fn from(error: BenchError) -> Self {
        let mut step = Self::errored(error.to_string());
        step.transient = error.is_transient();
        step.board = error.board().map(str::to_owned);
        match error.hint() {
            Some(hint) => step.with_hint(hint),
            None => step,
        }
    }
}

impl From<RadioError> for StepError {
    fn from(error: RadioError) -> Self {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        let mut step = Self::errored(format!("{error}{cause}"));
        step.transient = matches!(error, RadioError::TooSlow { .. });
        match error.hint() {
            Some(hint) => step.with_hint(hint),
            None => step,
        }
    }
}

impl From<BrokerError> for StepError {
    fn from(error: BrokerError) -> Self {
        let mut step = Self::errored(error.to_string()).with_hint(error.hint());
        step.transient = error.is_transient();
        step
    }
}

impl From<ObserverError> for StepError {
    fn from(error: ObserverError) -> Self {
        Self::errored(error.to_string()).transient()
    }
}
