//! The changes of one line, as the kernel reports them.

use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{EdgeEvent, EdgeKind};
use hil_timeline::{Edge, Epoch, PinCause, Stamp, What};
use parking_lot::{Mutex, MutexGuard};
use rustix::time::{ClockId, clock_gettime};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::scope::Scope;

/// How many changes the kernel keeps until they are read: the most that it allows for one request (Linux,
/// `drivers/gpio/gpiolib-cdev.c`, `GPIO_V2_LINES_MAX * 16`). At 1000 changes a second they last for a second.
pub(super) const BUFFERED_EVENTS: u32 = 1024;

/// A sensed line, and what is known of it.
pub(super) struct WatchedLine {
    name: String,
    scope: Scope,
    request: AsyncFd<Request>,
    clock: KernelClock,
    state: Mutex<State>,
}

struct State {
    /// None once the line can't be read any more.
    on: Option<bool>,
    numbers: Numbers,
}

impl WatchedLine {
    /// Watches a line that was requested with edges; `on` is its level.
    #[expect(unsafe_code, reason = "tokio has no safe way to wait for a descriptor of another crate")]
    pub(super) fn new(name: &str, scope: &Scope, request: Request, on: bool) -> std::io::Result<Self> {
        // SAFETY: the request owns its descriptor, and the `AsyncFd` the request: nothing closes or replaces it before.
        let request = unsafe { AsyncFd::register_with_interest(request, Interest::READABLE)? };
        let state = Mutex::new(State { on: Some(on), numbers: Numbers::default() });
        let clock = KernelClock::of(scope.recorder().timeline().epoch());
        Ok(Self { name: name.to_owned(), scope: scope.clone(), request, clock, state })
    }

    /// Records each change as it comes, for as long as the line can be read.
    pub(super) async fn follow(&self) {
        loop {
            let Ok(mut ready) = self.request.readable().await else { return };
            if self.read_all().is_none() {
                return;
            }
            ready.clear_ready();
        }
    }

    /// Its level, after all changes so far.
    pub(super) fn is_on(&self) -> Option<bool> {
        self.read_all()
    }

    /// Records its level, after all changes so far.
    pub(super) fn record_level(&self, scope: &Scope) {
        let Some(on) = self.read_all() else { return };
        scope.record(|board| What::Pin { board, pin: self.name.clone(), on, cause: PinCause::Sensed, edge: None });
    }

    /// Records the changes that the kernel has kept, and returns the level after them. A step that judges what has
    /// happened until now calls it first; the lock keeps the order.
    pub(super) fn read_all(&self) -> Option<bool> {
        let mut state = self.lock();
        while state.on.is_some() {
            let next = match self.request.get_ref().has_edge_event() {
                Ok(false) => break,
                Ok(true) => read_one(self.request.get_ref()),
                Err(error) => Err(error),
            };
            match next {
                Ok(event) => self.note(&mut state, &event),
                Err(error) => {
                    state.on = None;
                    self.record_gap(1);
                    self.scope.note(format!("the pin `{}` is no longer sensed: {error}", self.name));
                }
            }
        }
        state.on
    }

    fn note(&self, state: &mut State, event: &EdgeEvent) {
        let lost = state.numbers.take(event.line_seqno);
        if lost > 0 {
            self.record_gap(lost);
        }
        let on = event.kind == EdgeKind::Rising;
        state.on = Some(on);
        let at = self.clock.stamp(Duration::from_nanos(event.timestamp_ns));
        let edge = Some(Edge { at, number: event.line_seqno });
        self.scope.record(|board| What::Pin { board, pin: self.name.clone(), on, cause: PinCause::Sensed, edge });
    }

