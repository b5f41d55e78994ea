//! How often a board tries to connect.

use std::time::Duration;

use hil_timeline::{ConnectionChange, RunEvent, Stamp, What};

use crate::stalls::Stalls;

/// When a record says that a connection of the board's was opened at the tap.
#[must_use]
pub fn attempt_opened(event: &RunEvent, board: &str) -> Option<Stamp> {
    match &event.what {
        What::Connection { board: of, change: ConnectionChange::Opened, .. } if of == board => Some(event.at),
        _ => None,
    }
}

/// The pauses between attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pauses {
    pauses: Vec<Duration>,
    /// Each may be so much longer or shorter than it looks: records that waited for the end of a stall.
    lateness: Duration,
}

/// Whether something holds, where the times that it rests on are known within a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// It depends on how late the records were.
    Unknown,
}

impl Holds {
    /// Whether a time was no longer than it may be, where the record of its end may have been late by so much: one that
    /// looks short enough was.
    #[must_use]
    pub fn no_longer(span: Duration, most: Duration, lateness: Duration) -> Self {
        Self::between(span <= most, span <= most + lateness)
    }

    /// `strict` is whether it holds however late the records were, `lenient` whether it may hold.
    fn between(strict: bool, lenient: bool) -> Self {
        match (strict, lenient) {
            (true, _) => Self::Yes,
            (false, true) => Self::Unknown,
            (false, false) => Self::No,
        }
    }
}

impl Pauses {
    /// A pause may differ from its bound by this part of it: a back-off has a clock of its own, and what wakes it is
    /// late.
    const NEAR: f64 = 0.1;

    /// Between these moments.
    #[must_use]
    pub fn between(attempts: &[Stamp], stalls: &Stalls) -> Self {
        let pauses = attempts.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        Self { pauses, lateness: stalls.lateness(attempts) }
    }

    /// By how much each may be wrong.
    #[must_use]
    pub fn lateness(&self) -> Duration {
        self.lateness
    }

    /// Whether each pause is longer than the one before, until they have reached their bound.
    #[must_use]
    pub fn grow(&self, most: Option<Duration>) -> Holds {
        let at_bound = |pause: Duration| most.is_some_and(|most| pause >= most.mul_f64(1.0 - Self::NEAR));
        // Two pauses are compared, and each may be wrong.
        let late = self.lateness * 2;
        let grows = |longer: &dyn Fn(Duration, Duration) -> bool, late: Duration| {
            let reached = |pause: Duration| at_bound(pause + late);
            self.pauses.windows(2).all(|pair| longer(pair[1], pair[0]) || reached(pair[0]) && reached(pair[1]))
        };
        let strict = grows(&|next, before| next > before + late, Duration::ZERO);
        Holds::between(strict, grows(&|next, before| next + late > before, late))
    }

    /// Whether no pause is longer than the bound; it has the same tolerance upwards as downwards.
    #[must_use]
    pub fn are_bounded(&self, most: Option<Duration>) -> Holds {
        let Some(most) = most.map(|most| most.mul_f64(1.0 + Self::NEAR)) else { return Holds::Yes };
        let within = |late: Duration, more: Duration| self.pauses.iter().all(|pause| *pause + more <= most + late);
        Holds::between(within(Duration::ZERO, self.lateness), within(self.lateness, Duration::ZERO))
    }

    /// Whether each is as long as the period, give or take.
    #[must_use]
    pub fn are_every(&self, period: Duration, tolerance: Duration) -> Holds {
        let within = |late: Duration, more: Duration| {
            self.pauses.iter().all(|pause| pause.abs_diff(period) + more <= tolerance + late)
        };
        Holds::between(within(Duration::ZERO, self.lateness), within(self.lateness, Duration::ZERO))
    }
}

impl std::fmt::Display for Pauses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: Vec<_> = self.pauses.iter().map(|pause| format!("{:.3} s", pause.as_secs_f64())).collect();
        f.write_str(if shown.is_empty() { "none" } else { "" })?;
        f.write_str(&shown.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(ms: &[u64]) -> Pauses {
        late(ms, 0)
    }

    fn late(ms: &[u64], lateness: u64) -> Pauses {
        let pauses = ms.iter().map(|ms| Duration::from_millis(*ms)).collect();
        Pauses { pauses, lateness: Duration::from_millis(lateness) }
    }

    #[test]
    fn a_bounded_back_off_has_a_tolerance_on_both_sides() {
        let most = Some(Duration::from_secs(4));
        let good = pauses(&[1000, 2001, 4003, 3990, 4012]);
        assert_eq!((good.grow(most), good.are_bounded(most)), (Holds::Yes, Holds::Yes), "4.012 s is 4 s");
        assert_eq!(pauses(&[1000, 2000, 5000]).are_bounded(most), Holds::No);
        assert_eq!(pauses(&[1000, 2000, 1500]).grow(most), Holds::No);
        assert_eq!(pauses(&[1000, 4000, 1000]).grow(most), Holds::No, "it begins again");
        assert_eq!(pauses(&[1000, 1000]).grow(None), Holds::No);
    }

    #[test]
    fn what_a_stall_may_have_changed_is_not_known() {
        let every =
            |ms: &[u64], lateness| late(ms, lateness).are_every(Duration::from_secs(1), Duration::from_millis(200));
        assert_eq!(every(&[1000, 1150], 0), Holds::Yes);
        assert_eq!(every(&[1000, 1150], 40), Holds::Yes, "whatever the stall did");
        assert_eq!(every(&[1000, 1150], 60), Holds::Unknown);
        assert_eq!(every(&[1000, 1250], 60), Holds::Unknown);
        assert_eq!(every(&[1000, 1300], 60), Holds::No, "no stall explains that");
        assert_eq!(late(&[1000, 1100], 60).grow(None), Holds::Unknown);
        assert_eq!(late(&[1000, 500], 60).grow(None), Holds::No);
        let most = Some(Duration::from_secs(1));
        assert_eq!(late(&[1090], 60).are_bounded(most), Holds::Unknown);
        assert_eq!(late(&[1500], 60).are_bounded(most), Holds::No);
    }
}
