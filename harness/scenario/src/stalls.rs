//! Stalls of this machine: what is late on a stalled machine may have been in time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hil_timeline::{Recorder, Stamp, What};
use hil_verdict::{Stall, Stalled};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How often the clock is checked. A window is judged after the first check past its end, so this also delays verdicts.
const TICK: Duration = Duration::from_millis(10);

/// A check that is this late is a stall: two ticks. A loaded machine often wakes its tasks a few milliseconds late.
pub(crate) const LEAST: Duration = Duration::from_millis(20);

/// Shorter stalls are not recorded: they are common and rarely matter.
const WORTH_RECORDING: Duration = Duration::from_millis(100);

/// How many stalls are remembered. Back to back, at 30 ms each, they cover two minutes.
const REMEMBERED: usize = 4096;

/// Checks the clock until it is dropped, records long stalls and remembers all of them.
#[derive(Debug)]
pub(crate) struct Stalls {
    watched: Arc<Watched>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Watched {
    over: Mutex<VecDeque<Stall>>,
    /// The time of the last check.
    checked: watch::Sender<Stamp>,
}

impl Stalls {
    pub(crate) fn watch(recorder: Recorder) -> Self {
        let watched = Watched { over: Mutex::default(), checked: watch::Sender::new(recorder.now()) };
        let watched = Arc::new(watched);
        let watching = Arc::clone(&watched);
        let task = tokio::spawn(async move {
            loop {
                let before = *watching.checked.borrow();
                tokio::time::sleep_until(recorder.timeline().epoch().instant(before) + TICK).await;
                watching.check(&recorder, before);
            }
        });
        Self { watched, task }
    }

    /// Waits for the first check after a moment: then it is known whether that moment was in a stall.
    pub(crate) async fn checked_after(&self, moment: Stamp) {
        let mut checked = self.watched.checked.subscribe();
        // Checks go on for the whole run.
        let _ = checked.wait_for(|at| *at > moment).await;
    }

    /// The stalls that ended after a moment.
    pub(crate) fn since(&self, from: Stamp) -> Vec<Stall> {
        self.watched.over().iter().filter(|stall| stall.caught_up() >= from).copied().collect()
    }

    /// How long this machine stalled since then in total; recorded stalls only.
    pub(crate) fn lasted_since(&self, from: Stamp) -> Duration {
        let recorded = |stall: &&Stall| stall.span() >= TICK + WORTH_RECORDING;
        self.since(from).iter().filter(recorded).map(|stall| stall.over.since(from).min(stall.span())).sum()
    }
}

impl Watched {
    fn check(&self, recorder: &Recorder, before: Stamp) {
        // A blocked record delays every stamp, so it counts as a stall.
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
        self.checked.send_replace(now);
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
    async fn a_stalled_machine_is_found() {
        let timeline = Timeline::in_memory(Epoch::start());
        let recorder = timeline.recorder(None);
        let stalls = Stalls::watch(recorder.clone());
        tokio::task::yield_now().await;
        let begin = recorder.now();
        // Nothing else runs on this thread meanwhile, as on a stalled machine.
        std::thread::sleep(Duration::from_millis(400));
        let end = recorder.now();
        stalls.checked_after(begin + Duration::from_millis(200)).await;
        let found = stalls.since(begin)[0];
        assert!(found.from <= begin && found.over >= end, "{found:?} hides {begin} to {end}");
        assert!(stalls.lasted_since(begin) >= Duration::from_millis(400));
        let half = Stamp(found.over.0 - 200_000);
        assert_eq!(
            stalls.lasted_since(half),
            Duration::from_millis(200),
            "only the rest of a stall that started before"
        );
        let is_recorded = |event: &RunEvent| matches!(event.what, What::Stalled { .. }).then_some(());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        timeline.wait_for(Cursor::default(), deadline, is_recorded).await.expect("recorded");
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_is_known_only_after_a_later_check() {
        let timeline = Timeline::in_memory(Epoch::start());
        let recorder = timeline.recorder(None);
        let stalls = Stalls::watch(recorder.clone());
        let end = recorder.now() + Duration::from_millis(1100);
        stalls.checked_after(end).await;
        assert!(recorder.now() > end && recorder.now() <= end + TICK + Duration::from_millis(1));
        assert_eq!(stalls.since(Stamp(0)), [], "no stall");
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_remembered_stalls_is_limited() {
        let timeline = Timeline::in_memory(Epoch::start());
        let recorder = timeline.recorder(None);
        let stalls = Stalls::watch(recorder.clone());
        for _ in 0..REMEMBERED + 10 {
            let before = recorder.now();
            tokio::time::advance(TICK + LEAST).await;
            stalls.watched.check(&recorder, before);
        }
        assert_eq!(stalls.since(Stamp(0)).len(), REMEMBERED);
        assert!(stalls.since(Stamp(0))[0].over >= recorder.now(), "the latest is kept");
    }
}
