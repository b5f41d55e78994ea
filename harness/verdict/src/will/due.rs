//! When a will is due (MQTT 3.1.1 §3.1.2.5, MQTT 5 §3.1.2.5, §3.1.3.2.2, §3.14.4).

use std::time::Duration;

use hil_timeline::{Cursor, Packet, RunEvent, Stamp, What, Will};

use super::seen::Wills;
use crate::message::property;
use crate::session::{End, Session};
use crate::show::seconds;
use crate::unmet::Unmet;

/// When a broker publishes wills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAliveLimits {
    /// The earliest time after a silent client's last packet at which the broker closes it.
    pub not_before: Duration,
    /// The latest time.
    pub not_after: Duration,
    /// How much too early it may publish if the time is known: some clocks tick in seconds.
    pub early: Duration,
    /// How much too late it may publish if the time is known.
    pub late: Duration,
}

/// When a will is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// It is never published; the reason.
    Never(String),
    /// Nothing is known that would make the broker publish it; the reason.
    Unknown(String),
    /// In this window.
    Within {
        /// Not before this.
        from: Stamp,
        /// Not after this.
        until: Stamp,
        /// What it counts from, as text.
        reason: String,
    },
}

/// The will of the session that was open at the mark.
#[derive(Debug, Clone)]
pub struct WillCase {
    board: String,
    pub(super) connection: u32,
    /// As announced in CONNECT.
    pub will: Will,
    keep_alive: Duration,
    client_id: String,
    mark: Stamp,
}

impl WillCase {
    /// The will of a board's session before the record with this number, for a step whose mark is at that time.
    ///
    /// # Errors
    /// When there was no session, or one without a will.
    pub fn at_mark(board: &str, events: &[&RunEvent], cursor: Cursor, mark: Stamp) -> Result<Self, Unmet> {
        let session = Session::of(board, events.iter().copied().filter(|event| event.seq < cursor.0));
        let (Some(Packet::Connect { will, .. }), Some(_)) = (&session.connect, &session.connack) else {
            let message = format!("`{board}` was not connected at the mark, so it has no will to publish");
            return Err(Unmet::errored(message).with_hint("wait for it first: `Given \"…\" is connected`"));
        };
        let Some(will) = will else {
            return Err(Unmet::failed(format!(
                "`{board}` connected without a will: the broker has nothing to publish"
            )));
        };
        Ok(Self {
            board: board.to_owned(),
            connection: session.connection,
            will: will.clone(),
            keep_alive: session.keep_alive(),
            client_id: session.client_id().unwrap_or_default(),
            mark,
        })
    }

    /// When it is due, as far as these records show; they are all of the scenario so far.
    #[must_use]
    pub fn due(&self, events: &[&RunEvent], limits: impl Fn(Duration, Stamp) -> KeepAliveLimits) -> Due {
        let session = self.session(events);
        let last = session.last_from_board.as_ref().map_or_else(Stamp::default, |(at, _)| *at);
        let limits = limits(self.keep_alive, last);
        let delay = self.delay(&session);
        let (from, until, reason) = match self.ended(&session, events) {
            Ending::Withdrawn => {
                return Due::Never("it sent DISCONNECT, which withdraws its will (MQTT §3.14.4)".to_owned());
            }
            Ending::BrokerStopped => return Due::Unknown("the broker stopped before it was due".to_owned()),
            Ending::At(at, how) => (at, at, how),
            Ending::None if self.keep_alive.is_zero() => {
                let why = "it connected with keep alive 0: the broker never notices that it is gone";
                return Due::Unknown(why.to_owned());
            }
            // A client that is silent sends nothing more: the broker does not close one that keeps sending.
            Ending::None if last > self.mark + self.keep_alive => {
                return Due::Unknown("it keeps sending packets".to_owned());
            }
            Ending::None => {
                let how = format!("1.5 × keep alive ({}) after its last packet", seconds(self.keep_alive));
                (last + limits.not_before, last + limits.not_after, how)
            }
        };
        let known = from == until;
        let reason = match delay.is_zero() {
            true => reason,
            false => format!("{reason}, and a will delay of {}", seconds(delay)),
        };
        let until_due = until + delay;
        if let Some(back) = self.comes_back(events, until_due).filter(|_| !delay.is_zero()) {
            if !back.clean {
                return Due::Never(format!("it connected again before its will delay of {} was over", seconds(delay)));
            }
            let reason = format!("{reason}; it connected with a clean session before, which ends the old one");
            return within(back.at, back.at, limits.early, limits.late, reason);
        }
        let (early, late) = match known || !delay.is_zero() {
            true => (limits.early, limits.late),
            false => (Duration::ZERO, Duration::ZERO),
        };
        within(from + delay, until_due, early, late, reason)
    }

