//! How often a board tries to connect.

use std::time::Duration;

use hil_timeline::{ConnectionChange, RunEvent, Stamp, What};

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
pub struct Pauses(pub Vec<Duration>);

impl Pauses {
    /// A pause may differ from its bound by this part of it: a back-off has a clock of its own, and what wakes it is
    /// late.
    const NEAR: f64 = 0.1;

    /// Between these moments.
    #[must_use]
    pub fn between(attempts: &[Stamp]) -> Self {
        Self(attempts.windows(2).map(|pair| pair[1].since(pair[0])).collect())
    }

    /// Whether each pause is longer than the one before, until they have reached their bound.
    #[must_use]
    pub fn grow(&self, most: Option<Duration>) -> bool {
        let at_bound = |pause: Duration| most.is_some_and(|most| pause >= most.mul_f64(1.0 - Self::NEAR));
        self.0.windows(2).all(|pair| pair[1] > pair[0] || at_bound(pair[0]) && at_bound(pair[1]))
    }

    /// Whether no pause is longer than the bound; it has the same tolerance upwards as downwards.
    #[must_use]
    pub fn are_bounded(&self, most: Option<Duration>) -> bool {
        most.is_none_or(|most| self.0.iter().all(|pause| *pause <= most.mul_f64(1.0 + Self::NEAR)))
    }

    /// Whether each is as long as the period, give or take.
    #[must_use]
    pub fn are_every(&self, period: Duration, tolerance: Duration) -> bool {
        self.0.iter().all(|pause| pause.abs_diff(period) <= tolerance)
    }
}

impl std::fmt::Display for Pauses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: Vec<_> = self.0.iter().map(|pause| format!("{:.3} s", pause.as_secs_f64())).collect();
        f.write_str(if shown.is_empty() { "none" } else { "" })?;
        f.write_str(&shown.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(ms: &[u64]) -> Pauses {
        Pauses(ms.iter().map(|ms| Duration::from_millis(*ms)).collect())
    }

    #[test]
    fn a_bounded_back_off_has_a_tolerance_on_both_sides() {
        let most = Some(Duration::from_secs(4));
        let good = pauses(&[1000, 2001, 4003, 3990, 4012]);
        assert!(good.grow(most) && good.are_bounded(most), "4.012 s is 4 s");
        assert!(!pauses(&[1000, 2000, 5000]).are_bounded(most));
        assert!(!pauses(&[1000, 2000, 1500]).grow(most));
        assert!(!pauses(&[1000, 4000, 1000]).grow(most), "it begins again");
        assert!(!pauses(&[1000, 1000]).grow(None));
    }
}
