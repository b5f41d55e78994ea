//! The ordered record, and waiting for events.

mod follower;
mod lines;
mod recorder;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

pub use self::follower::Follower;
pub use self::lines::LineFollower;
pub use self::recorder::Recorder;
use crate::event_log::RECORD_LIMIT;
use crate::store::Store;
use crate::{Epoch, HostName, Mask, RunEvent, ScenarioId, Stamp, What};

/// A place in the timeline: only records from here on match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Cursor(pub u64);

impl Cursor {
    /// The place after an event.
    #[must_use]
    pub fn after(event: &RunEvent) -> Self {
        Self(event.seq + 1)
    }
}

/// Where and when an event was recorded, if not here and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The host.
    pub host: HostName,
    /// When, on the clock of this run.
    pub at: Stamp,
}

/// The deadline passed and nothing matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing matched before the deadline")]
pub struct TimedOut;

/// The one ordered record of a run. Cheap to clone; all clones are the same record.
///
/// # Example
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use std::time::Duration;
/// use hil_timeline::{Cursor, Epoch, Timeline, What};
///
/// let timeline = Timeline::in_memory(Epoch::start());
/// timeline.record(None, What::Console { board: "lamp".into(), line: "mqtt running".into() });
/// let deadline = tokio::time::Instant::now() + Duration::from_secs(1);
/// let line = timeline
///     .wait_for(Cursor::default(), deadline, |event| match &event.what {
///         What::Console { line, .. } => Some(line.clone()),
///         _ => None,
///     })
///     .await;
/// assert_eq!(line.unwrap(), "mqtt running");
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct Timeline {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    epoch: Epoch,
    record: Mutex<Store>,
    /// The number of events; a change wakes waiting tasks.
    length: watch::Sender<u64>,
    /// Whether the file has reached its limit.
    full: watch::Sender<bool>,
}

impl Timeline {
    /// A timeline that is kept in memory only.
    #[must_use]
    pub fn in_memory(epoch: Epoch) -> Self {
        let record = Mutex::new(Store::new());
        Self {
            inner: Arc::new(Inner { epoch, record, length: watch::Sender::new(0), full: watch::Sender::new(false) }),
        }
    }

    /// A timeline that is also written to a new file.
    ///
    /// # Errors
    /// When the file exists or can't be created.
    pub fn in_file(epoch: Epoch, path: &Path) -> std::io::Result<Self> {
        let timeline = Self::in_memory(epoch);
        timeline.write_to(path, Mask::default(), RECORD_LIMIT)?;
        Ok(timeline)
    }

    /// From now on also writes to a new file, without secrets; earlier records are written first.
    ///
    /// Beyond `limit` bytes (see [`RECORD_LIMIT`]) only the progress of scenarios and steps is written; the first
    /// event that is left out is followed by [`What::RecordFull`], and the run's end is preceded by a count of what
    /// was left out.
    ///
    /// # Errors
    /// When the file exists or can't be created.
    pub fn write_to(&self, path: &Path, mask: Mask, limit: u64) -> std::io::Result<()> {
        self.lock().write_to(path, mask, limit)
    }

    /// Keeps only the newest events, for a timeline without a file that runs for hours: so many console lines, so
    /// many other events, and at most 64 MiB of each.
    pub fn forget_after(&self, events: usize) {
        self.lock().forget_after(events);
    }

    /// Waits until something is left out of the file because of its size.
    pub async fn full(&self) {
        // The sender lives in this timeline.
        let _ = self.inner.full.subscribe().wait_for(|full| *full).await;
    }

    /// Whether something was left out of the file because of its size.
    #[must_use]
    pub fn is_full(&self) -> bool {
        *self.inner.full.borrow()
    }

    /// The run's clock.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.inner.epoch
    }

    /// Stamps and appends an event, and wakes all waiting tasks.
    pub fn record(&self, scenario: Option<ScenarioId>, what: What) -> Arc<RunEvent> {
        let mut events = self.record_all(scenario, vec![what]);
        // One for each that was given.
        events.pop().unwrap_or_else(|| unreachable!("an event was recorded"))
    }

    /// Stamps and appends simultaneous events, in this order and with nothing in between, and wakes all waiting tasks.
    pub fn record_all(&self, scenario: Option<ScenarioId>, all: Vec<What>) -> Vec<Arc<RunEvent>> {
        self.append(None, scenario, all)
    }

    /// Appends an event that the agent of a host has recorded, with the stamp that it gave it, on this run's clock. The
    /// events of one host are in order; those of several are in the order in which they come here.
    pub fn record_of(&self, origin: Origin, scenario: Option<ScenarioId>, what: What) {
        self.append(Some(origin), scenario, vec![what]);
    }

    fn append(&self, origin: Option<Origin>, scenario: Option<ScenarioId>, all: Vec<What>) -> Vec<Arc<RunEvent>> {
        let mut record = self.lock();
        // Stamped under the lock: the order of the stamps is the order of the record.
        let stamp = || (self.inner.epoch.now(), None);
        let stamp = origin.map_or_else(stamp, |origin| (origin.at, Some(origin.host)));
        let events = record.record(stamp, scenario, all);
        let (length, is_full) = (record.len(), record.is_full());
        drop(record);
        self.inner.length.send_modify(|known| *known = (*known).max(length));
        self.inner.full.send_if_modified(|known| std::mem::replace(known, is_full || *known) != *known);
        events
    }

    /// A handle that records for one scenario.
    #[must_use]
    pub fn recorder(&self, scenario: Option<ScenarioId>) -> Recorder {
        Recorder { timeline: self.clone(), scenario }
    }

    /// The place after the newest record.
    #[must_use]
    pub fn end(&self) -> Cursor {
        Cursor(self.lock().len())
    }

    /// The records from `from` to the newest, except old console lines: only the newest of those are in memory.
    /// [`Timeline::follow`] returns all of them.
    #[must_use]
    pub fn since(&self, from: Cursor) -> Vec<Arc<RunEvent>> {
        self.lock().since(from.0)
    }

    /// Waits for the first record from `from` on that `pick` accepts.
    ///
    /// Woken by each record, without polling. Existing records are checked first, so that a deadline in the past still
    /// finds them.
    ///
    /// # Errors
    /// [`TimedOut`] if nothing was accepted before `deadline`.
    pub async fn wait_for<T>(
        &self,
        from: Cursor,
        deadline: Instant,
        mut pick: impl FnMut(&RunEvent) -> Option<T>,
    ) -> Result<T, TimedOut> {
        let mut follower = self.follow(from);
        loop {
            let event = tokio::time::timeout_at(deadline, follower.next()).await.map_err(|_| TimedOut)?;
            if let Some(taken) = pick(&event) {
                return Ok(taken);
            }
        }
    }

    /// Reads the records one by one from `from` on, and waits at the end for new ones.
    #[must_use]
    pub fn follow(&self, from: Cursor) -> Follower {
        Follower { length: self.inner.length.subscribe(), timeline: self.clone(), next: from.0, read: VecDeque::new() }
    }

    /// Reads the lines of the file one by one as they are written, without the secrets; none if there is no file.
    ///
    /// # Errors
    /// When the file can't be opened.
    pub fn lines(&self) -> std::io::Result<Option<LineFollower>> {
        let path = self.lock().path().map(Path::to_owned);
        path.map(|path| LineFollower::open(&path, self.inner.length.subscribe())).transpose()
    }

    /// Why the events could not be written to the file, if so.
    #[must_use]
    pub fn write_failure(&self) -> Option<String> {
        self.lock().write_failure()
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.inner.record.lock()
    }
}

#[cfg(test)]
mod tests;