    /// The records of this will, in order. Another connection may have announced the same will: one that is taken
    /// over after a reset, whose will is published while the new one is open, or that of another board.
    pub fn published<'a>(
        &self,
        observer: &str,
        events: &[&'a RunEvent],
        limits: impl Fn(Duration, Stamp) -> KeepAliveLimits,
    ) -> Vec<&'a RunEvent> {
        let mut wills = Wills::seen_by(observer, &self.will);
        let mut came: Vec<_> = events.iter().copied().filter(|event| wills.take(event)).collect();
        for other in self.identical_wills(events) {
            let Due::Within { from, until, .. } = other.due(events, &limits) else { continue };
            if let Some(of_other) = came.iter().position(|will| will.at >= from && will.at <= until) {
                came.remove(of_other);
            }
        }
        came
    }

    /// Other connections with an identical will.
    fn identical_wills(&self, events: &[&RunEvent]) -> Vec<Self> {
        let announced = |event: &&RunEvent| match event.what.sent_by_board()? {
            (board, connection, Packet::Connect { client_id, will: Some(will), .. })
                if (board != self.board || connection != self.connection) && is_like(will, &self.will) =>
            {
                let mut other = Self {
                    board: board.to_owned(),
                    connection,
                    will: will.clone(),
                    client_id: client_id.clone(),
                    ..self.clone()
                };
                other.keep_alive = other.session(events).keep_alive();
                accepted(events, board, connection).then_some(other)
            }
            _ => None,
        };
        events.iter().filter_map(announced).collect()
    }

    /// The connection of the will, without later ones.
    fn session(&self, events: &[&RunEvent]) -> Session {
        let of_this = |event: &&RunEvent| match &event.what {
            What::Connection { board, connection, .. } | What::Packet { board, connection, .. } => {
                *board == self.board && *connection == self.connection
            }
            what => what.board() == Some(self.board.as_str()),
        };
        Session::of(&self.board, events.iter().copied().filter(of_this))
    }

    /// How long after the connection's end the will is due: the will delay, or the end of the session if that comes
    /// first (MQTT 5 §3.1.3.2.2).
    fn delay(&self, session: &Session) -> Duration {
        let delay = property(&self.will.properties, "will delay interval").and_then(|text| text.parse().ok());
        let delay = Duration::from_secs(delay.unwrap_or(0));
        session.expiry().map_or(delay, |expiry| delay.min(expiry))
    }

    fn ended(&self, session: &Session, events: &[&RunEvent]) -> Ending {
        let takeover = self.taken_over(events);
        let end = session.end.as_ref().filter(|end| takeover.is_none_or(|at| end.at() < at));
        match (end, takeover) {
            (Some(End::Disconnected { code: 0, .. }), _) => Ending::Withdrawn,
            (Some(End::Disconnected { at, code }), _) => {
                Ending::At(*at, format!("DISCONNECT with reason {code:#04x}, which keeps the will"))
            }
            (Some(End::Closed { at, .. }), _) if broker_stopped(events, *at) => Ending::BrokerStopped,
            // The broker closed a silent client: after its keep alive, unless it sent DISCONNECT with a reason.
            (Some(End::Closed { at, how }), _)
                if how.ends_with("by the broker") && !self.ended_with_reason(events, *at) =>
            {
                Ending::None
            }
            (Some(End::Closed { at, how }), _) => Ending::At(*at, format!("its connection was {how}")),
            (None, Some(at)) => Ending::At(at, "the same client id connected again (takeover)".to_owned()),
            (None, None) => Ending::None,
        }
    }

    /// Whether the broker has sent DISCONNECT, or the board has violated the protocol, before its connection ended.
    fn ended_with_reason(&self, events: &[&RunEvent], until: Stamp) -> bool {
        events.iter().filter(|event| event.at <= until).any(|event| match &event.what {
            What::ProtocolViolation { board, connection, .. } => *board == self.board && *connection == self.connection,
            what => matches!(what.reached_board(), Some((board, connection, Packet::Disconnect { .. }))
                if board == self.board && connection == self.connection),
        })
    }

    /// When another connection took over the session.
    fn taken_over(&self, events: &[&RunEvent]) -> Option<Stamp> {
        self.next_connect(events).map(|back| back.at)
    }

    /// The next CONNECT with the same client id that the broker accepted.
    fn next_connect(&self, events: &[&RunEvent]) -> Option<Back> {
        // Each client without an id gets its own from the broker (MQTT 3.1.1 §3.1.3.1).
        if self.client_id.is_empty() {
            return None;
        }
        let begin = events.iter().position(|event| self.is_connect(event))?;
        let later = events.get(begin + 1..)?;
        later.iter().enumerate().find_map(|(n, event)| match event.what.sent_by_board()? {
            (board, connection, Packet::Connect { client_id, clean_session, .. })
                if *client_id == self.client_id && (board != self.board || connection != self.connection) =>
            {
                accepted(later.get(n..)?, board, connection).then_some(Back { at: event.at, clean: *clean_session })
            }
            _ => None,
        })
    }

    fn is_connect(&self, event: &RunEvent) -> bool {
        matches!(event.what.sent_by_board(), Some((board, connection, Packet::Connect { .. }))
            if board == self.board && connection == self.connection)
    }

    fn comes_back(&self, events: &[&RunEvent], before: Stamp) -> Option<Back> {
        self.next_connect(events).filter(|back| back.at < before)
    }
}

