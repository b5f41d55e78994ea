//! The scenario that a board's events belong to.

use std::sync::Arc;

use hil_timeline::{Recorder, RunEvent, Timeline, What};
use parking_lot::Mutex;

/// Records for a board, on behalf of the scenario that owns it at the moment.
#[derive(Debug, Clone)]
pub struct Scope {
    board: Arc<str>,
    recorder: Arc<Mutex<Recorder>>,
}

impl Scope {
    /// A board, outside of scenarios at first.
    #[must_use]
    pub fn new(board: &str, timeline: &Timeline) -> Self {
        Self { board: board.into(), recorder: Arc::new(Mutex::new(timeline.recorder(None))) }
    }

    /// The board's name.
    #[must_use]
    pub fn board(&self) -> &str {
        &self.board
    }

    /// From now on events belong to this recorder's scenario.
    pub(crate) fn enter(&self, recorder: Recorder) {
        *self.recorder.lock() = recorder;
    }

    /// The current recorder.
    #[must_use]
    pub fn recorder(&self) -> Recorder {
        self.recorder.lock().clone()
    }

    pub(crate) fn record(&self, what: impl FnOnce(String) -> What) -> Arc<RunEvent> {
        self.recorder().record(what(self.board.to_string()))
    }

    /// Records what belongs together at once.
    pub(crate) fn record_all(&self, all: impl Iterator<Item = What>) {
        self.recorder().record_all(all.collect::<Vec<_>>());
    }

    pub(crate) fn note(&self, note: impl Into<String>) {
        self.record(|board| What::Bench { board, note: note.into() });
    }
}