    fn record_gap(&self, lost: u32) {
        self.scope.record(|board| What::PinGap { board, pin: self.name.clone(), lost });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl std::fmt::Debug for WatchedLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchedLine").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The next change. `Request::read_edge_event` of gpiocdev 0.8 takes eight from the kernel where only one version of
/// the kernel's interface is compiled in, and returns the first.
fn read_one(request: &Request) -> gpiocdev::Result<EdgeEvent> {
    let mut buffer = vec![0; request.edge_event_u64_size()];
    let length = request.read_edge_events_into_slice(&mut buffer)?;
    request.edge_event_from_slice(&buffer[..length])
}

/// The numbers that the kernel gives to the changes of one line, counted from 1.
#[derive(Debug, Default)]
struct Numbers {
    last: u32,
}

impl Numbers {
    /// Takes the number of the next change, and returns how many changes before it were lost: the kernel drops the
    /// oldest ones where it can keep no more.
    fn take(&mut self, number: u32) -> u32 {
        let ahead = number.wrapping_sub(self.last);
        self.last = number;
        // A number that goes back is not a gap of four thousand million.
        if ahead > u32::MAX / 2 { 0 } else { ahead.saturating_sub(1) }
    }
}

/// The kernel's monotonic clock beside the run's. Both count from the same oscillator; what they differ in is where
/// they begin. That is measured once: measured for each change, it would put a change behind a later one wherever this
/// thread stands still between the two clocks.
#[derive(Debug, Clone, Copy)]
struct KernelClock {
    epoch: Epoch,
    /// What the kernel's clock showed when the run began.
    begin: Duration,
}

/// The run's clock, read between two readings of the kernel's.
struct Reading {
    before: Duration,
    run: Stamp,
    after: Duration,
}

impl KernelClock {
    fn of(epoch: Epoch) -> Self {
        /// One of them is hardly interrupted.
        const READINGS: usize = 8;
        let readings = (0..READINGS).map(|_| Reading { before: monotonic(), run: epoch.now(), after: monotonic() });
        Self { epoch, begin: begin_of(readings) }
    }

    /// Never later than now: a change is read after it was.
    fn stamp(self, at: Duration) -> Stamp {
        let since = at.saturating_sub(self.begin);
        Stamp(u64::try_from(since.as_micros()).unwrap_or(u64::MAX)).min(self.epoch.now())
    }
}

/// By the reading that took the least time.
fn begin_of(readings: impl Iterator<Item = Reading>) -> Duration {
    let closest = readings.min_by_key(|reading| reading.after.saturating_sub(reading.before));
    // The run's clock is read after this one: no stamp lies before its change.
    let begin = |reading: Reading| {
        // A stamp is cut to whole microseconds.
        reading.before.saturating_sub(Duration::from_micros(reading.run.0 + 1))
    };
    closest.map_or(Duration::ZERO, begin)
}

fn monotonic() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_left_out_is_a_lost_change() {
        let mut numbers = Numbers::default();
        let lost: Vec<_> = [1, 2, 5, 6, 6, 3].map(|number| numbers.take(number)).into();
        assert_eq!(lost, [0, 0, 2, 0, 0, 0]);
        let mut begun_late = Numbers::default();
        assert_eq!(begun_late.take(4), 3, "the first ones count as well");
        let mut wraps = Numbers { last: u32::MAX };
        assert_eq!((wraps.take(0), wraps.take(2)), (0, 1));
    }

    #[test]
    fn a_change_is_stamped_with_when_it_was_and_not_with_when_it_was_read() {
        let epoch = Epoch::start();
        let clock = KernelClock::of(epoch);
        let (before, read) = (epoch.now(), monotonic());
        let stamp = clock.stamp(read);
        assert!(before <= stamp && stamp <= epoch.now(), "{before:?} {stamp:?}");
        assert_eq!(clock.stamp(clock.begin), Stamp(0));
        assert_eq!(clock.stamp(Duration::ZERO), Stamp(0), "before the run");
        assert!(clock.stamp(Duration::MAX) <= epoch.now(), "not in the future");
    }

    /// Changes of one line come in their order, however long their reader stood still between two of them.
    #[test]
    fn changes_keep_their_order_on_the_clock_of_the_run() {
        let ms = Duration::from_millis;
        let reading =
            |before, run: u64, after| Reading { before: ms(before), run: Stamp(run * 1000), after: ms(after) };
        // In the first two, the thread stood still before and behind the run's clock.
        let begin = begin_of([reading(1000, 90, 1091), reading(1100, 100, 1150), reading(1200, 200, 1201)].into_iter());
        assert_eq!(begin, ms(1000) - Duration::from_micros(1), "by the last");
        let clock = KernelClock { epoch: Epoch::start(), begin: monotonic() };
        let stamps: Vec<_> = (0..1000).map(|n| clock.stamp(clock.begin + Duration::from_nanos(n * 700))).collect();
        assert!(stamps.is_sorted());
    }
}
