//! Why a rule does not hold, and whether the firmware or the bench is responsible.

use hil_timeline::{Failure, Verdict};

/// A rule that does not hold.
///
/// # Example
/// ```
/// let unmet = hil_verdict::Unmet::failed("`lamp` did not connect within 2 s").with_hint("is the broker up?");
/// assert_eq!(unmet.failure.hint.as_deref(), Some("is the broker up?"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unmet {
    /// `failed` if the firmware is responsible, `errored` if the bench is.
    pub verdict: Verdict,
    /// What is wrong, the closest match, and a hint.
    pub failure: Failure,
}

impl Unmet {
    /// The firmware did not do what was expected.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, message.into())
    }

    /// The records prove nothing, or the bench failed.
    #[must_use]
    pub fn errored(message: impl Into<String>) -> Self {
        Self::new(Verdict::Errored, message.into())
    }

    fn new(verdict: Verdict, message: String) -> Self {
        Self { verdict, failure: Failure { message, details: Vec::new(), hint: None } }
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.failure.hint = Some(hint.into());
        self
    }

    /// Adds lines that show the closest match.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.failure.details.extend(details);
        self
    }
}
