//! Resetting a chip into its app or its loader.

mod control_lines;
mod kind;
mod strapping;
mod strategies;

use std::sync::Arc;

use futures::future::BoxFuture;

use hil_config::{Board, ResetKind};
use hil_power::PowerDriver;

use self::kind::BoardParts;
use self::strategies::STRATEGIES;
use crate::error::BenchError;
use crate::ports::PortFinder;

/// What runs after a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetInto {
    /// The flashed app.
    App,
    /// The ROM's loader.
    Loader {
        /// Which attempt it is, from 0: strategies vary with it.
        attempt: u32,
    },
}

/// The future of a driver, boxed, so that drivers can be chosen at run time.
pub type Resetting<'a> = BoxFuture<'a, Result<(), BenchError>>;

/// Resets a chip.
pub trait ResetDriver: Send + Sync {
    /// Holds the chip in reset: from here on it prints nothing.
    fn hold(&self) -> Resetting<'_>;

    /// Releases it; returns when it runs.
    fn release(&self, into: ResetInto) -> Resetting<'_>;

    /// Lets a chip that is held run at the end of the board's use. It switches no rails: those are
    /// in their safe state.
    fn end_hold(&self) -> Resetting<'_> {
        self.release(ResetInto::App)
    }

    /// The program that lets a chip run which is held by a program: it stays held even if `hil` is killed.
    fn release_program(&self) -> Option<&[String]> {
        None
    }

    /// Whether another attempt resets in another way.
    fn varies(&self) -> bool {
        false
    }

    /// What it does, for the timeline.
    fn describe(&self) -> &str;
}

/// The strategies, as the bench file names them.
#[must_use]
pub fn kinds() -> Vec<ResetKind> {
    STRATEGIES.iter().map(|entry| entry.kind).collect()
}

/// Opens what resets a board, as its bench file says.
///
/// # Errors
/// If a line can't be had, or the board has no rails to cycle.
pub fn open(
    config: &Board,
    port: &Arc<dyn PortFinder>,
    power: Option<&Arc<dyn PowerDriver>>,
) -> Result<Box<dyn ResetDriver>, BenchError> {
    let name = config.name.as_str();
    let Some(entry) = STRATEGIES.iter().find(|entry| entry.kind.word == config.reset.word) else {
        let reason = format!("there is no reset strategy `{}`", config.reset.word);
        return Err(BenchError::Reset { board: name.to_owned(), reason, hint: "see `hil schema`".to_owned() });
    };
    (entry.open)(&config.reset, &BoardParts { name, port, power, off_time: config.off_time })
}
