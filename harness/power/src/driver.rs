//! Switching a board's supply.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// The future of a driver, boxed, so that drivers can be chosen at run time.
pub type Switching<'a> = BoxFuture<'a, Result<(), PowerError>>;
/// Whether there is supply; none if the driver can't measure it.
pub type Measuring<'a> = BoxFuture<'a, Result<Option<bool>, PowerError>>;

/// Switches one rail, or several at once.
pub trait PowerDriver: Send + Sync {
    /// Switches the rail; returns when it has switched. Dropping the future cancels the attempt; the state is then
    /// unknown until the next call.
    fn switch(&self, on: bool) -> Switching<'_>;

    /// Measures the supply, if the driver can: the result proves whether a cut took the supply away.
    fn measure(&self) -> Measuring<'_> {
        Box::pin(async { Ok(None) })
    }

    /// What the rail is switched to, if the driver can tell; queried after a failed switch. A relay that reports "off"
    /// may be welded, so this does not prove a cut.
    fn state(&self) -> Measuring<'_> {
        self.measure()
    }

    /// Puts the rail into the state that it must have while the board is not in use.
    fn make_safe(&self) -> Switching<'_> {
        self.switch(false)
    }

    /// The rail's name for the timeline.
    fn rail(&self) -> &str;
}

/// Why a rail is not in the requested state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("rail `{rail}`: {reason}")]
pub struct PowerError {
    /// The rail.
    pub rail: String,
    /// What went wrong.
    pub reason: String,
    /// One true hint.
    pub hint: Option<String>,
    /// Whether another attempt may succeed without a change of the bench: a reply was lost, a device was busy.
    #[serde(default)]
    pub may_pass: bool,
}

impl PowerError {
    /// Of a rail, by its name: what went wrong, and one true hint.
    pub fn new(rail: &str, reason: impl Into<String>, hint: impl Into<Option<&'static str>>) -> Self {
        Self { rail: rail.to_owned(), reason: reason.into(), hint: hint.into().map(str::to_owned), may_pass: false }
    }

    /// The same, where trying again may help.
    pub fn passing(self) -> Self {
        Self { may_pass: true, ..self }
    }
}
