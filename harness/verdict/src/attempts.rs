//! Connection attempts of a board, and the pauses between them.

use std::time::Duration;

use hil_timeline::{ConnectionChange, RunEvent, Stamp, What};

use crate::stalls::Stalls;

/// When the tap accepted a connection of the board, if this is such a record.
#[must_use]
pub fn attempt_opened(event: &RunEvent, board: &str) -> Option<Stamp> {
    match &event.what {
        What::Connection { board: of, change: ConnectionChange::Opened, .. } if of == board => Some(event.at),
        _ => None,
    }
}

/// The pauses between attempts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pauses(Vec<Pause>);

/// The time between two records, each of which may have been recorded late because of a stall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Pause {
    looks: Duration,
    /// May be shorter by this: its end may have been recorded late.
    shorter: Duration,
    /// May be longer by this: its beginning may have been recorded late.
    longer: Duration,
}

impl Pause {
    fn least(&self) -> Duration {
        self.looks.saturating_sub(self.shorter)
    }

    fn most(&self) -> Duration {
        self.looks + self.longer
    }
}

/// Whether a condition holds for times that are known within a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// It holds.
    Yes,
    /// It does not hold.
    No,
    /// It depends on how late the records were.
    Unknown,
}

impl Holds {
    /// Whether a time is within its limit, although its end may have been recorded late: a time that looks short enough
    /// certainly is.
    #[must_use]
    pub fn no_longer(span: Duration, most: Duration, lateness: Duration) -> Self {
        Self::between(span <= most, span <= most + lateness)
    }

    /// `strict`: it holds however late the records were; `lenient`: it may hold.
    fn between(strict: bool, lenient: bool) -> Self {
        match (strict, lenient) {
            (true, _) => Self::Yes,
            (false, true) => Self::Unknown,
            (false, false) => Self::No,
        }
    }
}

impl Pauses {
    /// The relative tolerance of a pause: a back-off runs on the board's own clock, and wakes up late.
    /// late.
    const NEAR: f64 = 0.1;

    /// The pauses between these times.
    #[must_use]
    pub fn between(attempts: &[Stamp], stalls: &Stalls) -> Self {
        let late = |at: &Stamp| stalls.lateness([at]);
        let pause =
            |pair: &[Stamp]| Pause { looks: pair[1].since(pair[0]), shorter: late(&pair[1]), longer: late(&pair[0]) };
        Self(attempts.windows(2).map(pause).collect())
    }

    /// The largest possible error of any pause.
    #[must_use]
    pub fn lateness(&self) -> Duration {
        self.0.iter().map(|pause| pause.shorter.max(pause.longer)).max().unwrap_or_default()
    }

    /// Whether each pause is longer than the previous one, up to the maximum.
    #[must_use]
    pub fn grow(&self, most: Option<Duration>) -> Holds {
        let is_near = |pause: Duration| most.is_some_and(|most| pause >= most.mul_f64(1.0 - Self::NEAR));
        let all = |grows: fn(&Pause, &Pause) -> bool, length: fn(&Pause) -> Duration| {
            let reached = |pause: &Pause| is_near(length(pause));
            self.0.windows(2).all(|pair| grows(&pair[0], &pair[1]) || reached(&pair[0]) && reached(&pair[1]))
        };
        let strict = all(|before, next| next.least() > before.most(), Pause::least);
        Holds::between(strict, all(|before, next| next.most() > before.least(), Pause::most))
    }

    /// Whether no pause exceeds the maximum, with the same tolerance in both directions.
    #[must_use]
    pub fn are_bounded(&self, most: Option<Duration>) -> Holds {
        let Some(most) = most.map(|most| most.mul_f64(1.0 + Self::NEAR)) else { return Holds::Yes };
        let all = |length: fn(&Pause) -> Duration| self.0.iter().all(|pause| length(pause) <= most);
        Holds::between(all(Pause::most), all(Pause::least))
    }

    /// Whether each pause equals the period, within the tolerance.
    #[must_use]
    pub fn are_every(&self, period: Duration, tolerance: Duration) -> Holds {
        let (least, most) = (period.saturating_sub(tolerance), period + tolerance);
        let strict = self.0.iter().all(|pause| pause.least() >= least && pause.most() <= most);
        Holds::between(strict, self.0.iter().all(|pause| pause.most() >= least && pause.least() <= most))
    }
}

impl std::fmt::Display for Pauses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: Vec<_> = self.0.iter().map(|pause| format!("{:.3} s", pause.looks.as_secs_f64())).collect();
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
        let (late, looks) = (Duration::from_millis(lateness), |ms: &u64| Duration::from_millis(*ms));
        Pauses(ms.iter().map(|ms| Pause { looks: looks(ms), shorter: late, longer: late }).collect())
    }

    /// A late record affects only the pauses next to it.
    #[test]
    fn a_stall_near_one_record_leaves_the_other_pauses_as_they_are() {
        use crate::stalls::{Stall, Stalled};
        let stamps = [0, 1_000_000, 2_000_000, 2_500_000].map(Stamp);
        let stall = Stall { who: Stalled::Machine, from: Stamp(600_000), over: Stamp(1_000_000) };
        let pauses = Pauses::between(&stamps, &Stalls::new([stall]));
        let every = pauses.are_every(Duration::from_secs(1), Duration::from_millis(200));
        assert_eq!(every, Holds::No, "half a second, far from the stall");
        let before = Pauses::between(&stamps[..3], &Stalls::new([stall]));
        assert_eq!(before.are_every(Duration::from_secs(1), Duration::from_millis(200)), Holds::Unknown);
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
    fn a_result_that_a_stall_may_have_changed_is_unknown() {
        let every =
            |ms: &[u64], lateness| late(ms, lateness).are_every(Duration::from_secs(1), Duration::from_millis(200));
        assert_eq!(every(&[1000, 1150], 0), Holds::Yes);
        assert_eq!(every(&[1000, 1150], 40), Holds::Yes, "whatever the stall changed");
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
