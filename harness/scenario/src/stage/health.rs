//! Whether the boards of a scenario run as they should.

use std::sync::Arc;
use std::time::Duration;

use hil_timeline::{Cursor, Finding, RunEvent, ScenarioId, Timeline, What};
use hil_verdict::{Trouble, trouble};
use tokio::time::Instant;

use super::{Stage, refs};
use crate::error::StepError;
use crate::expectations::Expectations;

/// How long a firmware may take to print its registers and backtrace.
const BACKTRACE: Duration = Duration::from_secs(1);

/// Looks after the boards of a scenario while one of its steps runs.
pub(crate) struct HealthWatch {
    timeline: Timeline,
    scenario: Option<ScenarioId>,
    begin: Cursor,
    /// What came before was judged with the steps of then.
    judged: Cursor,
    boards: Vec<String>,
    expectations: Arc<Expectations>,
    /// The step that runs, counted from 1.
    step: usize,
}

impl Stage {
    /// Looks after the boards while the step with this number runs.
    pub(crate) fn health(&self, expectations: &Arc<Expectations>, step: usize) -> HealthWatch {
        HealthWatch {
            timeline: self.recorder.timeline().clone(),
            scenario: self.recorder.scenario(),
            begin: self.begin,
            judged: self.health_judged,
            boards: self.boards.keys().cloned().collect(),
            expectations: Arc::clone(expectations),
            step,
        }
    }

    /// Every board ran as it should up to now, and kept to the protocol.
    ///
    /// # Errors
    /// Says what happened, with the backtrace that belongs to it.
    pub(crate) async fn check_health(
        &mut self,
        expectations: &Arc<Expectations>,
        step: usize,
    ) -> Result<(), StepError> {
        let judged = self.end();
        if let Some(trouble) = self.health(expectations, step).trouble_so_far().await {
            return Err(self.troubled(&trouble));
        }
        self.health_judged = judged;
        self.check_protocol(|board| expectations.allows_violations(board))
    }

    /// A board in trouble as the reason why a step did not pass.
    pub(crate) fn troubled(&self, trouble: &Trouble) -> StepError {
        StepError::from(trouble.unmet(self.mark.at)).with_details(self.last_words(&trouble.board))
    }
}

impl HealthWatch {
    /// Waits until a board is in trouble.
    pub(crate) async fn trouble(&self) -> Trouble {
        let mut follower = self.timeline.follow(self.timeline.end());
        loop {
            if let Some(trouble) = self.trouble_so_far().await {
                return trouble;
            }
            // Only what the console's detectors find can be trouble.
            while !self.is_finding(&*follower.next().await) {}
        }
    }

    /// The trouble that a board is in, with all that its firmware prints about it.
    pub(crate) async fn trouble_so_far(&self) -> Option<Trouble> {
        let mut found = self.look()?;
        let deadline = Instant::now() + BACKTRACE;
        let mut follower = self.timeline.follow(Cursor(found.seq + 1));
        while !found.complete {
            let next = async { while !self.is_finding(&*follower.next().await) {} };
            if tokio::time::timeout_at(deadline, next).await.is_err() {
                break;
            }
            found = self.look()?;
        }
        Some(found)
    }

    fn is_finding(&self, event: &RunEvent) -> bool {
        event.scenario == self.scenario && matches!(event.what, What::Found { .. })
    }

    fn look(&self) -> Option<Trouble> {
        let mut events = self.timeline.since(self.begin);
        events.retain(|event| event.scenario == self.scenario);
        let events = refs(&events);
        let expects =
            |board: &str, finding: Finding, detail: &str| self.expectations.expects(self.step, board, finding, detail);
        let troubles = self.boards.iter().filter_map(|board| trouble(board, &events, self.judged, &expects));
        troubles.min_by_key(|trouble| trouble.seq)
    }
}
