//! The changes of one line, as the kernel reports them.

use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{EdgeEvent, Value};
use hil_timeline::{Edge, Epoch, PinCause, Stamp, What};
use parking_lot::Mutex;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::MissedTickBehavior;

use super::PinDoubt;
use super::level::{Change, Level, Line};
use crate::scope::Scope;

/// How many changes the kernel keeps until they are read: the most that it allows for one request (Linux,
/// `drivers/gpio/gpiolib-cdev.c`, `GPIO_V2_LINES_MAX * 16`). At 1000 changes a second they last for a second.
pub(super) const BUFFERED_EVENTS: u32 = 1024;

/// How often the level of a line is read that has not reported a change yet. Some lines never report one, although the
/// kernel accepts the request: those of an emulated Raspberry Pi, or of a driver whose interrupt is not connected.
pub(super) const LOOK: Duration = Duration::from_millis(10);

/// A sensed line, and what is known of it.
pub(super) struct WatchedLine {
    name: String,
    scope: Scope,
    line: AsyncFd<RequestedLine>,
    clock: KernelClock,
    state: Mutex<Level>,
}

impl WatchedLine {
    /// Watches a line that was requested with edges; `on` is its level.
    #[expect(unsafe_code, reason = "tokio has no safe way to wait for a descriptor of another crate")]
    pub(super) fn new(name: &str, scope: &Scope, line: RequestedLine, on: bool) -> std::io::Result<Self> {
        // SAFETY: the request owns its descriptor, and the `AsyncFd` the request: nothing closes or replaces it before.
        let line = unsafe { AsyncFd::register_with_interest(line, Interest::READABLE)? };
        let clock = KernelClock::of(scope.recorder().timeline().epoch());
        Ok(Self { name: name.to_owned(), scope: scope.clone(), line, clock, state: Mutex::new(Level::new(on)) })
    }

    /// Records each change as it comes, for as long as the line can be read.
    pub(super) async fn follow(&self) {
        let mut looks = tokio::time::interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut ready = None;
            tokio::select! {
                readable = self.line.readable() => match readable {
                    Ok(guard) => ready = Some(guard),
                    Err(_) => return,
                },
                // A line that has reported a change reports all of them.
                _ = looks.tick(), if !self.state.lock().reports_edges() => {}
            }
            if self.read_all().is_none() {
                return;
            }
            if let Some(mut ready) = ready {
                ready.clear_ready();
            }
        }
    }

    /// Its level, after all changes so far.
    pub(super) fn is_on(&self) -> Option<bool> {
        self.read_all()
    }

    /// Why nothing can be concluded from a level that does not change.
    pub(super) fn doubt(&self) -> Option<PinDoubt> {
        self.state.lock().doubt()
    }

    /// Records its level, after all changes so far.
    pub(super) fn record_level(&self, scope: &Scope) {
        let Some(on) = self.read_all() else { return };
        scope.record(|board| What::Pin { board, pin: self.name.clone(), on, cause: PinCause::Sensed, edge: None });
    }

    /// Records the changes that the kernel has kept, and returns the level after them. A step that judges what has
    /// happened until now calls it first; the lock keeps the order.
    pub(super) fn read_all(&self) -> Option<bool> {
        self.state.lock().read(self.line.get_ref(), |change| self.record(change))
    }

    fn record(&self, change: Change) {
        let (board, pin) = (self.scope.board().to_owned(), self.name.clone());
        let (what, note) = match change {
            Change::Edge { on, at, number } => {
                let edge = Some(Edge { at: self.clock.stamp(at), number });
                (What::Pin { board, pin, on, cause: PinCause::Sensed, edge }, None)
            }
            Change::Seen { on } => (What::Pin { board, pin, on, cause: PinCause::Sensed, edge: None }, None),
            Change::Lost { lost, why } => (What::PinGap { board, pin, lost }, why),
        };
        self.scope.recorder().record(what);
        if let Some(why) = note {
            self.scope.note(format!("the pin `{}` {why}", self.name));
        }
    }
}

impl std::fmt::Debug for WatchedLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WatchedLine").field("name", &self.name).finish_non_exhaustive()
    }
}

/// One line that was requested with edges.
#[derive(Debug)]
pub(super) struct RequestedLine {
    pub(super) request: Request,
    pub(super) offset: u32,
}

impl AsRawFd for RequestedLine {
    fn as_raw_fd(&self) -> RawFd {
        self.request.as_raw_fd()
    }
}

impl Line for RequestedLine {
    fn next_edge(&self) -> Result<Option<EdgeEvent>, String> {
        let next = match self.request.has_edge_event() {
            Ok(false) => Ok(None),
            Ok(true) => read_one(&self.request).map(Some),
            Err(error) => Err(error),
        };
        next.map_err(|error| error.to_string())
    }

    fn is_on(&self) -> Result<bool, String> {
        self.request.value(self.offset).map(|value| value == Value::Active).map_err(|error| error.to_string())
    }

    fn has_edge_within(&self, patience: Duration) -> Result<bool, String> {
        self.request.wait_edge_event(patience).map_err(|error| error.to_string())
    }
}

/// The next change. `Request::read_edge_event` of gpiocdev 0.8 takes eight from the kernel where only one version of
/// the kernel's interface is compiled in, and returns the first.
fn read_one(request: &Request) -> gpiocdev::Result<EdgeEvent> {
    let mut buffer = vec![0; request.edge_event_u64_size()];
    let length = request.read_edge_events_into_slice(&mut buffer)?;
    request.edge_event_from_slice(&buffer[..length])
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
