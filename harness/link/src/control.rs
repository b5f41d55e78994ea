//! Controls a path while it carries bytes.

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

/// How to end a path from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// FIN to both sides.
    Close,
    /// RST to both sides.
    Reset,
    /// The near side is gone without FIN or RST: the far side hears nothing, not even that the near socket was
    /// closed. See [`Control::device_restarted`].
    Abandon,
}

/// How a path ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// One side sent FIN; `Upstream` is the near side.
    Closed(PathDirection),
    /// One side sent RST or its socket failed; `Upstream` is the near side.
    Broken(PathDirection),
    /// The control ended it.
    Ordered(Ending),
}

/// An active silence, as returned by [`Control::silence`]. It ends with [`Control::resume`], or together with all
/// others by [`Control::clear`], but not when it is dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Silence {
    up: bool,
    down: bool,
    /// How many times everything had been cleared before it began.
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
    /// How many silences are active.
    silences: u32,
    pub(crate) delay: Duration,
    /// The delay varies by up to this much, uniformly, in both directions.
    pub(crate) jitter: Duration,
    /// Bytes per second.
    pub(crate) bandwidth: Option<NonZeroU64>,
}

impl Condition {
    pub(crate) fn is_silent(&self) -> bool {
        self.silences > 0
    }

    /// The delay of what is sent now.
    pub(crate) fn delayed_by(&self) -> Duration {
        if self.jitter.is_zero() {
            return self.delay;
        }
        (self.delay + self.jitter.mul_f64(2.0 * fastrand::f64())).saturating_sub(self.jitter)
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Conditions {
    up: Condition,
    down: Condition,
    /// How many times paths were ended, and how the last time.
    pub(crate) endings: (u64, Option<Ending>),
    /// How many times the near side restarted.
    pub(crate) lives: u64,
    /// The number of restarts when the near side last abandoned its paths.
    pub(crate) abandoned_in: u64,
    /// How many times everything was cleared.
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

/// Handle on one or more paths; cheap to clone, all clones control the same paths.
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
    /// From now on nothing gets through: no byte, no FIN, no RST. Bytes are held, as TCP would retransmit them.
    ///
    /// Silences are counted: a direction is silent until each of its silences has ended.
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

    /// Ends this silence; if no other is active, held bytes are delivered in order.
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

    /// Bytes read from now on arrive this much later, varied by up to `jitter`; their order is kept.
    pub fn delay(&self, directions: &[PathDirection], by: Duration, jitter: Duration) {
        self.change(directions, |condition| (condition.delay, condition.jitter) = (by, jitter));
    }

    /// From now on at most this many bytes per second get through.
    pub fn limit(&self, directions: &[PathDirection], bytes_a_second: NonZeroU64) {
        self.change(directions, |condition| condition.bandwidth = Some(bytes_a_second));
    }

    /// Ends the current paths; later ones are not affected.
    pub fn end(&self, ending: Ending) {
        self.conditions.send_modify(|conditions| {
            conditions.endings = (conditions.endings.0 + 1, Some(ending));
            if ending == Ending::Abandon {
                conditions.abandoned_in = conditions.lives;
            }
        });
    }

    /// The near side has restarted: on paths that it abandoned, the next bytes of the far side are answered with RST,
    /// as by a rebooted device that has no such connection.
    pub fn device_restarted(&self) {
        self.conditions.send_modify(|conditions| conditions.lives += 1);
    }

    /// Whether either direction is silent.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let conditions = self.conditions.borrow();
        PathDirection::BOTH.iter().any(|direction| conditions.of(*direction).is_silent())
    }

    /// How late a datagram is in this direction; none if it is lost, because the direction is silent.
    #[must_use]
    pub fn carries(&self, direction: PathDirection) -> Option<Duration> {
        let condition = self.conditions.borrow().of(direction);
        (!condition.is_silent()).then(|| condition.delayed_by())
    }

    /// Waits until neither direction is silent.
    pub async fn audible(&self) {
        let audible = |conditions: &Conditions| {
            PathDirection::BOTH.iter().all(|direction| !conditions.of(*direction).is_silent())
        };
        // The sender is `self`: it can't be gone.
        let _ = self.subscribe().wait_for(audible).await;
    }

    /// Waits until either direction is silent.
    async fn falls_silent(&self) {
        let silent =
            |conditions: &Conditions| PathDirection::BOTH.iter().any(|direction| conditions.of(*direction).is_silent());
        let _ = self.subscribe().wait_for(silent).await;
    }

    /// The result of a handshake, if a board needs no longer than `patience` for it. A silence does not count, and after it
    /// the board has the whole time again.
    pub async fn within<T>(&self, patience: Duration, handshake: impl Future<Output = T>) -> Option<T> {
        let over = async {
            loop {
                self.audible().await;
                tokio::select! {
                    () = tokio::time::sleep(patience) => return,
                    () = self.falls_silent() => {}
                }
            }
        };
        tokio::select! {
            biased;
            done = handshake => Some(done),
            () = over => None,
        }
    }

    /// Waits until the current paths are ended.
    pub async fn next_ending(&self) -> Ending {
        let mut conditions = self.subscribe();
        let before = conditions.borrow().endings.0;
        match conditions.wait_for(|conditions| conditions.endings.0 != before).await.map(|found| found.endings.1) {
            Ok(Some(ending)) => ending,
            // The sender is `self`: it can't be gone.
            _ => std::future::pending().await,
        }
    }

    /// How much longer than usual bytes may take.
    pub(crate) fn slowness(&self) -> Duration {
        /// How long a limited direction may take to empty a full queue.
        const NARROW: Duration = Duration::from_secs(60);
        let conditions = self.conditions.borrow();
        let of = |direction: PathDirection| {
            let condition = conditions.of(direction);
            let narrow = condition.bandwidth.map_or(Duration::ZERO, |_| NARROW);
            condition.delay + condition.jitter + narrow
        };
        PathDirection::BOTH.map(of).into_iter().max().unwrap_or_default()
    }

    /// Ends all silences, delays and limits.
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
    fn ending_a_silence_leaves_others_active() {
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
    fn ending_a_cleared_silence_leaves_later_ones_active() {
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

    #[tokio::test(start_paused = true)]
    async fn silences_do_not_count_as_the_time_of_a_handshake() {
        const PATIENCE: Duration = Duration::from_secs(20);
        let takes = async |control: &Control, seconds: u64| {
            control.within(PATIENCE, tokio::time::sleep(Duration::from_secs(seconds))).await.is_some()
        };
        let control = Control::default();
        assert!(takes(&control, 19).await && !takes(&control, 21).await);
        let (in_silence, after_it) = tokio::join!(takes(&control, 70), async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let silence = control.silence(&[PathDirection::Upstream]);
            tokio::time::sleep(Duration::from_secs(60)).await;
            control.resume(silence);
            takes(&control, 21).await
        });
        assert_eq!((in_silence, after_it), (true, false));
    }
}
