//! Times within events.

use std::time::Duration;

use super::{RunEvent, What};
use crate::Stamp;

impl RunEvent {
    /// Moves the event, and every time that it names, to a clock that began so much earlier.
    pub fn shift(&mut self, by: Duration) {
        self.at = self.at + by;
        for stamp in self.what.stamps() {
            *stamp = *stamp + by;
        }
    }
}

impl What {
    /// Every time on the run's clock that it names, besides its own.
    fn stamps(&mut self) -> Vec<&mut Stamp> {
        match self {
            Self::StepFinished { outcome } => outcome.mark.iter_mut().chain(&mut outcome.deadline).collect(),
            Self::WillWindow { from, until, .. } => vec![from, until],
            Self::Pin { edge: Some(edge), .. } => vec![&mut edge.at],
            Self::Gauge { came, .. } => vec![came],
            _ => Vec::new(),
        }
    }
}
