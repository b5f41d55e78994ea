//! What a record's stamp is worth where this machine or the broker stood still: a record is stamped when it is read, so
//! one that came during a stall may have arrived at any moment since the stall began.

use std::time::Duration;

use hil_timeline::{Direction, RunEvent, Stamp, What};

use crate::show::{show, signed};
use crate::unmet::Unmet;

/// Who stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stood {
    /// This machine, or `hil` on it: no record was made meanwhile.
    Machine,
    /// The broker: nothing that passes through it arrived meanwhile.
    Broker,
}

/// A time in which nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// Who stood still.
    pub who: Stood,
    /// The last moment at which it is known to have run.
    pub from: Stamp,
    /// When it ran again.
    pub over: Stamp,
}

impl Stall {
    /// What waited while it lasted is read within this time of its end, and never later than the stall was long: a short
    /// one leaves little behind.
    const CATCHING_UP: Duration = Duration::from_millis(200);

    /// How long it was.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.over.since(self.from)
    }

    /// Until when a record may have waited for its end.
    #[must_use]
    pub fn caught_up(&self) -> Stamp {
        self.over + self.span().min(Self::CATCHING_UP)
    }

    fn covers(&self, moment: Stamp) -> bool {
        self.from <= moment && moment <= self.caught_up()
    }
}

/// The stalls of a run.
///
/// # Example
/// ```
/// use hil_timeline::Stamp;
/// use hil_verdict::{Stall, Stalls, Stood};
/// // Half a second over the end of a window of one second.
/// let stall = Stall { who: Stood::Machine, from: Stamp(800_000), over: Stamp(1_300_000) };
/// let stalls = Stalls::new([stall]);
/// assert_eq!(stalls.earliest(Stamp(1_310_000)), Stamp(800_000), "it may have been in time");
/// assert_eq!(stalls.earliest(Stamp(1_600_000)), Stamp(1_600_000), "it was late");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stalls(Vec<Stall>);

impl Stalls {
    /// In any order.
    #[must_use]
    pub fn new(stalls: impl IntoIterator<Item = Stall>) -> Self {
        let mut stalls: Vec<_> = stalls.into_iter().collect();
        stalls.sort_by_key(|stall| (stall.from, stall.over));
        Self(stalls)
    }

    /// The first moment at which what was recorded then may have arrived; where no stall is near, that very moment.
    #[must_use]
    pub fn earliest(&self, recorded: Stamp) -> Stamp {
        // Stalls that follow closely are one: what waited for the end of the first may have waited for the second's too.
        self.0.iter().rev().fold(recorded, |at, stall| if stall.covers(at) { stall.from } else { at })
    }

    /// Until when what arrived at a moment may still be about to be read; that moment where no stall is near.
    #[must_use]
    pub fn caught_up(&self, moment: Stamp) -> Stamp {
        self.0.iter().fold(moment, |at, stall| if stall.covers(at) { at.max(stall.caught_up()) } else { at })
    }

    /// On which side of the end of a window a record lies.
    #[must_use]
    pub fn side(&self, event: &RunEvent, end: Stamp) -> Side {
        let near = self.near(event);
        // The kernel stamps the edges of pins itself, whenever they are read.
        let (earliest, latest) = match &event.what {
            What::Pin { edge: Some(edge), .. } => (edge.at, edge.at),
            _ => (near.earliest(event.at), event.at),
        };
        if latest <= end {
            Side::Before
        } else if earliest <= end {
            Side::Unknown(near.over(event.at))
        } else {
            Side::After
        }
    }

    /// The first moment at which what a record is of may have come.
    #[must_use]
    pub fn came(&self, event: &RunEvent) -> Stamp {
        self.near(event).earliest(event.at)
    }

    /// Those that a record may have waited for: what a board sends, says or switches does not wait for the broker.
    fn near(&self, event: &RunEvent) -> Self {
        let is_near = |stall: &&Stall| stall.who == Stood::Machine || came_through_broker(event);
        Self(self.0.iter().filter(is_near).copied().collect())
    }

    /// By how much the stamps of these records may be late, at most.
    #[must_use]
    pub fn lateness<'a>(&self, recorded: impl IntoIterator<Item = &'a Stamp>) -> Duration {
        recorded.into_iter().map(|at| at.since(self.earliest(*at))).max().unwrap_or_default()
    }

    /// How long the longest was.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.0.iter().map(Stall::span).max().unwrap_or_default()
    }

    /// The longest stall that a record may have waited for.
    fn over(&self, recorded: Stamp) -> Option<Stall> {
        let from = self.earliest(recorded);
        let near = self.0.iter().filter(|stall| stall.from >= from && stall.from <= recorded);
        near.max_by_key(|stall| stall.span()).copied()
    }
}

/// Whether a record is of what the broker sent: while that stands still, no such record is made.
#[must_use]
pub fn came_through_broker(event: &RunEvent) -> bool {
    matches!(&event.what, What::Observed { .. } | What::Packet { direction: Direction::ToBoard, .. })
}

/// On which side of a moment something lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At it or before.
    Before,
    /// After it.
    After,
    /// A stall hides it.
    Unknown(Option<Stall>),
}

