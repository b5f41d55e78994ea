//! Switching a board's supply.

use std::pin::Pin;

use crate::error::BenchError;

/// What a driver promises: boxed, so that drivers can be chosen at run time.
pub type Switching<'a> = Pin<Box<dyn Future<Output = Result<(), BenchError>> + Send + 'a>>;

/// Switches one rail. A new kind is one file here and one line in the board's set-up.
pub trait PowerDriver: Send + Sync {
    /// Switches the rail; returns when it has switched.
    fn switch(&self, on: bool) -> Switching<'_>;

    /// The rail's name for the timeline.
    fn rail(&self) -> &str;
}
