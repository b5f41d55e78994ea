//! What a step looks for among the records of its scenario, and until when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hil_timeline::{Cursor, RunEvent, Stamp};
use hil_verdict::{Session, Window};
use tokio::time::Instant;

use super::{Stage, refs};

impl Stage {
    /// Every record of this scenario that a step does not look at any more: it lies before the mark, or has satisfied a
    /// step.
    pub(crate) fn past(&self, mut take: impl FnMut(&RunEvent)) {
        let is_past = |event: &&Arc<RunEvent>| {
            // The one that set the mark may still satisfy a step.
            event.seq + 1 < self.mark.cursor.0 || self.is_consumed(event.seq)
        };
        self.events().iter().filter(is_past).for_each(|event| take(event));
    }

    /// What a board said last, for a step that did not find what it expects.
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

    /// The board's MQTT session as it stands.
    #[must_use]
    pub fn session(&self, board: &str) -> Session {
        Session::of(board, self.events().iter().map(AsRef::as_ref))
    }

    /// The board's MQTT session as it stood at the mark.
    #[must_use]
    pub fn session_at_mark(&self, board: &str) -> Session {
        let before = |event: &&Arc<RunEvent>| event.seq < self.mark.cursor.0;
        Session::of(board, self.events().iter().filter(before).map(AsRef::as_ref))
    }

    /// The first record of this scenario after the mark, within a time of it, that `pick` takes and that no earlier
    /// step has consumed. It is consumed.
    pub async fn expect<T>(&mut self, within: Duration, pick: impl FnMut(&RunEvent) -> Option<T>) -> Option<T> {
        let until = self.mark.at + within;
        let found = self.find(self.window(self.mark.cursor, until), pick).await;
        found.map(|(seq, taken)| {
            self.consumed.insert(seq);
            taken
        })
    }

    /// The first record between the mark's moment and another one that `pick` takes; nothing is consumed. What happened
    /// while the action of the mark was still under way does not count: it is for steps about what must not happen.
    pub async fn watch<T>(&self, until: Stamp, mut pick: impl FnMut(&RunEvent) -> Option<T>) -> Option<T> {
        let from = self.mark.at;
        let with_record = |event: &RunEvent| pick(event).map(|taken| (event.clone(), taken));
        let (event, taken) = self.watch_since(from, until, with_record).await?;
        self.judge_beginning(&event, from);
        Some(taken)
    }

    /// The same from a record on that has satisfied the step: it may lie before the mark, while the action was under way,
    /// and what comes again comes after it.
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

    /// The first record of a window, consumed or not. Where nothing came, the window is over only when all that arrived
    /// in it is recorded.
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

    /// The first record since a place in the timeline and up to a moment that `pick` takes; nothing is consumed.
    pub async fn watch_from<T>(
        &self,
        from: Cursor,
        until: Stamp,
        pick: impl FnMut(&RunEvent) -> Option<T>,
    ) -> Option<T> {
        self.find(self.window(from, until), pick).await.map(|(_, taken)| taken)
    }

    /// As [`Stage::watch_from`], but sees what has satisfied a step as well: an exchange has parts that others looked
    /// at.
    pub async fn watch_all_from<T>(
        &self,
        from: Cursor,
        until: Stamp,
        pick: impl FnMut(&RunEvent) -> Option<T>,
    ) -> Option<T> {
        self.find_all(self.window(from, until), pick).await
    }

    /// The first record up to a moment, where nothing is proved by its absence: the caller looks on, or goes on without.
    pub(crate) async fn watch_unjudged<T>(
        &self,
        from: Cursor,
        until: Stamp,
        pick: impl FnMut(&RunEvent) -> Option<T>,
    ) -> Option<T> {
        self.find_unjudged(self.window(from, until), pick).await
    }

    /// Whether the record just before the mark, which set it, is one that `pick` takes; it is then consumed.
    pub fn consume_at_mark(&mut self, pick: impl FnOnce(&RunEvent) -> bool) -> bool {
        let Some(seq) = self.mark.cursor.0.checked_sub(1) else { return false };
        let before = self.recorder.timeline().since(Cursor(seq)).into_iter().next();
        let matches = before.is_some_and(|event| event.scenario == self.recorder.scenario() && pick(&event));
        matches && self.consumed.insert(seq)
    }

    /// A record satisfies a step: no other step matches it.
    pub(crate) fn consume(&mut self, seq: u64) {
        self.consumed.insert(seq);
    }

    /// Whether a record has satisfied a step.
    #[must_use]
    pub fn is_consumed(&self, seq: u64) -> bool {
        self.consumed.contains(&seq)
    }

    /// Until when the step that runs waits, as it says itself: 0 where it waits for nothing.
    pub(crate) fn waiting(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.waits_until)
    }

    /// Until when the step that ends waited; the next one begins without.
    pub(crate) fn take_deadline(&self) -> Option<Stamp> {
        Some(Stamp(self.waits_until.swap(0, Ordering::Relaxed))).filter(|until| until.0 > 0)
    }

    /// Waits until a moment on the run's clock, and until all that arrived up to it is recorded. [`Stage::in_time`] says
    /// which records lie before it.
    pub async fn wait_until(&self, moment: Stamp) {
        self.waits_until.store(moment.0, Ordering::Relaxed);
        tokio::time::sleep_until(self.instant(moment)).await;
        self.settle(moment).await;
    }

    pub(super) fn instant(&self, stamp: Stamp) -> Instant {
        self.recorder.timeline().epoch().instant(stamp)
    }
}
