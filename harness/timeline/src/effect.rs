//! When an action took effect.

use crate::{Cursor, RunEvent, Stamp};

/// When an action took effect, as recorded by the part that carried it out.
///
/// An action takes time: a relay switches, a chip is released from reset. What happens between its beginning and its
/// effect may already be caused by it, so records from the beginning on match; deadlines count from the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Effect {
    /// Records from here on may be caused by the action.
    pub cursor: Cursor,
    /// When it took effect.
    pub at: Stamp,
}

impl Effect {
    /// The effect of an instantaneous action: only later records may be caused by it.
    #[must_use]
    pub fn of(event: &RunEvent) -> Self {
        Self { cursor: Cursor::after(event), at: event.at }
    }

    /// The effect of an action that began at a place in the timeline and took effect with a record.
    #[must_use]
    pub fn since(begin: Cursor, effect: &RunEvent) -> Self {
        Self { cursor: begin, at: effect.at }
    }
}
