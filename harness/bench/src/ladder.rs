//! The recovery ladder: what is tried, in order, before a board is given up.

use crate::error::BenchError;

/// A rung of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    /// As it stands.
    Try,
    /// After a reset, by another strategy where there are several.
    Reset,
    /// At the ROM's own speed.
    LowerBaud,
    /// After a power cycle.
    PowerCycle,
}

impl Rung {
    /// The next rung after a failure on this one; none when there is nothing left that could help.
    pub(crate) fn next(self, failure: &BenchError, has_rails: bool) -> Option<Self> {
        let power_cycle = has_rails.then_some(Self::PowerCycle);
        // Speed is to blame only where the chip was spoken to at all.
        let at_speed = matches!(failure, BenchError::Flash { .. } | BenchError::VerifyFailed { .. });
        match self {
            Self::Try => Some(Self::Reset),
            Self::Reset if at_speed => Some(Self::LowerBaud),
            Self::Reset | Self::LowerBaud => power_cycle,
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
            Self::Reset => "once more after a reset",
            Self::LowerBaud => "once more at 115200 baud",
            Self::PowerCycle => "once more after a power cycle",
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
        let climb = |failure: &BenchError, has_rails| {
            std::iter::successors(Some(Rung::Try), |rung| rung.next(failure, has_rails)).collect::<Vec<_>>()
        };
        assert_eq!(climb(&mute, true), [Rung::Try, Rung::Reset, Rung::PowerCycle]);
        assert_eq!(climb(&mute, false), [Rung::Try, Rung::Reset]);
        assert_eq!(climb(&garbled, true), [Rung::Try, Rung::Reset, Rung::LowerBaud, Rung::PowerCycle]);
        assert_eq!(climb(&garbled, false), [Rung::Try, Rung::Reset, Rung::LowerBaud]);
        assert_eq!((Rung::LowerBaud.baud(921_600), Rung::LowerBaud.baud(9_600)), (115_200, 9_600));
    }
}
