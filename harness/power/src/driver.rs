//! Switching a board's supply.

use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

/// What a driver promises: boxed, so that drivers can be chosen at run time.
pub type Switching<'a> = BoxFuture<'a, Result<(), PowerError>>;
/// Whether there is supply; none where the driver can't measure it.
pub type Measuring<'a> = BoxFuture<'a, Result<Option<bool>, PowerError>>;

/// Switches one rail, or several at once. A new kind is one file here and one line in [`Rails::open`].
pub trait PowerDriver: Send + Sync {
    /// Switches the rail; returns when it has switched. Dropping the future gives the attempt up: the next call tells
    /// the rail what to be, whatever became of this one.
    fn switch(&self, on: bool) -> Switching<'_>;

    /// Measures the supply, where the driver can: what it says shows whether a cut took the supply away.
    fn measure(&self) -> Measuring<'_> {
        Box::pin(async { Ok(None) })
    }

    /// What the rail is switched to, where the driver can tell: asked when a switch failed. A relay that says "off" may
    /// be welded, so this proves no cut.
    fn state(&self) -> Measuring<'_> {
        self.measure()
    }

    /// Leaves the rail as it shall be when nobody uses the board.
    fn make_safe(&self) -> Switching<'_> {
        self.switch(false)
    }

    /// The rail's name for the timeline.
    fn rail(&self) -> &str;
}

/// Why a rail is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("rail `{rail}`: {reason}")]
pub struct PowerError {
    /// The rail.
    pub rail: String,
    /// What went wrong.
    pub reason: String,
    /// One true hint.
    pub hint: Option<String>,
    /// Whether it may go better the next time, without a change of the bench: a reply was lost, a device was busy.
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
