//! Whether this machine kept time while it judged others: what comes late on a machine that stands still may have been
//! in time.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hil_timeline::{Recorder, Stamp, What};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How often it is looked.
const TICK: Duration = Duration::from_millis(50);

/// Shorter ones are usual, and smaller than what any step tolerates.
const WORTH_TELLING: Duration = Duration::from_millis(100);

/// Watches the clock until it is dropped, and records each time that it came late.
#[derive(Debug)]
pub(crate) struct Stalls {
    recorder: Recorder,
    watched: Arc<Mutex<Watched>>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Watched {
    /// When it is to be looked again.
    due: Instant,
    /// When each stall was over, and how long it was.
    over: Vec<(Stamp, Duration)>,
}

impl Stalls {
    pub(crate) fn watch(recorder: Recorder) -> Self {
        let watched = Arc::new(Mutex::new(Watched { due: Instant::now() + TICK, over: Vec::new() }));
        let (recording, watching) = (recorder.clone(), Arc::clone(&watched));
        let task = tokio::spawn(async move {
            loop {
                let due = lock(&watching).due;
                tokio::time::sleep_until(due).await;
                let mut watched = lock(&watching);
                if let Some(late) = watched.late() {
                    let ms = u64::try_from(late.as_millis()).unwrap_or(u64::MAX);
                    let event = recording.record(What::Stalled { ms });
                    watched.over.push((event.at, late));
                }
                watched.due = Instant::now() + TICK;
            }
        });
        Self { recorder, watched, task }
    }

    /// For how long this machine stood still since then, in all.
    pub(crate) fn since(&self, from: Stamp) -> Duration {
        let watched = lock(&self.watched);
        // Whoever asks may be awake before the watch is.
        let now = watched.late().map(|late| (self.recorder.now(), late));
        watched.over.iter().chain(&now).map(|(over, span)| over.since(from).min(*span)).sum()
    }
}

impl Watched {
    fn late(&self) -> Option<Duration> {
        Some(self.due.elapsed()).filter(|late| *late >= WORTH_TELLING)
    }
}

fn lock(watched: &Mutex<Watched>) -> MutexGuard<'_, Watched> {
    watched.lock().unwrap_or_else(PoisonError::into_inner)
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
        let begin = recorder.now();
        let stalls = Stalls::watch(recorder.clone());
        tokio::task::yield_now().await;
        // Nothing else runs on this thread meanwhile, as on a machine that stands still.
        std::thread::sleep(Duration::from_millis(400));
        let enough = Duration::from_millis(300);
        assert!(stalls.since(begin) >= enough, "seen before it is told");
        let is_told = |event: &RunEvent| matches!(event.what, What::Stalled { .. }).then_some(event.at);
        let deadline = Instant::now() + Duration::from_secs(10);
        let over = timeline.wait_for(Cursor::default(), deadline, is_told).await.expect("told");
        assert!(stalls.since(begin) >= enough);
        let half = Stamp(over.0 - 200_000);
        let counted = lock(&stalls.watched).over[0].0.since(half);
        assert_eq!(counted, Duration::from_millis(200), "of a stall that had begun before, only the rest counts");
    }
}
