//! How reliable a record's stamp is if this machine or the broker stalled: a record is stamped when it is read, so its
//! event may have happened at any time since the stall began.

use std::time::Duration;

use hil_timeline::{Direction, RunEvent, Stamp, What};

use crate::show::{show, signed};
use crate::unmet::Unmet;

/// What stalled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stalled {
    /// This machine, or `hil` on it: nothing was recorded meanwhile.
    Machine,
    /// The broker: nothing passed through it meanwhile.
    Broker,
}

/// A time in which nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stall {
    /// What stalled.
    pub who: Stalled,
    /// The last time at which it is known to have run.
    pub from: Stamp,
    /// When it ran again.
    pub over: Stamp,
}

impl Stall {
    /// Events that waited during a stall are read within this time after it, and within the length of the stall: a
    /// short one leaves few events behind.
    const CATCHING_UP: Duration = Duration::from_millis(200);

    /// Its length.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.over.since(self.from)
    }

    /// Until when records may be late because of it.
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
/// use hil_verdict::{Stall, Stalls, Stalled};
/// // Half a second over the end of a window of one second.
/// let stall = Stall { who: Stalled::Machine, from: Stamp(800_000), over: Stamp(1_300_000) };
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

    /// The earliest time at which an event that was recorded then may have happened; the same time if no stall is near.
    #[must_use]
    pub fn earliest(&self, recorded: Stamp) -> Stamp {
        // Stalls in quick succession are one: what waited for the end of the first may have waited for the second's
        // too.
        self.0.iter().rev().fold(recorded, |at, stall| if stall.covers(at) { stall.from } else { at })
    }

    /// Until when events that happened up to a time may still be read; the same time if no stall is near.
    #[must_use]
    pub fn caught_up(&self, moment: Stamp) -> Stamp {
        self.0.iter().fold(moment, |at, stall| if stall.covers(at) { at.max(stall.caught_up()) } else { at })
    }

    /// On which side of the end of a window a record is.
    #[must_use]
    pub fn side(&self, event: &RunEvent, end: Stamp) -> Side {
        let near = self.near(event);
        // The kernel itself stamps edges of pins, whenever they are read.
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

    /// The earliest time at which the event of a record may have happened.
    #[must_use]
    pub fn came(&self, event: &RunEvent) -> Stamp {
        self.near(event).earliest(event.at)
    }

    /// The stalls that may have delayed a record: what a board sends, prints or switches does not wait for the broker.
    fn near(&self, event: &RunEvent) -> Self {
        let is_near = |stall: &&Stall| stall.who == Stalled::Machine || came_through_broker(event);
        Self(self.0.iter().filter(is_near).copied().collect())
    }

    /// The maximum error of the stamps of these records.
    #[must_use]
    pub fn lateness<'a>(&self, recorded: impl IntoIterator<Item = &'a Stamp>) -> Duration {
        recorded.into_iter().map(|at| at.since(self.earliest(*at))).max().unwrap_or_default()
    }

    /// The length of the longest stall.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.0.iter().map(Stall::span).max().unwrap_or_default()
    }

    /// The longest stall that may have delayed a record.
    fn over(&self, recorded: Stamp) -> Option<Stall> {
        let from = self.earliest(recorded);
        let near = self.0.iter().filter(|stall| stall.from >= from && stall.from <= recorded);
        near.max_by_key(|stall| stall.span()).copied()
    }
}

/// Whether a record is about something that the broker sent: while it stalls, there is none.
#[must_use]
pub fn came_through_broker(event: &RunEvent) -> bool {
    matches!(&event.what, What::Observed { .. } | What::Packet { direction: Direction::ToBoard, .. })
}

/// On which side of a time an event happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// At that time or before.
    Before,
    /// After it.
    After,
    /// A stall hides it.
    Unknown(Option<Stall>),
}

/// A window that a stall leaves undecided: neither a late record nor its absence proves anything.
#[must_use]
pub fn undecided(stall: Option<Stall>, edge: &str, came: &RunEvent, mark: Stamp) -> Unmet {
    let span = stall.map_or(0.0, |stall| stall.span().as_secs_f64());
    let message = match stall.map(|stall| stall.who) {
        Some(Stalled::Broker) => {
            format!(
                "the broker did not answer for {span:.2} s over the {edge} of the window: events in that time may have been in time"
            )
        }
        _ => format!(
            "this machine stalled for {span:.2} s over the {edge} of the window: events in that time may have been in time"
        ),
    };
    let since =
        stall.map(|stall| format!("it stalled from {} to {}", signed(stall.from, mark), signed(stall.over, mark)));
    Unmet::errored(message).with_details(std::iter::once(format!("came: {}", show(came, mark))).chain(since))
}

/// Times between records that a stall leaves undecided.
#[must_use]
pub fn undecided_times(lateness: Duration) -> Unmet {
    let message = format!(
        "this machine stalled while the times were measured: an error of up to {:.2} s changes the result",
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
            who: Stalled::Machine,
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
    fn events_in_a_stall_at_the_end_may_have_been_in_time() {
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
        assert_eq!(stalls.caught_up(Stamp(1_000_000)), Stamp(1_180_000), "at most as long as the stall");
    }

    #[test]
    fn events_of_a_board_do_not_wait_for_a_stalled_broker() {
        let broker = Stall { who: Stalled::Broker, from: Stamp(1_000_000), over: Stamp(1_300_000) };
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
    fn stalls_in_quick_succession_are_one() {
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
    fn an_undecided_window_reports_why_and_what_was_recorded() {
        let stall = Stall { who: Stalled::Machine, from: Stamp(900_000), over: Stamp(1_400_000) };
        let unmet = undecided(Some(stall), "end", &line(1410), Stamp(0));
        insta::assert_snapshot!(format!("{}\n{}", unmet.failure.message, unmet.failure.details.join("\n")));
        let broker = undecided(Some(Stall { who: Stalled::Broker, ..stall }), "end", &line(1410), Stamp(0));
        insta::assert_snapshot!(broker.failure.message);
        insta::assert_snapshot!(undecided_times(Duration::from_millis(140)).failure.message);
    }
}
