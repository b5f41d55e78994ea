//! How a step searches the records of its scenario, and until when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hil_timeline::{Cursor, RunEvent, Stamp};
use hil_verdict::{Session, Window};
use tokio::time::Instant;

use super::{Stage, refs};

impl Stage {
    /// Passes on every record of this scenario that steps no longer match: before the mark, or consumed by a step.
    pub(crate) fn past(&self, mut take: impl FnMut(&RunEvent)) {
        let is_past = |event: &&Arc<RunEvent>| {
            // The record that set the mark may still match.
            event.seq + 1 < self.mark.cursor.0 || self.is_consumed(event.seq)
        };
        self.events().iter().filter(is_past).for_each(|event| take(event));
    }

    /// A board's last output, for a step that did not find what it expects.
    #[must_use]
    pub fn last_words(&self, board: &str) -> Vec<String> {
        hil_verdict::last_words(&refs(&self.events()), board, self.mark.at)
    }

    /// Where the records of this scenario begin.
    #[must_use]
    pub fn begin(&self) -> Cursor {
        self.begin
    }

    /// Every record of this scenario so far.
    #[must_use]
    pub fn events(&self) -> Vec<Arc<RunEvent>> {
        self.mine(self.begin)
    }

    /// Every record of this scenario since the mark.
    #[must_use]
    pub fn events_since_mark(&self) -> Vec<Arc<RunEvent>> {
        self.mine(self.mark.cursor)
    }

    pub(crate) fn mine(&self, from: Cursor) -> Vec<Arc<RunEvent>> {
        let mut events = self.recorder.timeline().since(from);
        events.retain(|event| event.scenario == self.recorder.scenario());
        events
    }

    /// The board's MQTT session now.
    #[must_use]
    pub fn session(&self, board: &str) -> Session {
        Session::of(board, self.events().iter().map(AsRef::as_ref))
    }

    /// The board's MQTT session at the mark.
    #[must_use]
    pub fn session_at_mark(&self, board: &str) -> Session {
        let mark = self.waited_to.unwrap_or(self.mark.cursor);
        let before = |event: &&Arc<RunEvent>| event.seq < mark.0;
        Session::of(board, self.events().iter().filter(before).map(AsRef::as_ref))
    }

    /// Waits for the first record within a time after the mark that `pick` takes and no earlier step has consumed, and
    /// consumes it.
    pub async fn expect<T>(&mut self, within: Duration, pick: impl FnMut(&RunEvent) -> Option<T>) -> Option<T> {
        let until = self.mark.at + within;
        let found = self.find(self.window(self.mark.cursor, until), pick).await;
        found.map(|(seq, taken)| {
            self.consumed.insert(seq);
            taken
        })
    }

    /// Waits for the first record between the mark and another moment that `pick` takes, and consumes nothing. Records
    /// from while the mark's action was still running don't count: this is for steps about what must not happen.
    pub async fn watch<T>(&self, until: Stamp, mut pick: impl FnMut(&RunEvent) -> Option<T>) -> Option<T> {
        let from = self.mark.at;
        let with_record = |event: &RunEvent| pick(event).map(|taken| (event.clone(), taken));
        let Some((event, taken)) = self.watch_since(from, until, with_record).await else {
            self.judge_answers(pick);
            return None;
        };
        self.judge_beginning(&event, from);
        Some(taken)
    }

    /// The same for all records, consumed or not: for steps about every record.
    pub(crate) async fn watch_every<T>(&self, until: Stamp, mut pick: impl FnMut(&RunEvent) -> Option<T>) -> Option<T> {
        let from = self.mark.at;
        let with_record = |event: &RunEvent| pick(event).map(|taken| (event.clone(), taken));
        let window = Window { from, ..self.window(self.mark.cursor, until) };
        let (event, taken) = self.find_all(window, with_record).await?;
        self.judge_beginning(&event, from);
        Some(taken)
    }

    /// The same since a record that has satisfied the step, to find a repetition. The record may be before the mark,
    /// from while the action was running.
    pub(crate) async fn watch_since<T>(
        &self,
        since: Stamp,
        until: Stamp,
        pick: impl FnMut(&RunEvent) -> Option<T>,
    ) -> Option<T> {
        self.find(Window { from: since, ..self.window(self.mark.cursor, until) }, pick).await.map(|(_, taken)| taken)
    }

