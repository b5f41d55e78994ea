//! Frames on their way, and what happens to them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hil_fuzz::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    ToStation,
    ToAccessPoint,
}

/// How often what happens to a frame, of 100.
pub(crate) struct Weather {
    random: Random,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) late: usize,
}

impl Weather {
    pub(crate) fn fair() -> Self {
        Self::foul(0, 0, 0, 0)
    }

    pub(crate) fn foul(seed: u64, lost: usize, doubled: usize, late: usize) -> Self {
        Self { random: Random::new(seed), lost, doubled, late }
    }

    /// When each copy of a frame arrives, in ms.
    fn delays(&mut self) -> Vec<u64> {
        if self.random.below(100) < self.lost {
            return Vec::new();
        }
        let copies = if self.random.below(100) < self.doubled { 2 } else { 1 };
        let mut delay = || {
            let late = self.random.below(100) < self.late;
            1 + if late { self.random.below(40) as u64 } else { 0 }
        };
        (0..copies).map(|_| delay()).collect()
    }
}

/// Frames on their way.
pub(crate) struct Air {
    pub(crate) weather: Weather,
    /// No frame arrives while this is set.
    pub(crate) silent: bool,
    flying: BTreeMap<(Instant, u64), (Direction, Vec<u8>)>,
    sent: u64,
    /// Every frame that was sent, for tests that look at them.
    pub(crate) seen: Vec<(Direction, Vec<u8>)>,
}

impl Air {
    pub(crate) fn new(weather: Weather) -> Self {
        Self { weather, silent: false, flying: BTreeMap::new(), sent: 0, seen: Vec::new() }
    }

    pub(crate) fn send(&mut self, now: Instant, direction: Direction, frame: Vec<u8>) {
        for delay in self.weather.delays() {
            if !self.silent {
                self.flying.insert((now + Duration::from_millis(delay), self.sent), (direction, frame.clone()));
                self.sent += 1;
            }
        }
        self.seen.push((direction, frame));
    }

    pub(crate) fn due(&self) -> Option<Instant> {
        self.flying.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn arrived(&mut self, now: Instant) -> Option<(Direction, Vec<u8>)> {
        let first = self.flying.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }
}
