//! Whether this machine kept time while it judged others: what comes late on a machine that stands still may have been
//! in time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hil_timeline::{Recorder, Stamp, What};
use hil_verdict::{Stall, Stalled};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often it is looked. A window is judged only once it was looked after its end, so that this is also how much
/// later than its end a verdict is.
const TICK: Duration = Duration::from_millis(10);

/// A look that is later than this is a stall: two ticks. A loaded machine wakes its tasks a few milliseconds late all
/// the time.
pub(crate) const LEAST: Duration = Duration::from_millis(20);

/// Shorter ones are on no record of their own: they are usual, and few of them decide anything.
const WORTH_RECORDING: Duration = Duration::from_millis(100);

/// So many stalls are remembered. At 30 ms each and one right after the other they cover two minutes.
const REMEMBERED: usize = 4096;

/// Watches the clock until it is dropped, records each time that it came far too late, and remembers the rest.
#[derive(Debug)]
pub(crate) struct Stalls {
    watched: Arc<Watched>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Watched {
    over: Mutex<VecDeque<Stall>>,
    /// When it was looked last.
    looked: watch::Sender<Stamp>,
}

impl Stalls {
    pub(crate) fn watch(recorder: Recorder) -> Self {
        let watched = Watched { over: Mutex::default(), looked: watch::Sender::new(recorder.now()) };
        let watched = Arc::new(watched);
        let watching = Arc::clone(&watched);
        let task = tokio::spawn(async move {
            loop {
                let before = *watching.looked.borrow();
                tokio::time::sleep_until(recorder.timeline().epoch().instant(before) + TICK).await;
                watching.look(&recorder, before);
            }
        });
        Self { watched, task }
    }

    /// Waits until it has been looked after a moment: whether that moment lay in a stall is then known.
    pub(crate) async fn looked_after(&self, moment: Stamp) {
        let mut looked = self.watched.looked.subscribe();
        // It looks for as long as the run lasts.
        let _ = looked.wait_for(|at| *at > moment).await;
    }

    /// The stalls that were over after a moment.
    pub(crate) fn since(&self, from: Stamp) -> Vec<Stall> {
        self.watched.over().iter().filter(|stall| stall.caught_up() >= from).copied().collect()
    }

    /// For how long this machine stood still since then, in all: of the stalls that are on the record.
    pub(crate) fn lasted_since(&self, from: Stamp) -> Duration {
        let recorded = |stall: &&Stall| stall.span() >= TICK + WORTH_RECORDING;
        self.since(from).iter().filter(recorded).map(|stall| stall.over.since(from).min(stall.span())).sum()
    }
}

impl Watched {
    fn look(&self, recorder: &Recorder, before: Stamp) {
        // One that holds the record up holds up every stamp.
        let _ = recorder.timeline().end();
        let now = recorder.now();
        let late = now.since(before + TICK);
        if late >= LEAST {
            let mut over = self.over();
            over.truncate(REMEMBERED - 1);
            over.push_front(Stall { who: Stalled::Machine, from: before, over: now });
        }
        if late >= WORTH_RECORDING {
            recorder.record(What::Stalled { ms: u64::try_from(late.as_millis()).unwrap_or(u64::MAX) });
        }
        self.looked.send_replace(now);
    }

    fn over(&self) -> MutexGuard<'_, VecDeque<Stall>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Cursor, Epoch, RunEvent, Timeline};

    use super::*;

    #[tokio::test]
    async fn a_machine_that_stands_still_is_found_out() {
        let timeline = Timeline::in_memory(Epoch::start());
        let recorder = timeline.recorder(None);
        let stalls = Stalls::watch(recorder.clone());
        tokio::task::yield_now().await;
        let begin = recorder.now();
        // Nothing else runs on this thread meanwhile, as on a machine that stands still.
        std::thread::sleep(Duration::from_millis(400));
        let end = recorder.now();
        stalls.looked_after(begin + Duration::from_millis(200)).await;
        let found = stalls.since(begin)[0];
        assert!(found.from <= begin && found.over >= end, "{found:?} hides {begin} to {end}");
        assert!(stalls.lasted_since(begin) >= Duration::from_millis(400));
        let half = Stamp(found.over.0 - 200_000);
        assert_eq!(stalls.lasted_since(half), Duration::from_millis(200), "of a stall that had begun before, the rest");
        let is_recorded = |event: &RunEvent| matches!(event.what, What::Stalled { .. }).then_some(());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        timeline.wait_for(Cursor::default(), deadline, is_recorded).await.expect("recorded");
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_known_only_once_it_was_looked_after_it() {
        let timeline = Timeline::in_memory(Epoch::start());
        let recorder = timeline.recorder(None);
        let stalls = Stalls::watch(recorder.clone());
        let end = recorder.now() + Duration::from_millis(1100);
        stalls.looked_after(end).await;
        assert!(recorder.now() > end && recorder.now() <= end + TICK + Duration::from_millis(1));
        assert_eq!(stalls.since(Stamp(0)), [], "it has kept time");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_stalls_are_remembered_than_are_of_use() {
        let timeline = Timeline::in_memory(Epoch::start());
        let recorder = timeline.recorder(None);
        let stalls = Stalls::watch(recorder.clone());
        for _ in 0..REMEMBERED + 10 {
            let before = recorder.now();
            tokio::time::advance(TICK + LEAST).await;
            stalls.watched.look(&recorder, before);
        }
        assert_eq!(stalls.since(Stamp(0)).len(), REMEMBERED);
        assert!(stalls.since(Stamp(0))[0].over >= recorder.now(), "the latest of them");
    }
}
