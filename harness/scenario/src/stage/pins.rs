//! The pins of a board.

use std::sync::Arc;
use std::time::Duration;

use hil_config::PinDirection;
use hil_timeline::{Cursor, RunEvent, Stamp, What};

use super::Stage;

impl Stage {
    /// Waits until a pin has a level: where earlier steps stopped reading, or by a later change. Steps about a pin see
    /// its changes in order, each change once.
    pub async fn wait_for_pin(&mut self, board: &str, pin: &str, on: bool, within: Duration) -> bool {
        let key = (board.to_owned(), pin.to_owned());
        let from = self.pins_seen.get(&key).copied().unwrap_or(0).max(self.mark.cursor.0);
        if self.pin_level_before(board, pin, from) == Some(on) {
            return true;
        }
        let changed = |event: &RunEvent| {
            matches!(&event.what, What::Pin { board: of, pin: name, on: level, .. }
                if of == board && name == pin && *level == on)
            .then_some(event.seq + 1)
        };
        match self.watch_unjudged(Cursor(from), self.mark.at + within, changed).await {
            Some(seen) => {
                self.pins_seen.insert(key, seen);
                true
            }
            None => {
                self.settle(self.mark.at + within).await;
                let seen = self.changed_in_time(board, pin, on, from, self.mark.at + within);
                self.pins_seen.extend(seen.map(|seen| (key, seen)));
                seen.is_some()
            }
        }
    }

    /// The place after a change of a pin that was in time although it was read later.
    fn changed_in_time(&mut self, board: &str, pin: &str, on: bool, from: u64, until: Stamp) -> Option<u64> {
        if let Some(board) = self.boards.get(board) {
            board.catch_up_pins();
        }
        let changed = |event: &&Arc<RunEvent>| {
            let changed = matches!(&event.what, What::Pin { board: of, pin: name, on: level, .. }
                if of == board && name == pin && *level == on);
            changed && self.in_time(event, until)
        };
        self.mine(Cursor(from)).iter().find(changed).map(|event| event.seq + 1)
    }

    /// A pin's level at a place in the timeline; none if it is unknown, since it could not be sensed.
    #[must_use]
    pub fn pin_level_before(&self, board: &str, pin: &str, seq: u64) -> Option<bool> {
        let level = |event: &Arc<RunEvent>| match &event.what {
            What::Pin { board: of, pin: name, on, .. } if of == board && name == pin => Some(Some(*on)),
            // Unless a level follows it, the pin is no longer sensed.
            What::PinGap { board: of, pin: name, .. } if of == board && name == pin => Some(None),
            _ => None,
        };
        // The level of a sensed pin at the start of the scenario is among the records. A driven one is released then.
        let at_start = || {
            let pin = self.boards.get(board).and_then(|board| board.pin(pin));
            pin.is_some_and(|pin| pin.direction == PinDirection::Drive).then_some(false)
        };
        let known = self.events().iter().rev().filter(|event| event.seq < seq).find_map(level);
        known.unwrap_or_else(at_start)
    }
}
