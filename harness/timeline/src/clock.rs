//! The clock of a run.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The instant at which a run began; every [`Stamp`] counts from it.
///
/// Built on tokio's clock, so that tests can pause it.
#[derive(Debug, Clone, Copy)]
pub struct Epoch(Instant);

impl Epoch {
    /// Starts the clock.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The stamp of this instant.
    #[must_use]
    pub fn now(&self) -> Stamp {
        self.stamp(Instant::now())
    }

    /// The stamp of an instant; instants before the epoch count as the epoch itself.
    #[must_use]
    pub fn stamp(&self, instant: Instant) -> Stamp {
        let since = instant.saturating_duration_since(self.0);
        Stamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// The instant of a stamp.
    #[must_use]
    pub fn instant(&self, stamp: Stamp) -> Instant {
        self.0 + Duration::from_micros(stamp.0)
    }
}

/// Microseconds since the [`Epoch`] of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(pub u64);

impl Stamp {
    /// Time from `earlier` to `self`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Stamp) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }

    /// Signed distance from `mark` in seconds.
    #[must_use]
    pub fn seconds_from(self, mark: Stamp) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a run is far shorter than 2^52 µs")]
        let seconds = |stamp: Stamp| stamp.0 as f64 / 1e6;
        seconds(self) - seconds(mark)
    }
}

impl std::ops::Add<Duration> for Stamp {
    type Output = Stamp;

    fn add(self, later: Duration) -> Stamp {
        Stamp(self.0.saturating_add(u64::try_from(later.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} s", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}
