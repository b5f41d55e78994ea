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

/// How a path came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// One side sent FIN; `Up` is the near side.
    Closed(Way),
    /// One side sent RST or its socket failed; `Up` is the near side.
    Broken(Way),
    /// The control ended it.
    Ordered(Ending),
}

/// A silence that lasts; what [`Control::silence`] gives back. It ends with [`Control::resume`], or with all the others
/// by [`Control::clear`]; not by being dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Silence {
    up: bool,
    down: bool,
    /// How often all was cleared before it began.
    clearings: u64,
}

impl Silence {
    fn ways(&self) -> impl Iterator<Item = Way> + use<> {
        let silent = [(Way::Up, self.up), (Way::Down, self.down)];
        silent.into_iter().filter_map(|(way, is_silent)| is_silent.then_some(way))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// How many silences last.
    silences: u32,
    pub(crate) delay: Duration,
    /// A delay differs from the one above by up to this much, evenly, either way.
    pub(crate) jitter: Duration,
    /// Bytes a second.
    pub(crate) bandwidth: Option<NonZeroU64>,
}

impl Condition {
    pub(crate) fn is_silent(&self) -> bool {
        self.silences > 0
    }
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
    /// How often everything was cleared.
    clearings: u64,
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
/// let silence = control.silence(&Way::BOTH);
/// assert!(control.is_silent());
/// control.resume(silence);
/// assert!(!control.is_silent());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Control {
    conditions: watch::Sender<Conditions>,
}

impl Control {
    /// From now on nothing gets through: no byte, no FIN, no RST. Bytes are held, as TCP would keep trying.
    ///
    /// Silences are counted: a way is silent until all that were asked for have ended, each by itself.
    pub fn silence(&self, ways: &[Way]) -> Silence {
        let mut silence = Silence { up: ways.contains(&Way::Up), down: ways.contains(&Way::Down), clearings: 0 };
        self.conditions.send_modify(|conditions| {
            silence.clearings = conditions.clearings;
            silence.ways().for_each(|way| conditions.of_mut(way).silences += 1);
        });
        silence
    }

    /// This silence ends; where no other lasts, what was held is delivered, in order.
    pub fn resume(&self, silence: Silence) {
        self.conditions.send_modify(|conditions| {
            if conditions.clearings == silence.clearings {
                for way in silence.ways() {
                    let condition = conditions.of_mut(way);
                    condition.silences = condition.silences.saturating_sub(1);
                }
            }
        });
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
        Way::BOTH.iter().any(|way| conditions.of(*way).is_silent())
    }

    /// Waits until neither way is silent.
    pub async fn audible(&self) {
        let audible = |conditions: &Conditions| Way::BOTH.iter().all(|way| !conditions.of(*way).is_silent());
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

    /// No silence, no delay and no limit from now on; silences that began before are over.
    pub fn clear(&self) {
        self.conditions.send_modify(|conditions| {
            (conditions.up, conditions.down) = (Condition::default(), Condition::default());
            conditions.clearings += 1;
        });
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Conditions> {
        self.conditions.subscribe()
    }

    fn change(&self, ways: &[Way], change: impl Fn(&mut Condition)) {
        self.conditions.send_modify(|conditions| ways.iter().for_each(|way| change(conditions.of_mut(*way))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_silent(control: &Control) -> [bool; 2] {
        Way::BOTH.map(|way| control.conditions.borrow().of(way).is_silent())
    }

    #[test]
    fn a_silence_ends_only_itself() {
        let control = Control::default();
        let both = control.silence(&Way::BOTH);
        let down = control.silence(&[Way::Down, Way::Down]);
        control.resume(both);
        assert_eq!(is_silent(&control), [false, true]);
        let again = control.silence(&Way::BOTH);
        control.resume(down);
        assert_eq!(is_silent(&control), [true, true]);
        control.resume(again);
        assert_eq!(is_silent(&control), [false, false]);
    }

    #[test]
    fn a_silence_that_was_cleared_does_not_end_a_later_one() {
        let control = Control::default();
        let earlier = control.silence(&[Way::Down]);
        control.clear();
        assert_eq!(is_silent(&control), [false, false]);
        let later = control.silence(&[Way::Down]);
        control.resume(earlier);
        assert_eq!(is_silent(&control), [false, true]);
        control.resume(later);
        assert_eq!(is_silent(&control), [false, false]);
    }
}