fn is_like(one: &Will, other: &Will) -> bool {
    one.topic == other.topic && one.payload == other.payload && one.qos == other.qos
}

fn accepted(events: &[&RunEvent], board: &str, connection: u32) -> bool {
    events.iter().any(|event| {
        matches!(event.what.reached_board(), Some((of, on, Packet::Connack { code: 0, .. })) if of == board && on == connection)
    })
}

/// The client connected again.
#[derive(Debug, Clone, Copy)]
struct Back {
    at: Stamp,
    clean: bool,
}

/// How the connection that announced the will ended.
enum Ending {
    /// It is open, or only the broker knows when it closes the client.
    None,
    /// The will was withdrawn.
    Withdrawn,
    /// The broker itself stopped.
    BrokerStopped,
    /// At this time, and how.
    At(Stamp, String),
}

/// Whether the broker was stopped while the connection ended, or just after: it closes its connections first.
fn broker_stopped(events: &[&RunEvent], at: Stamp) -> bool {
    /// How long stopping a broker may take.
    const STOPPING: Duration = Duration::from_secs(2);
    events.iter().any(|event| match event.what {
        What::Broker { running: false, .. } | What::BrokerDied { .. } => {
            event.at + STOPPING >= at && event.at <= at + STOPPING
        }
        _ => false,
    })
}

fn within(from: Stamp, until: Stamp, early: Duration, late: Duration, reason: String) -> Due {
    let early = u64::try_from(early.as_micros()).unwrap_or(u64::MAX);
    Due::Within { from: Stamp(from.0.saturating_sub(early)), until: until + late, reason }
}
