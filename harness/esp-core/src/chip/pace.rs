//! Whether the host executes a program fast enough to stand for a chip.

use std::time::Duration;

/// Nanoseconds for an instruction on the slowest host that still counts: 40 million instructions/s, a quarter of what a
/// chip at 160 MHz does at most (the clock of the ESP32-C3 series datasheet).
const SLOWEST: u64 = 25;

/// How much time of computing is looked at together: a host that is faster than the slowest may be away in between.
const PERIOD: u64 = 50_000_000;

/// Compares the time that a program has computed with the instructions that it executed meanwhile.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the machine last looked at the clock.
    looked: u64,
    /// How many instructions had been executed then.
    executed: u64,
    /// The computing of this period, in nanoseconds.
    computing: u64,
    /// Its instructions.
    instructions: u64,
    /// The program waits, or has waited since the last look.
    waited: bool,
}

impl Pace {
    /// The program waits until the next look.
    pub(super) fn waits(&mut self) {
        self.waited = true;
    }

    /// The machine looks at the clock. Says at the end of a period how much longer its computing took than on the slowest
    /// host that counts.
    pub(super) fn look(&mut self, now: u64, executed: u64) -> Option<Duration> {
        let (took, instructions) = (now.saturating_sub(self.looked), executed - self.executed);
        (self.looked, self.executed) = (now, executed);
        if !std::mem::take(&mut self.waited) {
            self.computing += took;
            self.instructions += instructions;
        }
        if self.computing < PERIOD {
            return None;
        }
        let late = self.computing.saturating_sub(self.instructions.saturating_mul(SLOWEST));
        (self.computing, self.instructions) = (0, 0);
        (late > 0).then_some(Duration::from_nanos(late))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_fast_host_may_be_away_for_a_while() {
        let mut pace = Pace::default();
        assert_eq!(pace.look(10 * MS, 1_500_000), None);
        assert_eq!(pace.look(45 * MS, 1_500_000), None, "away for 35 ms");
        assert_eq!(pace.look(55 * MS, 3_000_000), None, "three million in 55 ms: 54 million/s");
    }

    #[test]
    fn a_slow_host_is_late_by_what_the_slowest_that_counts_would_have_saved() {
        let mut pace = Pace::default();
        assert_eq!(pace.look(40 * MS, 400_000), None);
        assert_eq!(pace.look(80 * MS, 800_000), Some(Duration::from_millis(60)), "800,000 instructions are 20 ms");
        assert_eq!(pace.look(100 * MS, 900_000), None, "a new period");
    }

    #[test]
    fn waiting_is_no_computing() {
        let mut pace = Pace::default();
        pace.waits();
        assert_eq!(pace.look(1000 * MS, 0), None);
        assert_eq!(pace.look(1010 * MS, 400_000), None);
        pace.waits();
        assert_eq!(pace.look(2000 * MS, 400_000), None);
        assert_eq!(pace.look(2040 * MS, 2_000_000), None, "two million in 50 ms are 40 million/s");
        assert_eq!(pace.look(2100 * MS, 2_000_000), Some(Duration::from_millis(60)), "nothing in 60 ms");
    }
}
