//! The recovery ladder: what is tried, in order, before a board is given up.

use crate::error::BenchError;

/// A rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// Without any preparation.
    Try,
    /// After a reset, by another strategy where there are several.
    Reset,
    /// With the strapping pin held for longer: a large capacitor at EN lets it rise late.
    SlowReset,
    /// At the ROM's own speed.
    LowerBaud,
    /// After a power cycle.
    PowerCycle,
}

impl Rung {
    /// The next rung after a failure on this one, where the reset varies with the attempt or does not; none when there
    /// is nothing left that could help.
    pub(crate) fn next(self, failure: &BenchError, has_rails: bool, varies: bool) -> Option<Self> {
        let power_cycle = has_rails.then_some(Self::PowerCycle);
        // Speed can be the cause only if the chip has answered.
        let at_speed = matches!(failure, BenchError::Flash { .. } | BenchError::VerifyFailed { .. });
        match self {
            Self::Try => Some(Self::Reset),
            Self::Reset if at_speed => Some(Self::LowerBaud),
            Self::Reset if varies && matches!(failure, BenchError::NoAnswer { .. }) => Some(Self::SlowReset),
            Self::Reset | Self::SlowReset | Self::LowerBaud => power_cycle,
            Self::PowerCycle => None,
        }
    }

    /// Which attempt it is, from 0.
    pub(crate) fn attempt(self) -> u32 {
        self as u32
    }

    /// Speed of the flash on this rung.
    pub(crate) fn baud(self, configured: u32) -> u32 {
        /// Speed of the ROM's loader.
        const ROM_BAUD: u32 = 115_200;
        if self == Self::LowerBaud { ROM_BAUD.min(configured) } else { configured }
    }

    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Try => "first attempt",
            Self::Reset => "retry after a reset",
            Self::SlowReset => "retry with its strapping pin held for longer",
            Self::LowerBaud => "retry at 115200 baud",
            Self::PowerCycle => "retry after a power cycle",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_climbs_to_an_end() {
        let mute = BenchError::NoAnswer { board: "a".into(), port: "/dev/x".into() };
        let garbled = BenchError::Flash { board: "a".into(), reason: "crc".into() };
        let climb = |failure: &BenchError, has_rails, varies| {
            std::iter::successors(Some(Rung::Try), |rung| rung.next(failure, has_rails, varies)).collect::<Vec<_>>()
        };
        assert_eq!(climb(&mute, true, false), [Rung::Try, Rung::Reset, Rung::PowerCycle]);
        assert_eq!(climb(&mute, false, false), [Rung::Try, Rung::Reset]);
        assert_eq!(climb(&mute, true, true), [Rung::Try, Rung::Reset, Rung::SlowReset, Rung::PowerCycle]);
        assert_eq!(climb(&mute, false, true), [Rung::Try, Rung::Reset, Rung::SlowReset]);
        assert_eq!(climb(&garbled, true, true), [Rung::Try, Rung::Reset, Rung::LowerBaud, Rung::PowerCycle]);
        assert_eq!(climb(&garbled, false, false), [Rung::Try, Rung::Reset, Rung::LowerBaud]);
        assert_eq!((Rung::LowerBaud.baud(921_600), Rung::LowerBaud.baud(9_600)), (115_200, 9_600));
    }
}
