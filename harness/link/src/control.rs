//! What is done to a path while it carries bytes.

use std::num::NonZeroU64;
use std::time::Duration;

use tokio::sync::watch;

/// One of the two directions of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathDirection {
    /// From the near socket (the device) to the far one (the broker).
    Upstream,
    /// From the far socket to the near one.
    Downstream,
}

impl PathDirection {
    /// Both directions.
    pub const BOTH: [Self; 2] = [Self::Upstream, Self::Downstream];
}

/// How a path is ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// FIN towards both sides.
    Close,
    /// RST towards both sides.
    Reset,
    /// The near side is gone without a word: the far side hears nothing, not even of the end of the near socket. See
    /// [`Control::device_restarted`].
    Abandon,
}

/// How a path came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// One side sent FIN; `Up` is the near side.
    Closed(PathDirection),
    /// One side sent RST or its socket failed; `Up` is the near side.
    Broken(PathDirection),
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
    fn directions(&self) -> impl Iterator<Item = PathDirection> + use<> {
        let silent = [(PathDirection::Upstream, self.up), (PathDirection::Downstream, self.down)];
        silent.into_iter().filter_map(|(direction, is_silent)| is_silent.then_some(direction))
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Condition {
    /// How many silences last.
    silences: u32,
    pub(crate) delay: Duration,
    /// A delay differs from the one above by up to this much, evenly, either direction.
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
    pub(crate) fn of(&self, direction: PathDirection) -> Condition {
        match direction {
            PathDirection::Upstream => self.up,
            PathDirection::Downstream => self.down,
        }
    }

    fn of_mut(&mut self, direction: PathDirection) -> &mut Condition {
        match direction {
            PathDirection::Upstream => &mut self.up,
            PathDirection::Downstream => &mut self.down,
        }
    }
}

/// Handle on one or more paths; cheap to clone, all clones steer the same paths.
///
/// # Example
/// ```
/// use hil_link::{Control, PathDirection};
/// let control = Control::default();
/// let silence = control.silence(&PathDirection::BOTH);
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
    /// Silences are counted: a direction is silent until all that were asked for have ended, each by itself.
    pub fn silence(&self, directions: &[PathDirection]) -> Silence {
        let mut silence = Silence {
            up: directions.contains(&PathDirection::Upstream),
            down: directions.contains(&PathDirection::Downstream),
            clearings: 0,
        };
        self.conditions.send_modify(|conditions| {
            silence.clearings = conditions.clearings;
            silence.directions().for_each(|direction| conditions.of_mut(direction).silences += 1);
        });
        silence
    }

    /// This silence ends; where no other lasts, what was held is delivered, in order.
    pub fn resume(&self, silence: Silence) {
        self.conditions.send_modify(|conditions| {
            if conditions.clearings == silence.clearings {
                for direction in silence.directions() {
                    let condition = conditions.of_mut(direction);
                    condition.silences = condition.silences.saturating_sub(1);
                }
            }
        });
    }

    /// Bytes read from now on arrive this much later, give or take `jitter`; order is kept.
    pub fn delay(&self, directions: &[PathDirection], by: Duration, jitter: Duration) {
        self.change(directions, |condition| (condition.delay, condition.jitter) = (by, jitter));
    }

    /// No more than this many bytes a second get through from now on.
    pub fn limit(&self, directions: &[PathDirection], bytes_a_second: NonZeroU64) {
        self.change(directions, |condition| condition.bandwidth = Some(bytes_a_second));
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
    pub fn device_restarted(&self) {
        self.conditions.send_modify(|conditions| conditions.lives += 1);
    }

    /// Whether either direction is silent.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let conditions = self.conditions.borrow();
        PathDirection::BOTH.iter().any(|direction| conditions.of(*direction).is_silent())
    }

    /// Waits until neither direction is silent.
    pub async fn audible(&self) {
        let audible = |conditions: &Conditions| {
            PathDirection::BOTH.iter().all(|direction| !conditions.of(*direction).is_silent())
        };
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

    /// How much longer than usual what is on its direction may take.
    pub(crate) fn slowness(&self) -> Duration {
        /// What a narrow direction may take to empty a full queue.
        const NARROW: Duration = Duration::from_secs(60);
        let conditions = self.conditions.borrow();
        let of = |direction: PathDirection| {
            let condition = conditions.of(direction);
            let narrow = condition.bandwidth.map_or(Duration::ZERO, |_| NARROW);
            condition.delay + condition.jitter + narrow
        };
        PathDirection::BOTH.map(of).into_iter().max().unwrap_or_default()
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

    fn change(&self, directions: &[PathDirection], change: impl Fn(&mut Condition)) {
        self.conditions
            .send_modify(|conditions| directions.iter().for_each(|direction| change(conditions.of_mut(*direction))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_silent(control: &Control) -> [bool; 2] {
        PathDirection::BOTH.map(|direction| control.conditions.borrow().of(direction).is_silent())
    }

    #[test]
    fn a_silence_ends_only_itself() {
        let control = Control::default();
        let both = control.silence(&PathDirection::BOTH);
        let down = control.silence(&[PathDirection::Downstream, PathDirection::Downstream]);
        control.resume(both);
        assert_eq!(is_silent(&control), [false, true]);
        let again = control.silence(&PathDirection::BOTH);
        control.resume(down);
        assert_eq!(is_silent(&control), [true, true]);
        control.resume(again);
        assert_eq!(is_silent(&control), [false, false]);
    }

    #[test]
    fn a_silence_that_was_cleared_does_not_end_a_later_one() {
        let control = Control::default();
        let earlier = control.silence(&[PathDirection::Downstream]);
        control.clear();
        assert_eq!(is_silent(&control), [false, false]);
        let later = control.silence(&[PathDirection::Downstream]);
        control.resume(earlier);
        assert_eq!(is_silent(&control), [false, true]);
        control.resume(later);
        assert_eq!(is_silent(&control), [false, false]);
    }
}
