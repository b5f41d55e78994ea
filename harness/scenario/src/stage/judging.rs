//! When a window is over, and what is not decided where this machine or the broker stood still over one of its ends.
//!
//! Every step that waits passes through here when nothing came: what must not happen and what did not happen in time
//! rest on the same thing, that all which arrived is on the record. The rule itself is `hil_verdict::Stalls`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hil_timeline::{RunEvent, Stamp};
use hil_verdict::{Holds, Side, Stall, Stalled, Stalls, came_through_broker, undecided, undecided_times};

use super::Stage;
use crate::error::StepError;
use crate::stalls::LEAST;

/// How long stalls that follow each other are waited for. A window whose end is hidden for longer is judged by what
/// came.
const MOST: Duration = Duration::from_secs(2);

/// What the step that runs can't decide.
#[derive(Debug, Default)]
pub(super) struct Judging(Mutex<Open>);

#[derive(Debug, Default)]
struct Open {
    /// The first reason why the step proves nothing.
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
    /// Waits until all that arrived up to a moment is recorded: the clock was looked at after it, what waited for the
    /// end of a stall was read, and the broker has answered.
    pub(crate) async fn settle(&self, end: Stamp) {
        self.read_what_waited(end).await;
        if let Some(slow) = self.broker_stall(end).await {
            self.judging.open().broker.push(slow);
            self.read_what_waited(end).await;
        }
    }

    /// Waits until what arrived up to a moment, while this machine stood still, is read.
    pub(crate) async fn read_what_waited(&self, end: Stamp) {
        let limit = self.recorder.now() + MOST;
        let mut known = end;
        loop {
            self.context.stalls.looked_after(known).await;
            let caught_up = self.stalls_since(end).caught_up(end);
            if caught_up <= self.recorder.now() || known >= limit {
                return;
            }
            known = caught_up.min(limit);
        }
    }

    /// The broker's silence over the end of a window, where it took long to answer. One that a step has stopped or
    /// paused is not asked, nor one that is lost: that is known, and steps about boards say what it means.
    async fn broker_stall(&self, end: Stamp) -> Option<Stall> {
        if self.broker_stopped || !self.observer.is_connected() || self.judging.open().doubt.is_some() {
            return None;
        }
        // Until the last that came through it before it was asked, it has kept time.
        let mine = self.mine(self.mark.cursor);
        let last = mine.iter().rev().find(|event| came_through_broker(event)).map_or(end, |event| event.at);
        match self.observer.caught_up().await {
            Ok(took) if took < LEAST => None,
            Ok(_) => Some(Stall { who: Stalled::Broker, from: last.max(end), over: self.recorder.now() }),
            Err(error) => {
                let hint = "is its process stopped, or this machine overloaded? without a broker that answers, nothing that boards do or leave undone proves anything";
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

    /// Nothing came in a window: what came after its end, and may have arrived before, leaves the step open.
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

    /// Something came in a window, and may have arrived before it began.
    pub(crate) fn judge_beginning(&self, event: &RunEvent, from: Stamp) {
        if let Side::Unknown(stall) = self.stalls_since(from).side(event, from) {
            self.doubt(undecided(stall, "beginning", event, self.mark.at).into());
        }
    }

    /// The same for what the broker does by itself: one that runs in this process does nothing while that stands still.
    pub(crate) fn judge_broker_at(&self, event: &RunEvent, from: Stamp) {
        if !self.broker.kind().can.in_process {
            self.judge_beginning(event, from);
        }
    }

    /// Whether a record that matters to the step lies in its window: for steps that wait with [`Stage::wait_until`] and
    /// look at all records then. Where a stall hides on which side of the end it arrived, the step is errored, whatever
    /// it returns.
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

    /// Whether something that rests on the times between records holds. Where a stall decides it, the step is errored.
    pub(crate) fn holds(&self, holds: Holds, lateness: Duration) -> bool {
        if holds == Holds::Unknown {
            self.doubt(undecided_times(lateness).into());
        }
        holds == Holds::Yes
    }

    /// The step that runs proves nothing. The first reason counts.
    fn doubt(&self, reason: StepError) {
        // The next attempt may find the machine and the broker awake.
        self.judging.open().doubt.get_or_insert(reason.transient());
    }

    /// A step is decided by what is certain, whatever a stall hides beside it.
    pub(crate) fn is_certain(&self) {
        self.judging.open().doubt = None;
    }

    /// Why the step that ends proves nothing, if so; the next one begins without.
    pub(crate) fn take_doubt(&self) -> Option<StepError> {
        std::mem::take(&mut *self.judging.open()).doubt
    }
}
