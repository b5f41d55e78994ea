//! Which records a rule considers.

use hil_timeline::{Cursor, RunEvent, ScenarioId, Stamp};

/// The records of one scenario from a place in the timeline up to a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Only records of this scenario count.
    pub scenario: Option<ScenarioId>,
    /// Records from here on count: effects may be recorded before their action is complete.
    pub cursor: Cursor,
    /// Earlier records don't count. Steps that expect something leave it at zero; steps about what must not happen
    /// begin when the action took effect.
    pub from: Stamp,
    /// Later records don't count.
    pub until: Stamp,
}

impl Window {
    /// Whether a record counts.
    #[must_use]
    pub fn admits(&self, event: &RunEvent) -> bool {
        event.seq >= self.cursor.0 && event.at >= self.from && event.at <= self.until && event.scenario == self.scenario
    }
}

/// The first record of a window that `pick` accepts, with its number.
pub fn first_in<'a, T>(
    events: impl IntoIterator<Item = &'a RunEvent>,
    window: Window,
    mut pick: impl FnMut(&RunEvent) -> Option<T>,
) -> Option<(u64, T)> {
    let admitted = events.into_iter().filter(|event| window.admits(event));
    admitted.into_iter().find_map(|event| Some((event.seq, pick(event)?)))
}
