//! Whether this machine kept time while it judged others: what comes late on a machine that stands still may have been
//! in time.

use std::sync::Arc;
use std::time::Duration;

use hil_timeline::{Cursor, RunEvent, Timeline, What};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often it is looked.
const TICK: Duration = Duration::from_millis(50);

/// Shorter ones are usual, and smaller than what any step tolerates.
const WORTH_TELLING: Duration = Duration::from_millis(100);

/// Watches the clock until it is dropped, and records each time that it came late.
#[derive(Debug)]
pub(crate) struct Stalls {
    timeline: Timeline,
    /// When it is due to look again.
    due: watch::Receiver<Instant>,
    task: JoinHandle<()>,
}

impl Stalls {
    pub(crate) fn watch(timeline: Timeline) -> Self {
        let (next, due) = watch::channel(Instant::now() + TICK);
        let recorder = timeline.recorder(None);
        let task = tokio::spawn(async move {
            loop {
                let due = *next.borrow();
                tokio::time::sleep_until(due).await;
                if let Some(late) = late(due) {
                    recorder.record(What::Stalled { ms: u64::try_from(late.as_millis()).unwrap_or(u64::MAX) });
                }
                next.send_replace(Instant::now() + TICK);
            }
        });
        Self { timeline, due, task }
    }

    /// For how long this machine stood still since then, in all.
    pub(crate) fn since(&self, from: Cursor) -> Duration {
        let stalled = |event: &Arc<RunEvent>| match event.what {
            What::Stalled { ms } => Some(Duration::from_millis(ms)),
            _ => None,
        };
        // Whoever asks may be awake before the watch is.
        let now = late(*self.due.borrow()).unwrap_or_default();
        self.timeline.since(from).iter().filter_map(stalled).sum::<Duration>() + now
    }
}

fn late(due: Instant) -> Option<Duration> {
    Some(due.elapsed()).filter(|late| *late >= WORTH_TELLING)
}

impl Drop for Stalls {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::Epoch;

    use super::*;

    #[tokio::test]
    async fn a_machine_that_stands_still_is_found_out() {
        let timeline = Timeline::in_memory(Epoch::start());
        let stalls = Stalls::watch(timeline.clone());
        tokio::task::yield_now().await;
        // Nothing else runs on this thread meanwhile, as on a machine that stands still.
        std::thread::sleep(Duration::from_millis(400));
        let enough = Duration::from_millis(300);
        assert!(stalls.since(Cursor::default()) >= enough, "seen before it is told");
        let is_told = |event: &RunEvent| matches!(event.what, What::Stalled { .. }).then_some(());
        let deadline = Instant::now() + Duration::from_secs(10);
        timeline.wait_for(Cursor::default(), deadline, is_told).await.expect("told");
        let told: Duration = stalls.since(Cursor::default());
        assert!(told >= enough, "{told:?}");
    }
}
