//! How much the program may print before it is read.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// Bytes that may wait: about what a UART at 115,200 baud sends in six seconds.
const MOST: usize = 64 * 1024;

/// An older wait is not the reason for a new delay.
const LATELY: Duration = Duration::from_secs(1);

/// Slows a program down that prints faster than its console takes it, as a full FIFO does.
#[derive(Default)]
pub(super) struct Room {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: usize,
    closed: bool,
    /// For how long the program has waited for room lately, and until when.
    waited: Option<(Duration, Instant)>,
}

impl State {
    fn waited(&self, now: Instant) -> Duration {
        self.waited
            .filter(|(_, until)| now.saturating_duration_since(*until) < LATELY)
            .unwrap_or((Duration::ZERO, now))
            .0
    }
}

impl Room {
    /// Waits until that many bytes fit.
    pub(super) fn take(&self, bytes: usize) {
        let mut state = self.state.lock();
        let full = |state: &mut State| !state.closed && state.waiting > 0 && state.waiting + bytes > MOST;
        if full(&mut state) {
            let begin = Instant::now();
            self.changed.wait_while(&mut state, full);
            let (before, now) = (state.waited(begin), Instant::now());
            state.waited = Some((before + (now - begin), now));
        }
        state.waiting += bytes;
    }

    /// For how long the program has waited for room lately; each wait counts once.
    pub(super) fn waited(&self) -> Duration {
        let mut state = self.state.lock();
        let waited = state.waited(Instant::now());
        state.waited = None;
        waited
    }

    /// That many bytes were taken.
    pub(super) fn give(&self, bytes: usize) {
        let mut state = self.state.lock();
        state.waiting = state.waiting.saturating_sub(bytes);
        self.changed.notify_one();
    }

    /// From now on nothing waits: the program is stopped.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_program_waits_for_room_and_is_released_by_its_end() {
        let room = Arc::new(Room::default());
        room.take(MOST);
        let program = std::thread::spawn({
            let room = Arc::clone(&room);
            move || {
                room.take(1);
                room.take(MOST);
            }
        });
        room.give(MOST);
        room.close();
        program.join().expect("ends");
        assert!(room.state.lock().waiting > MOST);
    }

    #[test]
    fn a_wait_for_room_counts_once() {
        let room = Arc::new(Room::default());
        assert_eq!(room.waited(), Duration::ZERO);
        room.take(MOST);
        let program = std::thread::spawn({
            let room = Arc::clone(&room);
            move || {
                room.take(1);
                room.waited()
            }
        });
        // It waits once it can be woken.
        while !room.changed.notify_one() {
            std::thread::yield_now();
        }
        room.give(MOST);
        assert!(program.join().expect("ends") > Duration::ZERO);
        assert_eq!(room.waited(), Duration::ZERO);
    }
}
