//! The offset between the clocks of head and agent.
//!
//! The head asks for the agent's time and notes when the question went and when the answer came. The agent's time was
//! taken somewhere in between, so the middle is wrong by at most half the round trip. The smallest of several round
//! trips is used: delays only ever add.

use std::time::Duration;

use hil_timeline::Stamp;

/// How many round trips a measurement has.
pub(crate) const TRIPS: u32 = 8;

/// Time between two measurements.
pub(crate) const EVERY: Duration = Duration::from_secs(5);

/// A measured offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offset {
    /// How many microseconds the zero of the agent's clock is after that of the head.
    pub(crate) us: i64,
    /// It is wrong by at most so many.
    pub(crate) bound_us: u64,
}

impl Offset {
    /// From one round trip: when the question went and the answer came on the head's clock, and the agent's time.
    pub(crate) fn of(went: Stamp, came: Stamp, agent: Stamp) -> Self {
        let trip = came.0.saturating_sub(went.0);
        let middle = went.0.saturating_add(trip / 2);
        Self { us: signed(middle).saturating_sub(signed(agent.0)), bound_us: trip.div_ceil(2) }
    }

    /// The more exact one.
    pub(crate) fn better(self, other: Option<Self>) -> Self {
        match other {
            Some(other) if other.bound_us <= self.bound_us => other,
            _ => self,
        }
    }

    /// How much later the agent's times are on the head's clock. An agent begins after its head; what a measurement is
    /// wrong by must not move its events before the beginning.
    pub(crate) fn delay(self) -> Duration {
        Duration::from_micros(u64::try_from(self.us).unwrap_or(0))
    }
}

fn signed(us: u64) -> i64 {
    i64::try_from(us).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_true_offset_is_within_the_bound_wherever_the_delay_was() {
        const TRUE: i64 = 400_000;
        let mut best: Option<Offset> = None;
        for (there, back) in [(100, 2_500), (30, 25), (2_500, 10), (0, 0), (7, 0)] {
            let went = 1_000_000;
            let agent = u64::try_from(went + there - TRUE).expect("positive");
            let came = went + there + back;
            let offset = Offset::of(Stamp(went.unsigned_abs()), Stamp(came.unsigned_abs()), Stamp(agent));
            assert!((offset.us - TRUE).unsigned_abs() <= offset.bound_us, "{offset:?}");
            best = Some(offset.better(best));
        }
        assert_eq!(best, Some(Offset { us: TRUE, bound_us: 0 }));
    }

    #[test]
    fn an_agent_never_begins_before_its_head() {
        assert_eq!(Offset { us: 400_000, bound_us: 54 }.delay(), Duration::from_micros(400_000));
        assert_eq!(Offset { us: -20, bound_us: 54 }.delay(), Duration::ZERO);
    }
}
