//! How much time the host takes from a program that computes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Instructions in a millisecond on the slowest host that counts as a chip: a quarter of what a chip at 160 MHz executes at
/// most (the clock of the ESP32-C3 series datasheet).
const SLOWEST: u64 = 40_000;

/// How much time of computing is looked at together, in nanoseconds.
const PERIOD: u64 = 50_000_000;

/// Fewer instructions say nothing about the host's speed.
const MEASURED: u64 = 4_000;

/// The most instructions in a millisecond that any machine of this process has executed between two looks at the clock.
/// That is the host's speed: what a program polls, or asks the ROM to do, makes the others slower.
static SPEED: AtomicU64 = AtomicU64::new(0);

/// Compares the time in which a program computes with the time that the host's processor gave it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When the machine last looked at the clock.
    looked: u64,
    /// How many instructions had been executed then.
    executed: u64,
    /// The computing of this period, in nanoseconds.
    computing: u64,
    /// The processor time of this thread when the period began, in nanoseconds.
    began: Option<u64>,
    /// The program waits, or has waited since the last look.
    waited: bool,
    /// Time since the last look that is not the program's.
    elsewhere: u64,
}

impl Pace {
    /// The program waits until the next look.
    pub(super) fn waits(&mut self) {
        self.waited = true;
    }

    /// The embedder took so long to take outputs, in nanoseconds.
    pub(super) fn elsewhere(&mut self, span: u64) {
        self.elsewhere += span;
    }

    /// The machine looks at the clock. Says at the end of a period how much of its computing the host has taken away.
    pub(super) fn look(&mut self, now: u64, executed: u64) -> Option<Duration> {
        let took = now.saturating_sub(self.looked).saturating_sub(std::mem::take(&mut self.elsewhere));
        let instructions = executed - self.executed;
        (self.looked, self.executed) = (now, executed);
        if !std::mem::take(&mut self.waited) {
            let began = self.began.get_or_insert_with(processor_time);
            self.computing += took;
            if instructions >= MEASURED && took > 0 {
                SPEED.fetch_max(instructions * 1_000_000 / took, Ordering::Relaxed);
            }
            if self.computing >= PERIOD {
                let (used, computing) = (processor_time().saturating_sub(*began), self.computing);
                (self.began, self.computing) = (None, 0);
                return lost(computing, used, SPEED.load(Ordering::Relaxed));
            }
        }
        None
    }
}

/// What the host takes from a program that computes for so long, if it executes it for that part of the time at that speed.
fn lost(computing: u64, used: u64, speed: u64) -> Option<Duration> {
    // 0: not measured yet.
    let speed = if speed == 0 { SLOWEST } else { speed.min(SLOWEST) };
    let worth = u128::from(used) * u128::from(speed) / u128::from(SLOWEST);
    let lost = computing.saturating_sub(u64::try_from(worth).unwrap_or(u64::MAX));
    (lost > 0).then_some(Duration::from_nanos(lost))
}

/// The processor time of this thread, in nanoseconds.
fn processor_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanoseconds = i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    u64::try_from(nanoseconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_host_that_does_something_else_takes_time() {
        assert_eq!(lost(50 * MS, 50 * MS, 120_000), None);
        assert_eq!(lost(50 * MS, 60 * MS, 120_000), None, "short waits are not computing, but take the processor");
        assert_eq!(lost(90 * MS, 30 * MS, 120_000), Some(Duration::from_millis(60)));
        assert_eq!(lost(90 * MS, 30 * MS, 0), Some(Duration::from_millis(60)), "its speed is not known");
    }

    #[test]
    fn a_host_that_is_slower_than_a_quarter_of_a_chip_takes_time() {
        assert_eq!(lost(50 * MS, 50 * MS, 40_000), None);
        assert_eq!(lost(50 * MS, 50 * MS, 20_000), Some(Duration::from_millis(25)));
        assert_eq!(lost(100 * MS, 50 * MS, 20_000), Some(Duration::from_millis(75)));
    }

    #[test]
    fn only_computing_counts() {
        let mut pace = Pace::default();
        pace.waits();
        assert_eq!(pace.look(1000 * MS, 0), None, "a wait");
        assert_eq!(pace.look(1040 * MS, 0), None, "40 ms");
        pace.elsewhere(500 * MS);
        assert_eq!(pace.look(1549 * MS, 0), None, "9 ms, and 500 ms for outputs");
        // This thread has hardly used its processor.
        let lost = pace.look(1600 * MS, 0).expect("100 ms of computing");
        assert!(lost > Duration::from_millis(50) && lost <= Duration::from_millis(100), "{lost:?}");
        assert_eq!(pace.look(1640 * MS, 0), None, "a new period");
    }

    #[test]
    fn a_program_that_has_the_processor_loses_nothing_to_others() {
        let mut pace = Pace::default();
        let begin = processor_time();
        pace.look(0, 0);
        let started = Instant::now();
        while processor_time() - begin < 60 * MS && started.elapsed() < Duration::from_secs(30) {
            std::hint::spin_loop();
        }
        SPEED.fetch_max(SLOWEST, Ordering::Relaxed);
        assert_eq!(pace.look(55 * MS, 0), None, "60 ms of the processor for 55 ms");
    }
}
