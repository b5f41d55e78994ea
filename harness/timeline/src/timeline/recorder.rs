//! Recording for one scenario.

use std::sync::Arc;

use super::Timeline;
use crate::{RunEvent, ScenarioId, Stamp, What};

/// Records for one scenario (or for none).
#[derive(Debug, Clone)]
pub struct Recorder {
    pub(super) timeline: Timeline,
    pub(super) scenario: Option<ScenarioId>,
}

impl Recorder {
    /// See [`Timeline::record`].
    pub fn record(&self, what: What) -> Arc<RunEvent> {
        self.timeline.record(self.scenario, what)
    }

    /// See [`Timeline::record_all`].
    pub fn record_all(&self, all: Vec<What>) -> Vec<Arc<RunEvent>> {
        self.timeline.record_all(self.scenario, all)
    }

    /// Its timeline.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The scenario it records for.
    #[must_use]
    pub fn scenario(&self) -> Option<ScenarioId> {
        self.scenario
    }

    /// Now, on the run's clock.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.timeline.epoch().now()
    }
}
