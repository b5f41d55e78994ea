//! What is done to a path while it carries bytes.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::sync::watch;

/// One of the two ways of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// From the near socket (the device) to the far one (the broker).
    Up,
    /// From the far socket to the near one.
    Down,
}

impl Way {
    /// Both ways.
    pub const BOTH: [Self; 2] = [Self::Up, Self::Down];
}

/// How a path is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// FIN towards both sides.
    Close,
    /// RST towards both sides.
    Reset,
    /// The near side is gone without a word: the far side hears nothing, not even of the end of the near socket. See
    /// [`Control::owner_is_back`].
    Abandon,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) silent: bool,
    pub(crate) delay: Duration,
    /// A delay differs from the one above by up to this much, evenly, either way.
    pub(crate) jitter: Duration,
    /// Bytes a second.
    pub(crate) bandwidth: Option<NonZeroU64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    up: Condition,
    down: Condition,
    /// How often paths were ended, and how the last time.
    pub(crate) endings: (u64, Option<Ending>),
    /// How often the near side began a new life.
    pub(crate) lives: u64,
    /// In which of its lives it last abandoned its paths.
    pub(crate) abandoned_in: u64,
}

impl Conditions {
    pub(crate) fn of(&self, way: Way) -> Condition {
        match way {
            Way::Up => self.up,
            Way::Down => self.down,
        }
    }

    fn of_mut(&mut self, way: Way) -> &mut Condition {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

/// Handle on one or more paths; cheap to clone, all clones steer the same paths.
///
/// # Example
/// ```
/// use hil_link::{Control, Way};
/// let control = Control::default();
/// control.silence(&Way::BOTH);
/// control.resume(&Way::BOTH);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Control {
    conditions: watch::Sender<Conditions>,
}

impl Control {
    /// From now on nothing gets through: no byte, no FIN, no RST. Bytes are held, as TCP would keep trying.
    pub fn silence(&self, ways: &[Way]) {
        self.change(ways, |condition| condition.silent = true);
    }

    /// What was held is delivered, in order.
    pub fn resume(&self, ways: &[Way]) {
        self.change(ways, |condition| condition.silent = false);
    }

    /// Bytes read from now on arrive this much later, give or take `jitter`; order is kept.
    pub fn delay(&self, ways: &[Way], by: Duration, jitter: Duration) {
        self.change(ways, |condition| (condition.delay, condition.jitter) = (by, jitter));
    }

    /// No more than this many bytes a second get through from now on.
    pub fn limit(&self, ways: &[Way], bytes_a_second: NonZeroU64) {
        self.change(ways, |condition| condition.bandwidth = Some(bytes_a_second));
    }

    /// Ends the paths that carry bytes now; later ones are not touched.
    pub fn end(&self, ending: Ending) {
        self.conditions.send_modify(|conditions| {
            conditions.endings = (conditions.endings.0 + 1, Some(ending));
            if ending == Ending::Abandon {
                conditions.abandoned_in = conditions.lives;
            }
        });
    }

    /// The near side begins a new life: on paths that it abandoned, the next bytes of the far side are answered with
    /// RST, as by a device that has rebooted and knows nothing of them.
    pub fn owner_is_back(&self) {
        self.conditions.send_modify(|conditions| conditions.lives += 1);
    }

    /// Whether either way is silent.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let conditions = self.conditions.borrow();
        Way::BOTH.iter().any(|way| conditions.of(*way).silent)
    }

    /// Waits until neither way is silent.
    pub async fn audible(&self) {
        let audible = |conditions: &Conditions| Way::BOTH.iter().all(|way| !conditions.of(*way).silent);
        // The sender is `self`: it can't be gone.
        let _ = self.subscribe().wait_for(audible).await;
    }

    /// Waits until the paths that carry bytes now are ended.
    pub async fn next_ending(&self) -> Ending {
        let mut conditions = self.subscribe();
        let before = conditions.borrow().endings.0;
        match conditions.wait_for(|conditions| conditions.endings.0 != before).await.map(|found| found.endings.1) {
            Ok(Some(ending)) => ending,
            // The sender is `self`: it can't be gone.
            _ => std::future::pending().await,
        }
    }

    /// How much longer than usual what is on its way may take.
    pub(crate) fn slowness(&self) -> Duration {
        /// What a narrow way may take to empty a full queue.
        const NARROW: Duration = Duration::from_secs(60);
        let conditions = self.conditions.borrow();
        let of = |way: Way| {
            let condition = conditions.of(way);
            let narrow = condition.bandwidth.map_or(Duration::ZERO, |_| NARROW);
            condition.delay + condition.jitter + narrow
        };
        Way::BOTH.map(of).into_iter().max().unwrap_or_default()
    }

    /// No silence, no delay and no limit from now on.
    pub fn clear(&self) {
        self.change(&Way::BOTH, |condition| *condition = Condition::default());
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Conditions> {
        self.conditions.subscribe()
    }

    fn change(&self, ways: &[Way], change: impl Fn(&mut Condition)) {
        self.conditions.send_modify(|conditions| ways.iter().for_each(|way| change(conditions.of_mut(*way))));
    }
}
