//! The bounded queue of a writing thread.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};
use tokio::sync::Notify;

use super::{Bar, OutputStream};

/// Above either of these, callers that can wait do.
const ROOM: Bound = Bound { items: 256, bytes: 64 << 10 };
/// Above either of these, lines of callers that can't wait are dropped. Starting and ending a run needs a few kilobytes.
const MOST: Bound = Bound { items: 4096, bytes: 1 << 20 };

struct Bound {
    items: usize,
    bytes: usize,
}

/// One thing to write or draw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OutputItem {
    /// Text with its line end.
    Text(OutputStream, String),
    Bar(Bar),
}

impl OutputItem {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(_, text) => text.len(),
            Self::Bar(_) => 0,
        }
    }

    /// How many lines are lost if it is dropped; none for a bar.
    fn lines(&self) -> usize {
        usize::from(matches!(self, Self::Text(..)))
    }
}

#[derive(Debug, Default)]
struct QueueState {
    items: VecDeque<OutputItem>,
    bytes: usize,
    /// Lines that are being written.
    in_hand: Option<usize>,
    /// When waiting ends.
    limit: Option<Instant>,
    /// The writer has ended.
    dead: bool,
    dropped: usize,
}

impl QueueState {
    /// Ignores the item's size: one item may exceed the bounds.
    fn has_room(&self, bound: &Bound) -> bool {
        self.items.len() < bound.items && self.bytes < bound.bytes
    }

    fn is_over(&self) -> bool {
        self.dead || self.limit.is_some_and(|limit| Instant::now() >= limit)
    }

    fn push(&mut self, item: OutputItem) {
        self.bytes += item.bytes();
        self.items.push_back(item);
    }

    fn is_written(&self) -> bool {
        self.items.is_empty() && self.in_hand.is_none()
    }
}

/// The queue of a writing thread.
#[derive(Debug, Default)]
pub(super) struct OutputQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
    /// The same for async callers.
    woken: Notify,
}

impl OutputQueue {
    /// Appends without waiting. If there is no room, drops and counts the item and returns false.
    pub(super) fn push_now(&self, item: OutputItem) -> bool {
        let mut state = self.state.lock();
        if state.is_over() || !state.has_room(&MOST) {
            state.dropped += item.lines();
            return false;
        }
        state.push(item);
        self.wake(state);
        true
    }

    /// Appends; blocks while there is no room.
    pub(super) fn push_and_wait(&self, item: OutputItem) {
        let mut state = self.state.lock();
        while !state.is_over() && !state.has_room(&ROOM) {
            self.wait(&mut state);
        }
        // After the limit an item that fits is still written: the last lines of an aborted run.
        if state.dead || !state.has_room(&ROOM) {
            state.dropped += item.lines();
            return;
        }
        state.push(item);
        self.wake(state);
    }

    /// Appends as soon as there is room.
    pub(super) async fn push_when_room(&self, item: OutputItem) {
        loop {
            let mut woken = std::pin::pin!(self.woken.notified());
            // From here on no change is missed.
            woken.as_mut().enable();
            let limit = {
                let mut state = self.state.lock();
                if state.has_room(&ROOM) && !state.dead {
                    state.push(item);
                    return self.wake(state);
                }
                if state.is_over() {
                    state.dropped += item.lines();
                    return;
                }
                state.limit
            };
            match limit {
                None => woken.await,
                // After the limit, the next round drops the item.
                Some(limit) => drop(tokio::time::timeout_at(limit.into(), woken).await),
            }
        }
    }

