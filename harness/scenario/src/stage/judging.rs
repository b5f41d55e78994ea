//! When a window is over, and what stays undecided if this machine or the broker stalled at its start or end.
//!
//! Every step that waited in vain passes through here: it may conclude that nothing happened only if everything that
//! arrived is recorded. The rule itself is `hil_verdict::Stalls`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hil_timeline::{RunEvent, Stamp, What};
use hil_verdict::{Holds, Side, Stall, Stalled, Stalls, came_through_broker, show, undecided, undecided_times};

use super::Stage;
use crate::error::StepError;
use crate::stalls::LEAST;

/// How long to wait for the end of consecutive stalls. A window whose end is hidden for longer is judged by what came.
const MOST: Duration = Duration::from_secs(2);

/// What the current step can't decide.
#[derive(Debug, Default)]
pub(super) struct Judging(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// The first reason why the step is inconclusive.
    doubt: Option<StepError>,
    /// When the broker was slow to answer. A step has few windows.
    broker: Vec<Stall>,
}

impl Judging {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage {
    /// Waits until everything that arrived up to a moment is recorded: the clock was checked after it, input delayed by
    /// a stall was read, and the broker has answered.
    pub(crate) async fn settle(&self, end: Stamp) {
        self.read_delayed(end).await;
        if let Some(slow) = self.broker_stall(end).await {
            self.judging.open().broker.push(slow);
            self.read_delayed(end).await;
        }
    }

    /// Waits until what arrived up to a moment while this machine stalled is read.
    pub(crate) async fn read_delayed(&self, end: Stamp) {
        let limit = self.recorder.now() + MOST;
        let mut known = end;
        loop {
            self.context.stalls.checked_after(known).await;
            let caught_up = self.stalls_since(end).caught_up(end);
            if caught_up <= self.recorder.now() || known >= limit {
                return;
            }
            known = caught_up.min(limit);
        }
    }

    /// The stall of a broker that was slow to answer at the end of a window. A stopped, paused or lost broker is not
    /// probed: steps about boards handle that.
    async fn broker_stall(&self, end: Stamp) -> Option<Stall> {
        if self.broker_stopped || !self.observer.is_connected() || self.judging.open().doubt.is_some() {
            return None;
        }
        // It was responsive up to the last packet that came through it before the probe.
        let mine = self.mine(self.mark.cursor);
        let last = mine.iter().rev().find(|event| came_through_broker(event)).map_or(end, |event| event.at);
        match self.observer.caught_up().await {
            Ok(took) if took < LEAST => None,
            Ok(_) => Some(Stall { who: Stalled::Broker, from: last.max(end), over: self.recorder.now() }),
            Err(error) => {
                let hint = "check that its process is not stopped and this machine is not overloaded: without a working broker, nothing that boards do proves anything";
                self.doubt(StepError::from(error).with_hint(hint));
                None
            }
        }
    }

    /// The stalls that may hide what came from a moment on.
    pub(crate) fn stalls_since(&self, from: Stamp) -> Stalls {
        let broker = self.judging.open().broker.clone();
        Stalls::new(self.context.stalls.since(from).into_iter().chain(broker))
    }

    /// Judges a window in which nothing came: a record after its end that may have arrived before makes the step
    /// inconclusive.
    pub(super) async fn judge_end<T>(&self, window: hil_verdict::Window, mut pick: impl FnMut(&RunEvent) -> Option<T>) {
        self.settle(window.until).await;
        let stalls = self.stalls_since(window.until);
        for event in self.mine(window.cursor) {
            if let Side::Unknown(stall) = stalls.side(&event, window.until)
                && pick(&event).is_some()
            {
                self.doubt(undecided(stall, "end", &event, self.mark.at).into());
                return;
            }
        }
    }

    /// Judges a record of a window that may have arrived before it began.
    pub(crate) fn judge_beginning(&self, event: &RunEvent, from: Stamp) {
        if let Side::Unknown(stall) = self.stalls_since(from).side(event, from) {
            self.doubt(undecided(stall, "beginning", event, self.mark.at).into());
        }
    }

    /// The same for actions of the broker: the embedded one stalls together with this process, so it is not in doubt.
    pub(crate) fn judge_broker_at(&self, event: &RunEvent, from: Stamp) {
        if !self.broker.kind().can.in_process {
            self.judge_beginning(event, from);
        }
    }

    /// Judges a window in which nothing came after text was typed or a pin driven: the record of these is made when they
    /// are done, and the board's answer may have come before it.
    pub(super) fn judge_answers<T>(&self, mut pick: impl FnMut(&RunEvent) -> Option<T>) {
        let mine = self.mine(self.mark.cursor);
        let is_stimulus = |what: &What| matches!(what, What::Typed { .. } | What::Pin { .. });
        let done = mine.iter().position(|event| event.at == self.mark.at && is_stimulus(&event.what));
        let during = &mine[..done.unwrap_or_default()];
        if let Some(event) = during.iter().find(|event| !self.is_consumed(event.seq) && pick(event).is_some()) {
            let message = "it came while the action was being carried out: it may be the answer, or be from before";
            let came = format!("came: {}", show(event, self.mark.at));
            self.doubt(StepError::errored(message).with_details([came]));
        }
    }

    /// Whether a record that matters to the step is in its window: for steps that wait with [`Stage::wait_until`] and
    /// then read all records. If a stall hides on which side of the end it arrived, the step is errored, whatever it
    /// returns.
    #[must_use]
    pub fn in_time(&self, event: &RunEvent, until: Stamp) -> bool {
        match self.stalls_since(until).side(event, until) {
            Side::Before => true,
            Side::After => false,
            Side::Unknown(stall) => {
                self.doubt(undecided(stall, "end", event, self.mark.at).into());
                false
            }
        }
    }

    /// Whether a condition on the times between records holds. If a stall decides it, the step is errored.
    pub(crate) fn holds(&self, holds: Holds, lateness: Duration) -> bool {
        if holds == Holds::Unknown {
            self.doubt(undecided_times(lateness).into());
        }
        holds == Holds::Yes
    }

    /// Marks the current step as inconclusive. The first reason counts.
    fn doubt(&self, reason: StepError) {
        // The next attempt may run without stalls.
        self.judging.open().doubt.get_or_insert(reason.transient());
    }

    /// The step's result is certain, whatever a stall hides.
    pub(crate) fn is_certain(&self) {
        self.judging.open().doubt = None;
    }

    /// Takes the reason why the step is inconclusive, if any.
    pub(crate) fn take_doubt(&self) -> Option<StepError> {
        std::mem::take(&mut *self.judging.open()).doubt
    }
}