/// A window that a stall leaves open: neither a record that came late nor its absence proves anything.
#[must_use]
pub fn undecided(stall: Option<Stall>, edge: &str, came: &RunEvent, mark: Stamp) -> Unmet {
    let span = stall.map_or(0.0, |stall| stall.span().as_secs_f64());
    let message = match stall.map(|stall| stall.who) {
        Some(Stood::Broker) => {
            format!(
                "the broker did not answer for {span:.2} s over the {edge} of the window: what came in that time may have been in time"
            )
        }
        _ => format!(
            "this machine stood still for {span:.2} s over the {edge} of the window: what came in that time may have been in time"
        ),
    };
    let since =
        stall.map(|stall| format!("it stood still from {} to {}", signed(stall.from, mark), signed(stall.over, mark)));
    Unmet::errored(message).with_details(std::iter::once(format!("came: {}", show(came, mark))).chain(since))
}

/// Times between records that a stall leaves open.
#[must_use]
pub fn undecided_times(lateness: Duration) -> Unmet {
    let message = format!(
        "this machine stood still while the times were taken: they may be wrong by {:.2} s, and that decides",
        lateness.as_secs_f64()
    );
    Unmet::errored(message)
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Edge, Epoch, PinCause, Timeline};

    use super::*;

    fn stalls(of: &[(u64, u64)]) -> Stalls {
        let stall = |(from, over): &(u64, u64)| Stall {
            who: Stood::Machine,
            from: Stamp(*from * 1000),
            over: Stamp(*over * 1000),
        };
        Stalls::new(of.iter().map(stall))
    }

    fn at(ms: u64, what: What) -> RunEvent {
        let event = Timeline::in_memory(Epoch::start()).record(None, what);
        RunEvent { at: Stamp(ms * 1000), ..(*event).clone() }
    }

    fn line(ms: u64) -> RunEvent {
        at(ms, What::Console { board: "lamp".into(), line: "x".into() })
    }

    #[test]
    fn what_came_in_a_stall_over_the_end_may_have_been_in_time() {
        let stalls = stalls(&[(800, 1300)]);
        let side = |ms| stalls.side(&line(ms), Stamp(1_000_000));
        assert_eq!(side(1000), Side::Before);
        assert!(matches!(side(1001), Side::Unknown(Some(stall)) if stall.over == Stamp(1_300_000)));
        assert!(matches!(side(1500), Side::Unknown(_)), "it is read a moment after the stall");
        assert_eq!(side(1501), Side::After);
        assert_eq!(stalls.side(&line(1310), Stamp(799_000)), Side::After, "the stall began later");
    }

    #[test]
    fn a_stall_that_has_just_ended_still_hides_the_end() {
        let stalls = stalls(&[(800, 990)]);
        assert!(matches!(stalls.side(&line(1010), Stamp(1_000_000)), Side::Unknown(_)));
        assert_eq!(stalls.caught_up(Stamp(1_000_000)), Stamp(1_180_000), "as long as it was, and no longer");
    }

    #[test]
    fn what_a_board_does_does_not_wait_for_a_broker_that_stands_still() {
        let broker = Stall { who: Stood::Broker, from: Stamp(1_000_000), over: Stamp(1_300_000) };
        let stalls = Stalls::new([broker]);
        assert_eq!(stalls.side(&line(1100), Stamp(1_000_000)), Side::After);
        let observed = at(
            1100,
            What::Observed {
                observer: "hil".into(),
                topic: "t".into(),
                payload: "x".into(),
                qos: hil_timeline::QoS::AtMostOnce,
                retain: false,
                dup: false,
            },
        );
        assert!(matches!(stalls.side(&observed, Stamp(1_000_000)), Side::Unknown(Some(stall)) if stall == broker));
    }

    #[test]
    fn stalls_that_follow_closely_are_one() {
        let stalls = stalls(&[(800, 1100), (1200, 1500)]);
        assert!(matches!(stalls.side(&line(1600), Stamp(1_000_000)), Side::Unknown(_)));
        assert_eq!(stalls.caught_up(Stamp(1_000_000)), Stamp(1_700_000));
        assert_eq!(stalls.earliest(Stamp(1_600_000)), Stamp(800_000));
    }

    #[test]
    fn an_edge_that_the_kernel_stamped_is_never_late() {
        let edge = |ms: u64| {
            let edge = Some(Edge { at: Stamp(ms * 1000), number: 1 });
            at(1310, What::Pin { board: "lamp".into(), pin: "led".into(), on: true, cause: PinCause::Sensed, edge })
        };
        let stalls = stalls(&[(800, 1300)]);
        assert_eq!(stalls.side(&edge(900), Stamp(1_000_000)), Side::Before);
        assert_eq!(stalls.side(&edge(1100), Stamp(1_000_000)), Side::After);
    }

    #[test]
    fn a_window_that_is_left_open_says_why_and_what_came() {
        let stall = Stall { who: Stood::Machine, from: Stamp(900_000), over: Stamp(1_400_000) };
        let unmet = undecided(Some(stall), "end", &line(1410), Stamp(0));
        insta::assert_snapshot!(format!("{}\n{}", unmet.failure.message, unmet.failure.details.join("\n")));
        let broker = undecided(Some(Stall { who: Stood::Broker, ..stall }), "end", &line(1410), Stamp(0));
        insta::assert_snapshot!(broker.failure.message);
        insta::assert_snapshot!(undecided_times(Duration::from_millis(140)).failure.message);
    }
}