    /// The next item to write, which is in hand until [`OutputQueue::written`]; `None` if none arrives in time.
    pub(super) fn next(&self, within: Option<Duration>) -> Option<OutputItem> {
        let until = within.map(|within| Instant::now() + within);
        let mut state = self.state.lock();
        loop {
            if let Some(item) = state.items.pop_front() {
                state.bytes -= item.bytes();
                state.in_hand = Some(item.lines());
                return Some(item);
            }
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return None,
                Some(left) => drop(self.changed.wait_for(&mut state, left)),
                None => self.changed.wait(&mut state),
            }
        }
    }

    /// Reports that the item in hand is written.
    pub(super) fn written(&self) {
        let mut state = self.state.lock();
        state.in_hand = None;
        self.wake(state);
    }

    /// Reports that nothing will be written any more; ends all waiting.
    pub(super) fn close(&self) {
        let mut state = self.state.lock();
        state.dead = true;
        self.wake(state);
    }

    /// Ends all waiting at this time.
    pub(super) fn end_by(&self, limit: Instant) {
        let mut state = self.state.lock();
        state.limit = Some(limit);
        self.wake(state);
    }

    /// Blocks until everything is written; returns false if the limit expires first.
    pub(super) fn wait_until_written(&self) -> bool {
        let mut state = self.state.lock();
        while !state.is_written() && !state.is_over() {
            self.wait(&mut state);
        }
        state.is_written()
    }

    /// How many lines were not shown, including those still in the queue. Resets the count.
    pub(super) fn take_not_shown(&self) -> usize {
        let mut state = self.state.lock();
        let left: usize = state.items.drain(..).map(|item| item.lines()).sum();
        state.bytes = 0;
        std::mem::take(&mut state.dropped) + left + state.in_hand.unwrap_or(0)
    }

    /// Blocks until something changes or the limit expires.
    fn wait(&self, state: &mut MutexGuard<'_, QueueState>) {
        match state.limit.map(|limit| limit.saturating_duration_since(Instant::now())) {
            Some(left) => drop(self.changed.wait_for(state, left)),
            None => self.changed.wait(state),
        }
    }

    fn wake(&self, state: MutexGuard<'_, QueueState>) {
        drop(state);
        self.changed.notify_all();
        self.woken.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> OutputItem {
        OutputItem::Text(OutputStream::Out, text.to_owned())
    }

    /// A full queue and its number of items.
    fn full() -> (OutputQueue, usize) {
        let queue = OutputQueue::default();
        for n in 0..ROOM.items {
            queue.push_now(text(&n.to_string()));
        }
        (queue, ROOM.items)
    }

    #[test]
    fn lines_that_can_not_wait_are_dropped_and_counted_when_the_queue_is_full() {
        let queue = OutputQueue::default();
        for n in 0..MOST.items + 5 {
            queue.push_now(text(&n.to_string()));
        }
        queue.push_now(OutputItem::Bar(Bar::Clear));
        assert_eq!(queue.state.lock().dropped, 5, "a bar is not a line");
        assert_eq!(queue.next(None), Some(text("0")));
        assert_eq!(queue.take_not_shown(), MOST.items + 5, "including the one in hand");
        let queue = OutputQueue::default();
        queue.push_now(text(&"x".repeat(MOST.bytes * 2)));
        queue.push_now(text("y"));
        assert_eq!(queue.state.lock().dropped, 1, "one item of any size fits, the next does not");
    }

    #[test]
    fn a_caller_that_can_wait_waits_for_room_and_loses_nothing() {
        let (queue, count) = full();
        std::thread::scope(|scope| {
            scope.spawn(|| queue.push_and_wait(text("last")));
            for n in 0..count {
                assert_eq!(queue.next(None), Some(text(&n.to_string())));
                queue.written();
            }
            assert_eq!(queue.next(None), Some(text("last")));
            queue.written();
        });
        assert!(queue.wait_until_written());
        assert_eq!(queue.take_not_shown(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_follower_awaits_room_until_the_limit() {
        let (queue, count) = full();
        let mut waiting = std::pin::pin!(queue.push_when_room(text("late")));
        let pending = tokio::time::timeout(Duration::from_secs(3600), waiting.as_mut()).await;
        assert!(pending.is_err(), "there is no room");
        queue.next(None);
        queue.written();
        waiting.await;
        assert_eq!(queue.state.lock().items.back(), Some(&text("late")));
        let mut waiting = std::pin::pin!(queue.push_when_room(text("never")));
        assert!(tokio::time::timeout(Duration::from_secs(1), waiting.as_mut()).await.is_err());
        queue.end_by(Instant::now());
        waiting.await;
        assert_eq!(queue.take_not_shown(), count + 1, "those in the queue, and the one whose wait ended");
        assert!(!queue.wait_until_written() || queue.state.lock().items.is_empty());
    }

    #[test]
    fn no_caller_waits_for_a_writer_that_has_ended() {
        let (queue, count) = full();
        queue.close();
        queue.push_and_wait(text("more"));
        assert!(!queue.wait_until_written());
        assert_eq!(queue.take_not_shown(), count + 1);
    }
}
