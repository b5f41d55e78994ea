//! Why a rule does not hold, and whose fault it is.

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
    /// Whose fault it is: `failed` is the firmware's, `errored` the bench's.
    pub verdict: Verdict,
    /// What is wrong, what came closest, and what may help.
    pub failure: Failure,
}

impl Unmet {
    /// The firmware did not do what is expected.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Verdict::Failed, message.into())
    }

    /// The records can't prove it either way, or the bench is at fault.
    #[must_use]
    pub fn errored(message: impl Into<String>) -> Self {
        Self::new(Verdict::Errored, message.into())
    }

    fn new(verdict: Verdict, message: String) -> Self {
        Self { verdict, failure: Failure { message, details: Vec::new(), hint: None } }
    }

    /// Adds one true hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.failure.hint = Some(hint.into());
        self
    }

    /// Adds lines that show what came closest.
    #[must_use]
    pub fn with_details(mut self, details: impl IntoIterator<Item = String>) -> Self {
        self.failure.details.extend(details);
        self
    }
}
