//! The ordered record, and waiting for events.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::event_log::RECORD_LIMIT;
use crate::store::{Place, Store};
use crate::{Epoch, Mask, RunEvent, ScenarioId, Stamp, What};

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
        let mut record = self.lock();
        // Stamped under the lock: the order of the stamps is the order of the record.
        let events = record.record(self.inner.epoch.now(), scenario, all);
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

    /// Why the events could not be written to the file, if so.
    #[must_use]
    pub fn write_failure(&self) -> Option<String> {
        self.lock().write_failure()
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.inner.record.lock()
    }
}

/// Reads a timeline in order, see [`Timeline::follow`].
#[derive(Debug)]
pub struct Follower {
    timeline: Timeline,
    length: watch::Receiver<u64>,
    next: u64,
    /// Read from disk and not yet returned.
    read: VecDeque<Arc<RunEvent>>,
}

impl Follower {
    /// The next record; waits for it. Cancel-safe: a record is taken only when it is returned.
    pub async fn next(&mut self) -> Arc<RunEvent> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.next = event.seq + 1;
                return event;
            }
            let place = self.timeline.lock().get(self.next);
            match place {
                Place::Here(event) => {
                    self.next = event.seq + 1;
                    return event;
                }
                Place::OnDisk(events) => {
                    self.read = events;
                    continue;
                }
                Place::Gone(next) => {
                    self.next = next;
                    continue;
                }
                Place::Ahead => {}
            }
            let next = self.next;
            if self.length.wait_for(|length| *length > next).await.is_err() {
                // The sender lives in the timeline that this follower holds.
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Records for one scenario (or for none).
#[derive(Debug, Clone)]
pub struct Recorder {
    timeline: Timeline,
    scenario: Option<ScenarioId>,
}

impl Recorder {
    /// See [`Timeline::record`].
    pub fn record(&self, what: What) -> Arc<RunEvent> {
        self.timeline.record(self.scenario, what)
    }

    /// See [`Timeline::record_all`].
    pub fn record_all(&self, all: Vec<What>) -> Vec<Arc<RunEvent>> {
        self.timeline.record_all(self.scenario, all)
    }

    /// Its timeline.
    #[must_use]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The scenario it records for.
    #[must_use]
    pub fn scenario(&self) -> Option<ScenarioId> {
        self.scenario
    }

    /// Now, on the run's clock.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.timeline.epoch().now()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::read_events;

    fn line(text: &str) -> What {
        What::Console { board: "lamp".into(), line: text.into() }
    }

    fn text(event: &RunEvent) -> Option<String> {
        match &event.what {
            What::Console { line, .. } => Some(line.clone()),
            _ => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_record_wakes_the_waiting_step_at_once() {
        let timeline = Timeline::in_memory(Epoch::start());
        let writer = timeline.clone();
        let start = Instant::now();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            writer.record(None, line("late"));
        });
        let found = timeline.wait_for(timeline.end(), start + Duration::from_secs(10), text).await;
        assert_eq!(found.as_deref(), Ok("late"));
        assert_eq!(start.elapsed(), Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_a_wait_that_nothing_matches() {
        let timeline = Timeline::in_memory(Epoch::start());
        timeline.record(None, line("other"));
        let start = Instant::now();
        let found = timeline
            .wait_for(Cursor::default(), start + Duration::from_secs(2), |event| text(event).filter(|t| t == "mine"))
            .await;
        assert_eq!(found, Err(TimedOut));
        assert_eq!(start.elapsed(), Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn records_before_the_cursor_do_not_match() {
        let timeline = Timeline::in_memory(Epoch::start());
        let first = timeline.record(None, line("old"));
        let past = Instant::now();
        assert_eq!(timeline.wait_for(Cursor::after(&first), past, text).await, Err(TimedOut));
        assert_eq!(timeline.wait_for(Cursor::default(), past, text).await.as_deref(), Ok("old"));
    }

    #[tokio::test]
    async fn a_line_with_a_secret_is_found_however_old_it_is() {
        let folder = tempfile::tempdir().expect("folder");
        let timeline = Timeline::in_memory(Epoch::start());
        let path = folder.path().join("events.jsonl");
        timeline.write_to(&path, Mask::new(["wonderland".to_owned()]), RECORD_LIMIT).expect("new file");
        timeline.lock().keep(100, usize::MAX);
        timeline.record(None, line("key: wonderland"));
        (0..500).for_each(|n| drop(timeline.record(None, line(&format!("line {n}")))));
        assert!(timeline.lock().in_memory() < 110);
        let is_it = |event: &RunEvent| text(event).filter(|text| text == "key: wonderland");
        assert!(timeline.wait_for(Cursor::default(), Instant::now(), is_it).await.is_ok());
        let written = std::fs::read_to_string(&path).expect("record");
        assert!(!written.contains("wonderland") && written.contains("key: ••••"));
    }

    #[tokio::test]
    async fn many_writers_get_one_order() {
        let timeline = Timeline::in_memory(Epoch::start());
        let threads: Vec<_> = (0..4)
            .map(|n| {
                let timeline = timeline.clone();
                std::thread::spawn(move || {
                    for i in 0..500 {
                        timeline.record(Some(ScenarioId(n)), line(&i.to_string()));
                    }
                })
            })
            .collect();
        let mut follower = timeline.follow(Cursor::default());
        let mut last = Stamp::default();
        for seq in 0..2000 {
            let event = follower.next().await;
            assert_eq!(event.seq, seq);
            assert!(event.at >= last);
            last = event.at;
        }
        for thread in threads {
            thread.join().expect("writer");
        }
    }

    #[tokio::test]
    async fn old_console_lines_are_read_from_the_disk() {
        let folder = tempfile::tempdir().expect("folder");
        let timeline = Timeline::in_file(Epoch::start(), &folder.path().join("events.jsonl")).expect("new file");
        timeline.lock().keep(100, usize::MAX);
        let start = timeline.end();
        timeline.record(None, What::RunFinished { exit_code: 7 });
        for n in 0..5000 {
            timeline.record(None, line(&n.to_string()));
        }
        let in_memory = timeline.since(start);
        assert_eq!(in_memory.len(), 101, "the newest lines, and everything that is not a line");
        assert_eq!(in_memory[0].what, What::RunFinished { exit_code: 7 });
        let mut follower = timeline.follow(start);
        for seq in 0..5001 {
            assert_eq!(follower.next().await.seq, seq);
        }
        let past = Instant::now();
        let old = timeline.wait_for(start, past, |event| text(event).filter(|text| text == "17")).await;
        assert_eq!(old.as_deref(), Ok("17"));
    }

    #[tokio::test]
    async fn simultaneous_records_are_found_by_number_in_memory_and_on_disk() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("events.jsonl");
        let timeline = Timeline::in_file(Epoch::start(), &path).expect("new file");
        timeline.lock().keep(100, usize::MAX);
        let mut next = 0;
        for size in (0..40).cycle().take(200) {
            let all = (next..next + size).map(|n| line(&n.to_string())).collect();
            let events = timeline.record_all(Some(ScenarioId(1)), all);
            assert!(events.iter().map(|event| event.seq).eq(next..next + size));
            next += size;
        }
        let mut follower = timeline.follow(Cursor::default());
        for seq in 0..next {
            let event = follower.next().await;
            assert_eq!((event.seq, text(&event)), (seq, Some(seq.to_string())));
        }
        assert_eq!(read_events(&path).expect("readable").len() as u64, next);
    }

    #[tokio::test]
    async fn a_forgetful_timeline_keeps_the_newest_lines_only() {
        let timeline = Timeline::in_memory(Epoch::start());
        timeline.forget_after(10);
        for n in 0..50 {
            timeline.record(None, line(&n.to_string()));
        }
        let first = timeline.follow(Cursor::default()).next().await;
        assert_eq!(text(&first).as_deref(), Some("40"));
    }

    fn packet(size: usize) -> What {
        let packet = crate::Packet::Pingreq;
        let board = "lamp".into();
        let direction = crate::Direction::FromBoard;
        What::Packet { board, connection: 1, direction, bytes: size, disposition: None, answer_us: None, packet }
    }

    #[tokio::test]
    async fn a_record_at_its_limit_reports_what_it_leaves_out_and_continues_with_the_progress_of_scenarios() {
        const LIMIT: u64 = 20_000;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("events.jsonl");
        let timeline = Timeline::in_memory(Epoch::start());
        timeline.write_to(&path, Mask::default(), LIMIT).expect("new file");
        timeline.lock().keep(100, usize::MAX);
        let follower = timeline.clone();
        for n in 0..1000 {
            timeline.record(Some(ScenarioId(1)), line(&n.to_string()));
            timeline.record(Some(ScenarioId(1)), packet(2));
        }
        assert!(timeline.is_full());
        tokio::time::timeout(Duration::from_secs(5), timeline.full()).await.expect("at once");
        timeline
            .record(Some(ScenarioId(1)), What::ScenarioFinished { verdict: crate::Verdict::Errored, failure: None });
        timeline.record(None, What::RunFinished { exit_code: 101 });
        assert!(std::fs::metadata(&path).expect("file").len() < LIMIT + 1000);
        let events = read_events(&path).expect("readable");
        let count = |is: fn(&What) -> bool| events.iter().filter(|event| is(&event.what)).count() as u64;
        let lines = count(|what| matches!(what, What::Console { .. }));
        let packets = count(|what| matches!(what, What::Packet { .. }));
        assert_eq!(count(|what| *what == What::RecordFull { limit: LIMIT }), 1);
        let last: Vec<_> = events.iter().rev().take(3).rev().map(|event| event.what.clone()).collect();
        let dropped = What::RecordDropped { lines: 1000 - lines, packets: 1000 - packets, others: 0 };
        assert!(lines > 50 && matches!(last[0], What::ScenarioFinished { .. }), "{last:?}");
        assert_eq!(last[1..], [dropped, What::RunFinished { exit_code: 101 }]);
        // A follower gets all that there is, in order, and reaches the end.
        let mut follower = follower.follow(Cursor::default());
        let mut seen = 0;
        let end = loop {
            let event = follower.next().await;
            assert!(event.seq >= seen);
            seen = event.seq + 1;
            if matches!(event.what, What::RunFinished { .. }) {
                break event.seq;
            }
        };
        assert_eq!(Cursor(end + 1), timeline.end());
    }

    #[test]
    fn memory_of_a_run_is_bounded_except_for_packets_of_running_scenarios() {
        const BYTES: usize = 100_000;
        let folder = tempfile::tempdir().expect("folder");
        let timeline = Timeline::in_file(Epoch::start(), &folder.path().join("events.jsonl")).expect("new file");
        timeline.lock().keep(100, BYTES);
        let finished = || What::ScenarioFinished { verdict: crate::Verdict::Passed, failure: None };
        for scenario in (1..=20).map(ScenarioId) {
            for _ in 0..500 {
                timeline.record(Some(scenario), packet(100));
                timeline.record(Some(scenario), line("a line"));
            }
            let mine = timeline.since(Cursor::default());
            let mine = mine.iter().filter(|event| event.scenario == Some(scenario));
            assert_eq!(mine.filter(|event| matches!(event.what, What::Packet { .. })).count(), 500, "steps look back");
            timeline.record(Some(scenario), finished());
        }
        // 500 bytes per packet, 100 lines, and the progress of scenarios.
        assert_eq!(timeline.lock().in_memory(), BYTES / 500 + 100 + 20);
        let packets = read_events(&folder.path().join("events.jsonl")).expect("readable");
        assert_eq!(packets.len(), 20 * 1001, "nothing is lost");
    }

    #[test]
    fn a_forgetful_timeline_is_bounded_in_number_and_bytes_for_any_events() {
        let timeline = Timeline::in_memory(Epoch::start());
        timeline.forget_after(100);
        for n in 0..1000 {
            timeline.record(None, line("a line"));
            timeline.record(None, packet(100));
            timeline.record(None, What::Bench { board: "lamp".into(), note: n.to_string() });
        }
        assert_eq!(timeline.lock().in_memory(), 200);
        timeline.lock().keep(100, 50_000);
        for _ in 0..1000 {
            timeline.record(None, line(&"x".repeat(4096)));
            timeline.record(None, packet(20_000));
        }
        assert_eq!(timeline.lock().in_memory(), 50_000 / 4496 + 50_000 / 20_400);
    }

    #[test]
    fn an_incomplete_last_line_is_left_out() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("events.jsonl");
        let timeline = Timeline::in_file(Epoch::start(), &path).expect("new file");
        timeline.record(Some(ScenarioId(1)), line("whole"));
        timeline.record(None, What::RunFinished { exit_code: 0 });
        let whole = std::fs::read(&path).expect("read");
        std::fs::write(&path, &whole[..whole.len() - 5]).expect("tear");
        let events = read_events(&path).expect("readable");
        assert_eq!(events.len(), 1);
        assert_eq!(text(&events[0]).as_deref(), Some("whole"));
        assert_eq!(events[0].scenario, Some(ScenarioId(1)));
        assert!(Timeline::in_file(Epoch::start(), &path).is_err(), "an earlier run is never overwritten");
    }
}
