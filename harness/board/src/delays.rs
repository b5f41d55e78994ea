//! When a board that this machine executes got less time than a chip.

use std::collections::VecDeque;
use std::time::Duration;

use hil_timeline::Stamp;
use parking_lot::Mutex;

/// How many delays are remembered. The shortest ones, 50 ms apart, cover more than three minutes.
const REMEMBERED: usize = 4096;

/// The latest delays of a board, each with the time at which it was found.
#[derive(Debug, Default)]
pub(crate) struct Delays(Mutex<VecDeque<(Stamp, Duration)>>);

impl Delays {
    pub(crate) fn note(&self, found: Stamp, delay: Duration) {
        let mut delays = self.0.lock();
        delays.truncate(REMEMBERED - 1);
        delays.push_front((found, delay));
    }

    /// The sum of those that were found after a moment; of a longer one, what can have been after it.
    pub(crate) fn since(&self, from: Stamp) -> Duration {
        let delays = self.0.lock();
        delays.iter().take_while(|(found, _)| *found > from).map(|(found, delay)| found.since(from).min(*delay)).sum()
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
        assert_eq!(delays.since(Stamp(1_800_000)), Duration::from_millis(240), "the first 300 ms of it were before");
        assert_eq!(delays.since(Stamp(2_100_000)), Duration::ZERO);
    }

    #[test]
    fn the_number_of_delays_is_limited() {
        let delays = Delays::default();
        (1..=REMEMBERED as u64 + 5).for_each(|at| delays.note(Stamp(at), Duration::from_micros(1)));
        assert_eq!(delays.since(Stamp(0)), Duration::from_micros(REMEMBERED as u64));
    }
}
