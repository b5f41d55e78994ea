//! When a board that this machine executes got less time than a chip.

use std::collections::VecDeque;
use std::time::Duration;

use hil_timeline::Stamp;
use parking_lot::Mutex;

/// Delays that are found within this time are remembered as one.
const TOGETHER: Duration = Duration::from_secs(1);

/// How many are remembered: those of more than an hour.
const REMEMBERED: usize = 4096;

/// The latest delays of a board.
#[derive(Debug, Default)]
pub(crate) struct Delays(Mutex<VecDeque<Delay>>);

#[derive(Debug)]
struct Delay {
    /// When the first part of it was found.
    first: Stamp,
    /// When the last part was found.
    last: Stamp,
    /// All of it.
    sum: Duration,
}

impl Delays {
    pub(crate) fn note(&self, found: Stamp, delay: Duration) {
        let mut delays = self.0.lock();
        if let Some(newest) = delays.front_mut().filter(|newest| found.since(newest.first) < TOGETHER) {
            (newest.last, newest.sum) = (found, newest.sum + delay);
            return;
        }
        delays.truncate(REMEMBERED - 1);
        delays.push_front(Delay { first: found, last: found, sum: delay });
    }

    /// The sum of those that were found after a moment; of a longer one, what can have been after it.
    pub(crate) fn since(&self, from: Stamp) -> Duration {
        let delays = self.0.lock();
        let after = delays.iter().take_while(|delay| delay.last > from);
        after.map(|delay| delay.last.since(from).min(delay.sum)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_after_a_moment_counts() {
        let delays = Delays::default();
        delays.note(Stamp(1_000_000), Duration::from_millis(300));
        delays.note(Stamp(2_000_000), Duration::from_millis(500));
        delays.note(Stamp(2_100_000), Duration::from_millis(40));
        assert_eq!(delays.since(Stamp(0)), Duration::from_millis(840));
        assert_eq!(delays.since(Stamp(1_000_000)), Duration::from_millis(540));
        assert_eq!(delays.since(Stamp(1_800_000)), Duration::from_millis(300), "the rest of it was before");
        assert_eq!(delays.since(Stamp(2_100_000)), Duration::ZERO);
    }

    #[test]
    fn the_number_of_delays_is_limited() {
        let delays = Delays::default();
        let all = REMEMBERED as u64 + 5;
        (1..=all).for_each(|at| delays.note(Stamp(at * 1_000_000), Duration::from_micros(1)));
        assert_eq!(delays.since(Stamp(0)), Duration::from_micros(REMEMBERED as u64));
    }
}
