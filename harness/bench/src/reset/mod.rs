//! Resetting a chip into its app or its loader.

mod command;
mod gpio;
mod lines;
mod power_cycle;
mod serial;

use std::pin::Pin;

pub(crate) use command::CommandReset;
pub(crate) use gpio::{GpioReset, PullDown};
pub(crate) use power_cycle::PowerCycleReset;
pub(crate) use serial::{Sequence, SerialReset};

use crate::error::BenchError;

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

/// What a driver promises: boxed, so that drivers can be chosen at run time.
pub type Resetting<'a> = Pin<Box<dyn Future<Output = Result<(), BenchError>> + Send + 'a>>;

/// Resets a chip. A new strategy is one file here and one line in the board's set-up.
pub trait ResetDriver: Send + Sync {
    /// Holds the chip in reset: from here on its former life says nothing.
    fn hold(&self) -> Resetting<'_>;

    /// Releases it; returns when it runs.
    fn release(&self, into: ResetInto) -> Resetting<'_>;

    /// Lets a chip that is held run, because the board is given back. It switches no rails: those are
    /// in their safe state.
    fn end_hold(&self) -> Resetting<'_> {
        self.release(ResetInto::App)
    }

    /// Whether another attempt resets in another way.
    fn varies(&self) -> bool {
        false
    }

    /// What it does, for the timeline.
    fn describe(&self) -> &str;
}
