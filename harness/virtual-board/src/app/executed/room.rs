//! How much the program may print before it is read.

use parking_lot::{Condvar, Mutex};

/// Bytes that may wait: about what a UART at 115,200 baud sends in six seconds.
const MOST: usize = 64 * 1024;

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
}

impl Room {
    /// Waits until that many bytes fit.
    pub(super) fn take(&self, bytes: usize) {
        let mut state = self.state.lock();
        while !state.closed && state.waiting > 0 && state.waiting + bytes > MOST {
            self.changed.wait(&mut state);
        }
        state.waiting += bytes;
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
}
