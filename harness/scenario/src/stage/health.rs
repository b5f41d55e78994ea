//! The health of a scenario's boards.

use std::sync::Arc;
use std::time::Duration;

use hil_timeline::{Cursor, Finding, RunEvent, ScenarioId, Timeline, What};
use hil_verdict::{Trouble, Violation, trouble, violation};
use tokio::time::Instant;

use super::{Stage, refs};
use crate::error::StepError;
use crate::expectations::Expectations;

/// How long a firmware may take to print its registers and backtrace.
const BACKTRACE: Duration = Duration::from_secs(1);

/// How long a board is observed after its last sign of life. A panic handler prints at once; after a software reset the
/// ROM of an ESP32 has printed its first line by then.
const LISTEN_ON: Duration = Duration::from_millis(50);

/// Watches the boards of a scenario while a step runs.
pub(crate) struct HealthWatch {
    timeline: Timeline,
    scenario: Option<ScenarioId>,
    begin: Cursor,
    /// Earlier records were judged with earlier steps.
    judged: Cursor,
    boards: Vec<String>,
    expectations: Arc<Expectations>,
    /// The current step, counted from 1.
    step: usize,
}

impl Stage {
    /// Watches the boards while the step with this number runs.
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

    /// Waits until the latest sign of a board, or action on one, is [`LISTEN_ON`] old.
    pub(crate) async fn listen_on(&self) {
        let events = self.events();
        let latest = events.iter().rfind(|event| event.what.board().is_some()).map(|event| event.at);
        if let Some(latest) = latest {
            tokio::time::sleep_until(self.instant(latest + LISTEN_ON)).await;
            // Includes a crash that was read only after a stall.
            self.read_delayed(latest + LISTEN_ON).await;
        }
    }

    /// Checks that every board has run without trouble and kept to the protocol so far.
    ///
    /// # Errors
    /// What happened, with the backtrace.
    pub(crate) async fn check_health(
        &mut self,
        expectations: &Arc<Expectations>,
        step: usize,
    ) -> Result<(), StepError> {
        let judged = self.end();
        if let Some(concern) = self.health(expectations, step).concern_so_far().await {
            return Err(self.concerned(&concern));
        }
        self.health_judged = judged;
        Ok(())
    }

    /// A concern as a step error.
    fn concerned(&self, concern: &Concern) -> StepError {
        let unmet = match concern {
            Concern::Trouble(trouble) => trouble.unmet(self.mark.at),
            Concern::Violation(violation) => violation.unmet(self.mark.at),
        };
        StepError::from(unmet).with_details(self.last_words(concern.board()))
    }
}

/// What is wrong with a board.
pub(crate) enum Concern {
    /// It does not run properly.
    Trouble(Trouble),
    /// It breaks the protocol.
    Violation(Violation),
}

impl Concern {
    fn board(&self) -> &str {
        match self {
            Self::Trouble(trouble) => &trouble.board,
            Self::Violation(violation) => &violation.board,
        }
    }

    fn seq(&self) -> u64 {
        match self {
            Self::Trouble(trouble) => trouble.seq,
            Self::Violation(violation) => violation.seq,
        }
    }

    /// Whether all of it is recorded.
    fn is_complete(&self) -> bool {
        match self {
            Self::Trouble(trouble) => trouble.complete,
            Self::Violation(_) => true,
        }
    }

    /// What happened, for people.
    pub(crate) fn what(&self) -> String {
        match self {
            Self::Trouble(trouble) => trouble.what(),
            Self::Violation(violation) => violation.what(),
        }
    }
}

impl HealthWatch {
    /// Waits for the first concern.
    pub(crate) async fn concern(&self) -> Concern {
        let mut follower = self.timeline.follow(self.timeline.end());
        loop {
            if let Some(concern) = self.concern_so_far().await {
                return concern;
            }
            while !self.matters(&*follower.next().await) {}
        }
    }

    /// The first concern so far, with all that the firmware prints about it.
    async fn concern_so_far(&self) -> Option<Concern> {
        let mut found = self.look()?;
        let deadline = Instant::now() + BACKTRACE;
        let mut follower = self.timeline.follow(Cursor(found.seq() + 1));
        while !found.is_complete() {
            let next = async { while !self.matters(&*follower.next().await) {} };
            if tokio::time::timeout_at(deadline, next).await.is_err() {
                break;
            }
            found = self.look()?;
        }
        Some(found)
    }

    fn matters(&self, event: &RunEvent) -> bool {
        let matters = matches!(event.what, What::Found { .. } | What::ProtocolViolation { .. });
        event.scenario == self.scenario && matters
    }

    fn look(&self) -> Option<Concern> {
        let mut events = self.timeline.since(self.begin);
        events.retain(|event| event.scenario == self.scenario);
        let events = refs(&events);
        let allows = |board: &str| self.expectations.allows_violations(board);
        let violation = violation(&events, &allows).map(Concern::Violation);
        let expects =
            |board: &str, finding: Finding, detail: &str| self.expectations.expects(self.step, board, finding, detail);
        let troubles = self.boards.iter().filter_map(|board| trouble(board, &events, self.judged, &expects));
        troubles.map(Concern::Trouble).chain(violation).min_by_key(Concern::seq)
    }
}