    /// The records of this scenario from a place in the timeline up to a moment.
    fn window(&self, cursor: Cursor, until: Stamp) -> Window {
        Window { scenario: self.recorder.scenario(), cursor, from: Stamp::default(), until }
    }

    async fn find<T>(&self, window: Window, mut pick: impl FnMut(&RunEvent) -> Option<T>) -> Option<(u64, T)> {
        let fresh = |event: &RunEvent| match self.consumed.contains(&event.seq) {
            true => None,
            false => pick(event).map(|taken| (event.seq, taken)),
        };
        self.find_all(window, fresh).await
    }

    /// The first record of a window, consumed or not. If nothing came, the window is over only when everything that
    /// arrived in it is recorded.
    async fn find_all<T>(&self, window: Window, mut pick: impl FnMut(&RunEvent) -> Option<T>) -> Option<T> {
        let found = self.find_unjudged(window, &mut pick).await;
        if found.is_none() {
            self.judge_end(window, pick).await;
        }
        found
    }

    async fn find_unjudged<T>(&self, window: Window, mut pick: impl FnMut(&RunEvent) -> Option<T>) -> Option<T> {
        let admitted = |event: &RunEvent| if window.admits(event) { pick(event) } else { None };
        self.waits_until.store(window.until.0, Ordering::Relaxed);
        self.recorder.timeline().wait_for(window.cursor, self.instant(window.until), admitted).await.ok()
    }

    /// Waits for the first record from a place in the timeline up to a moment that `pick` takes, and consumes nothing.
    pub async fn watch_from<T>(
        &self,
        from: Cursor,
        until: Stamp,
        pick: impl FnMut(&RunEvent) -> Option<T>,
    ) -> Option<T> {
        self.find(self.window(from, until), pick).await.map(|(_, taken)| taken)
    }

    /// Like [`Stage::watch_from`], but includes consumed records: other steps may have matched parts of an exchange.
    pub async fn watch_all_from<T>(
        &self,
        from: Cursor,
        until: Stamp,
        pick: impl FnMut(&RunEvent) -> Option<T>,
    ) -> Option<T> {
        self.find_all(self.window(from, until), pick).await
    }

    /// Waits for a record whose absence proves nothing: the caller searches again, or continues without it.
    pub(crate) async fn watch_unjudged<T>(
        &self,
        from: Cursor,
        until: Stamp,
        pick: impl FnMut(&RunEvent) -> Option<T>,
    ) -> Option<T> {
        self.find_unjudged(self.window(from, until), pick).await
    }

    /// Whether `pick` takes the record just before the mark, which set it. If so, it is consumed.
    pub fn consume_at_mark(&mut self, pick: impl FnOnce(&RunEvent) -> bool) -> bool {
        let Some(seq) = self.mark.cursor.0.checked_sub(1) else { return false };
        let before = self.recorder.timeline().since(Cursor(seq)).into_iter().next();
        let matches = before.is_some_and(|event| event.scenario == self.recorder.scenario() && pick(&event));
        matches && self.consumed.insert(seq)
    }

    /// Consumes a record: no other step matches it.
    pub(crate) fn consume(&mut self, seq: u64) {
        self.consumed.insert(seq);
    }

    /// Whether a step has consumed a record.
    #[must_use]
    pub fn is_consumed(&self, seq: u64) -> bool {
        self.consumed.contains(&seq)
    }

    /// Until when the current step waits; 0 if it does not wait.
    pub(crate) fn waiting(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.waits_until)
    }

    /// Whether the step has waited, and until a moment that is over.
    pub(super) fn has_waited_until(&self, now: Stamp) -> bool {
        let until = self.waits_until.load(Ordering::Relaxed);
        until > 0 && until <= now.0
    }

    /// Takes the time until which the step waited.
    pub(crate) fn take_deadline(&self) -> Option<Stamp> {
        Some(Stamp(self.waits_until.swap(0, Ordering::Relaxed))).filter(|until| until.0 > 0)
    }

    /// Waits until a moment on the run's clock, and until everything that arrived up to it is recorded.
    /// [`Stage::in_time`] tells which records are before it.
    pub async fn wait_until(&self, moment: Stamp) {
        self.waits_until.store(moment.0, Ordering::Relaxed);
        tokio::time::sleep_until(self.instant(moment)).await;
        self.settle(moment).await;
    }

    pub(crate) fn instant(&self, stamp: Stamp) -> Instant {
        self.recorder.timeline().epoch().instant(stamp)
    }
}
