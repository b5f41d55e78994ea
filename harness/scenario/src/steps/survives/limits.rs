//! Whose time is over: the board's, or that of the step.

use std::time::Duration;

use hil_timeline::Stamp;
use hil_verdict::seconds;

use super::Trial;
use crate::error::StepError;

/// Until when something may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) until: Stamp,
    /// The step's own time is over before the board's is.
    is_short: bool,
}

impl Due {
    /// The step's time is the board's.
    pub(super) fn step(until: Stamp) -> Self {
        Self { until, is_short: false }
    }

    /// The board may take so long from now on, if the step's time allows it.
    fn of(now: Stamp, limit: Duration, step: Stamp) -> Self {
        Self { until: (now + limit).min(step), is_short: step < now + limit }
    }
}

impl Trial<'_> {
    /// Until when the board may take the update: twice as long as it took undisturbed, and the time to connect.
    pub(super) fn due_to_take(&self) -> Due {
        let limit = 2 * self.takes + self.stage.connects_within(self.board);
        Due::of(self.stage.recorder().now(), limit, self.until)
    }

    /// Checks that the step has time left.
    pub(super) fn check_time(&self) -> Result<(), StepError> {
        if self.stage.recorder().now() < self.until { Ok(()) } else { Err(self.too_short()) }
    }

    /// Checks that there are as many moments as are asked for.
    pub(super) fn check_count(&self, moments: usize) -> Result<(), StepError> {
        let (times, word) = (self.times, self.disturbance.word());
        if moments >= times {
            return Ok(());
        }
        let message = format!("the update has only {moments} operations of the flash, too few for {times} {word}s");
        Err(StepError::errored(message).with_hint(format!("ask for {moments} at most")))
    }

    /// The step can't go on: its own time is over.
    pub(super) fn too_short(&self) -> StepError {
        let (done, times, word) = (self.done, self.times, self.disturbance.word());
        let message = format!("{done} of {times} {word}s are done and the time is over: `within` is too short");
        let takes = seconds(self.takes);
        StepError::errored(message)
            .with_hint(format!("the undisturbed update took {takes}, and each {word} takes up to about twice as long"))
    }

    /// Something has not come in time. What is not seen, or not waited for, is not the board's.
    pub(super) fn late(&self, due: Due, message: String) -> StepError {
        if let Err(unseen) = self.stage.check_console(self.board) {
            return unseen;
        }
        if due.is_short { self.too_short() } else { self.failed(message) }
    }

    pub(super) fn failed(&self, message: String) -> StepError {
        StepError::failed(message).with_details(self.stage.last_words(self.board))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_ends_before_the_board_must_be_done_is_too_short() {
        let (now, limit) = (Stamp(1_000_000), Duration::from_secs(2));
        assert_eq!(Due::of(now, limit, Stamp(2_000_000)), Due { until: Stamp(2_000_000), is_short: true });
        assert_eq!(Due::of(now, limit, Stamp(3_000_000)), Due { until: Stamp(3_000_000), is_short: false });
        assert_eq!(Due::of(now, limit, Stamp(9_000_000)), Due { until: Stamp(3_000_000), is_short: false });
    }
}
