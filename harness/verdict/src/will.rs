//! When a will is due, and which message is one (MQTT 3.1.1 §3.1.2.5, MQTT 5 §3.1.2.5, §3.1.3.2.2, §3.14.4).

use std::time::Duration;

use hil_timeline::{Cursor, Fate, Packet, Payload, QoS, RunEvent, Stamp, What, Will, escaped};

use crate::message::property;
use crate::messages::{Sent, Travel};
use crate::session::{End, Session};
use crate::show::{seconds, show};
use crate::unmet::Unmet;

/// What a broker promises about the moment of a will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAliveLimits {
    /// It gives a silent client up no sooner than this after its last packet.
    pub not_before: Duration,
    /// And no later than this.
    pub not_after: Duration,
    /// How much sooner than due it may publish, where the moment is known: clocks that tick in seconds.
    pub early: Duration,
    /// How much later than due it may publish, where the moment is known.
    pub late: Duration,
}

/// When a will is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// It is never published; why.
    Never(String),
    /// Nothing is known that would make the broker publish it; why.
    Unknown(String),
    /// In this window.
    Within {
        /// Not before this.
        from: Stamp,
        /// Not after this.
        until: Stamp,
        /// What it counts from, for people.
        reason: String,
    },
}

/// The will of the session that stood at the mark.
#[derive(Debug, Clone)]
pub struct WillCase {
    board: String,
    connection: u32,
    /// As it was announced.
    pub will: Will,
    keep_alive: Duration,
    client_id: String,
    mark: Stamp,
}

impl WillCase {
    /// Of a board's session as it stood before the record with this number, for a step whose mark is at that moment.
    ///
    /// # Errors
    /// When there was no session, or one without a will.
    pub fn at_mark(board: &str, events: &[&RunEvent], cursor: Cursor, mark: Stamp) -> Result<Self, Unmet> {
        let session = Session::of(board, events.iter().copied().filter(|event| event.seq < cursor.0));
        let (Some(Packet::Connect { will, .. }), Some(_)) = (&session.connect, &session.connack) else {
            let message = format!("`{board}` was not connected at the mark, so that no will of it can be published");
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

    /// When it is due, as far as these records tell; they are all of the scenario so far.
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
            // One that has fallen silent sends nothing any more: the broker never gives up one that goes on.
            Ending::None if last > self.mark + self.keep_alive => {
                return Due::Unknown("it goes on sending packets".to_owned());
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

    /// The records of this will, in order. Another connection may have announced the same: one that is taken over after
    /// a reset, whose will comes while the new one is at work, or that of another board.
    pub fn published<'a>(
        &self,
        observer: &str,
        events: &[&'a RunEvent],
        limits: impl Fn(Duration, Stamp) -> KeepAliveLimits,
    ) -> Vec<&'a RunEvent> {
        let mut wills = Wills::seen_by(observer, &self.will);
        let mut came: Vec<_> = events.iter().copied().filter(|event| wills.take(event)).collect();
        for other in self.alike(events) {
            let Due::Within { from, until, .. } = other.due(events, &limits) else { continue };
            if let Some(of_other) = came.iter().position(|will| will.at >= from && will.at <= until) {
                came.remove(of_other);
            }
        }
        came
    }

    /// Other connections whose wills say the same.
    fn alike(&self, events: &[&RunEvent]) -> Vec<Self> {
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

    /// The connection of the will, and nothing of later ones.
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
            // It gave the client up: no sooner than its keep alive allows, or it has told why.
            (Some(End::Closed { at, how }), _) if how.ends_with("by the broker") && !self.was_told(events, *at) => {
                Ending::None
            }
            (Some(End::Closed { at, how }), _) => Ending::At(*at, format!("its connection was {how}")),
            (None, Some(at)) => Ending::At(at, "the same client id connected again (takeover)".to_owned()),
            (None, None) => Ending::None,
        }
    }

    /// Whether the broker has sent DISCONNECT, or the board has broken the protocol, before its connection ended.
    fn was_told(&self, events: &[&RunEvent], until: Stamp) -> bool {
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
        // Each client that leaves its id to the broker is given one of its own (MQTT 3.1.1 §3.1.3.1).
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

/// The client is back.
#[derive(Debug, Clone, Copy)]
struct Back {
    at: Stamp,
    clean: bool,
}

/// How the connection ended that announced the will.
enum Ending {
    /// It stands, or the broker alone knows when it gives the client up.
    None,
    /// The will was withdrawn.
    Withdrawn,
    /// The broker itself ended.
    BrokerStopped,
    /// At this moment, and how.
    At(Stamp, String),
}

/// Whether the broker was stopped while the connection ended, or just after: it closes its connections first.
fn broker_stopped(events: &[&RunEvent], at: Stamp) -> bool {
    /// A broker that is stopped takes this long at most.
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

/// Tells a will from other messages with the same topic and payload.
#[derive(Debug, Clone)]
pub struct Wills {
    observer: String,
    will: Will,
    /// Messages that clients published and the observer has not seen yet.
    on_their_way: Vec<(Stamp, QoS)>,
    /// What is sent again is delivered once at QoS 2, and at QoS 1 a copy of a will is no will either way.
    sent: Sent,
    other_qos: Option<RunEvent>,
    other_payload: Option<RunEvent>,
}

impl Wills {
    /// A broker delivers within milliseconds; what was refused never comes, and must not hide a will later.
    const DELIVERY: Duration = Duration::from_secs(5);

    /// As this observer sees them. It must be given every record of the scenario, in order.
    #[must_use]
    pub fn seen_by(observer: &str, will: &Will) -> Self {
        Self {
            observer: observer.to_owned(),
            will: will.clone(),
            on_their_way: Vec::new(),
            sent: Sent::new(Travel::Sent),
            other_qos: None,
            other_payload: None,
        }
    }

    /// Whether a record is the will: not a message that a client published, not one that was retained before, and with
    /// the QoS that was announced.
    pub fn take(&mut self, event: &RunEvent) -> bool {
        match &event.what {
            What::Published { topic, payload, qos, .. } => self.published(event.at, topic, payload, *qos),
            // What the tap dropped never reached the broker.
            What::Packet { fate: Some(Fate::Dropped), .. } => {}
            What::Packet { packet: Packet::Publish { topic, payload, qos, .. }, direction, .. }
                if *direction == hil_timeline::Direction::FromBoard
                    && (self.sent.is_new(event) || *qos != QoS::ExactlyOnce) =>
            {
                self.published(event.at, topic, payload, *qos);
            }
            What::Observed { observer, topic, payload, qos, retain: false, .. }
                if *observer == self.observer && *topic == self.will.topic =>
            {
                return self.observed(event, payload, *qos);
            }
            _ => {}
        }
        false
    }

    fn published(&mut self, at: Stamp, topic: &str, payload: &Payload, qos: QoS) {
        if *topic == self.will.topic && *payload == self.will.payload {
            self.on_their_way.push((at, qos));
        }
    }

    fn observed(&mut self, event: &RunEvent, payload: &Payload, qos: QoS) -> bool {
        if *payload != self.will.payload {
            self.other_payload = Some(event.clone());
            return false;
        }
        self.on_their_way.retain(|(at, _)| event.at.since(*at) <= Self::DELIVERY);
        if let Some(at) = self.on_their_way.iter().position(|(_, sent)| *sent == qos) {
            self.on_their_way.remove(at);
            return false;
        }
        if qos != self.will.qos {
            self.other_qos = Some(event.clone());
            return false;
        }
        true
    }

    /// What came closest since the mark, and how it differs.
    #[must_use]
    pub fn closest(&self, mark: Stamp) -> String {
        let mut candidates = [&self.other_qos, &self.other_payload].into_iter().flatten();
        let Some((event, qos)) = candidates.find(|event| event.at >= mark).and_then(|event| match &event.what {
            What::Observed { qos, .. } => Some((event, qos)),
            _ => None,
        }) else {
            return format!("closest: nothing on `{}` since then", escaped(&self.will.topic));
        };
        let Will { payload, qos: announced, .. } = &self.will;
        format!("closest: {}, QoS {qos}; announced: `{payload}`, QoS {announced}", show(event, mark))
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::{ConnectionChange, Direction, Epoch, Property, RunEvent, Timeline};

    use super::*;

    const LIMITS: KeepAliveLimits = KeepAliveLimits {
        not_before: Duration::from_millis(2500),
        not_after: Duration::from_millis(3500),
        early: Duration::from_millis(500),
        late: Duration::from_millis(500),
    };

    fn packet(connection: u32, direction: Direction, packet: Packet) -> What {
        What::Packet { board: "a".into(), connection, direction, bytes: 2, fate: None, answer_us: None, packet }
    }

    fn change(connection: u32, change: ConnectionChange) -> What {
        What::Connection { board: "a".into(), connection, change }
    }

    fn closed(how: &str) -> What {
        change(1, ConnectionChange::Closed { how: how.to_owned() })
    }

    fn disconnect(code: u8) -> What {
        packet(1, Direction::FromBoard, Packet::Disconnect { code, properties: Vec::new() })
    }

    fn property(name: &str, value: u32) -> Property {
        Property { name: name.to_owned(), value: value.to_string() }
    }

    /// A connection of MQTT 5 with a will.
    fn connects(connection: u32, keep_alive: u16, clean: bool, delay: u32, expiry: u32) -> Vec<What> {
        let will = Will {
            topic: "s".into(),
            payload: Payload::from("off"),
            qos: QoS::AtLeastOnce,
            retain: true,
            properties: vec![property("will delay interval", delay)],
        };
        let connect = Packet::Connect {
            protocol: 5,
            client_id: "c".into(),
            keep_alive,
            clean_session: clean,
            user_name: None,
            has_password: false,
            will: Some(will),
            properties: vec![property("session expiry interval", expiry)],
        };
        let connack = Packet::Connack { session_present: false, code: 0, properties: Vec::new() };
        vec![
            change(connection, ConnectionChange::Opened),
            packet(connection, Direction::FromBoard, connect),
            packet(connection, Direction::ToBoard, connack),
        ]
    }

    /// Records that are a second apart; the mark is behind the first connection's CONNACK.
    fn due(events: Vec<What>) -> Due {
        let timeline = Timeline::in_memory(Epoch::start());
        let events: Vec<RunEvent> = events
            .into_iter()
            .map(|what| timeline.record(None, what))
            .map(|event| RunEvent { at: Stamp(event.seq * 1_000_000), ..(*event).clone() })
            .collect();
        let events: Vec<&RunEvent> = events.iter().collect();
        WillCase::at_mark("a", &events, Cursor(3), Stamp(2_000_000)).expect("a will").due(&events, |_, _| LIMITS)
    }

    fn window(due: &Due) -> (f64, f64) {
        match due {
            Due::Within { from, until, .. } => (from.0 as f64 / 1e6, until.0 as f64 / 1e6),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_silent_client_is_given_up_after_its_keep_alive_and_its_will_delay() {
        assert_eq!(window(&due(connects(1, 2, true, 0, 0))), (3.5, 4.5));
        assert_eq!(window(&due(connects(1, 2, false, 3, 60))), (6.0, 8.0));
        assert_eq!(window(&due(connects(1, 2, false, 30, 1))), (4.0, 6.0), "the session ends before the delay is over");
        assert!(matches!(due(connects(1, 0, true, 0, 0)), Due::Unknown(_)));
    }

    #[test]
    fn the_will_of_another_connection_is_not_this_ones() {
        let came = |events: Vec<What>, connection: u32| {
            let timeline = Timeline::in_memory(Epoch::start());
            let events: Vec<RunEvent> = events
                .into_iter()
                .map(|what| timeline.record(None, what))
                .map(|event| RunEvent { at: Stamp(event.seq * 100_000), ..(*event).clone() })
                .collect();
            let events: Vec<&RunEvent> = events.iter().collect();
            let case = WillCase::at_mark("a", &events, Cursor(6), Stamp(500_000)).expect("a will");
            assert_eq!(case.connection, connection);
            case.published("observer", &events, |_, _| LIMITS).len()
        };
        let will = || observed(QoS::AtLeastOnce, false);
        let taken_over = || [connects(1, 60, true, 0, 0), connects(2, 60, true, 0, 0), vec![will()]].concat();
        assert_eq!(came(taken_over(), 2), 0, "it is the first connection's");
        assert_eq!(came([taken_over(), vec![will()]].concat(), 2), 1);
    }

    #[test]
    fn clients_without_an_id_take_nothing_over() {
        let mut events = connects(1, 2, true, 0, 0);
        events.extend(connects(2, 2, true, 0, 0));
        for event in &mut events {
            if let What::Packet { packet: Packet::Connect { client_id, .. }, .. } = event {
                client_id.clear();
            }
        }
        assert_eq!(window(&due(events)), (3.5, 4.5), "it has fallen silent after its CONNECT");
    }

    #[test]
    fn what_is_sent_again_at_qos_2_hides_no_will() {
        let sent = |dup| {
            let publish = Packet::Publish {
                topic: "s".into(),
                payload: Payload::from("off"),
                qos: QoS::ExactlyOnce,
                retain: false,
                dup,
                packet_id: Some(7),
                aliased: false,
                properties: Vec::new(),
            };
            packet(1, Direction::FromBoard, publish)
        };
        let will = Will {
            topic: "s".into(),
            payload: Payload::from("off"),
            qos: QoS::ExactlyOnce,
            retain: true,
            properties: Vec::new(),
        };
        let mut wills = Wills::seen_by("observer", &will);
        let timeline = Timeline::in_memory(Epoch::start());
        let came = || observed(QoS::ExactlyOnce, false);
        let taken: Vec<_> = [sent(false), sent(true), came(), came()]
            .into_iter()
            .map(|what| wills.take(&timeline.record(None, what)))
            .collect();
        assert_eq!(taken, [false, false, false, true]);
    }

    #[test]
    fn a_client_that_goes_on_is_never_given_up() {
        let ping = packet(1, Direction::FromBoard, Packet::Pingreq);
        let on_its_way = [connects(1, 2, true, 0, 0), vec![ping.clone()]].concat();
        assert_eq!(window(&due(on_its_way)), (5.5, 6.5), "its last packet came just after the mark");
        let alive = [connects(1, 2, true, 0, 0), vec![ping; 4]].concat();
        assert!(matches!(due(alive), Due::Unknown(_)));
    }

    #[test]
    fn the_brokers_keep_alive_counts() {
        let mut events = connects(1, 60, true, 0, 0);
        let properties = vec![property("server keep alive", 7)];
        events[2] = packet(1, Direction::ToBoard, Packet::Connack { session_present: false, code: 0, properties });
        let timeline = Timeline::in_memory(Epoch::start());
        let events: Vec<_> = events.into_iter().map(|what| timeline.record(None, what)).collect();
        let events: Vec<&RunEvent> = events.iter().map(AsRef::as_ref).collect();
        let case = WillCase::at_mark("a", &events, Cursor(3), Stamp(2_000_000)).expect("a will");
        let seen = std::cell::Cell::new(Duration::ZERO);
        let _ = case.due(&events, |keep_alive, _| {
            seen.set(keep_alive);
            LIMITS
        });
        assert_eq!(seen.get(), Duration::from_secs(7));
    }

    #[test]
    fn a_connection_that_ends_is_known_at_once() {
        for how in ["closed by the board", "reset by the board", "reset by the bench"] {
            let events = [connects(1, 30, true, 0, 0), vec![closed(how)]].concat();
            assert_eq!(window(&due(events)), (2.5, 3.5), "{how}");
        }
        let delayed = [connects(1, 30, false, 2, 60), vec![closed("reset by the bench")]].concat();
        assert_eq!(window(&due(delayed)), (4.5, 5.5));
        let given_up = [connects(1, 2, true, 0, 0), vec![closed("closed by the broker")]].concat();
        assert_eq!(window(&due(given_up)), (3.5, 4.5), "no sooner than the keep alive allows");
    }

    #[test]
    fn disconnect_withdraws_a_will_with_reason_zero_only() {
        assert!(matches!(due([connects(1, 30, true, 0, 0), vec![disconnect(0)]].concat()), Due::Never(_)));
        for code in [4, 0x80, 0x81, 0xff] {
            let events = [connects(1, 30, true, 0, 0), vec![disconnect(code), closed("closed by the broker")]].concat();
            assert_eq!(window(&due(events)), (2.5, 3.5), "{code:#x}");
        }
    }

    #[test]
    fn a_client_that_comes_back_takes_over() {
        let events = [connects(1, 30, true, 0, 0), connects(2, 30, true, 0, 0)].concat();
        assert_eq!(window(&due(events)), (3.5, 4.5), "at the CONNECT of the second connection");
        let back = [connects(1, 30, false, 5, 60), vec![closed("reset by the bench")], connects(2, 30, false, 5, 60)];
        assert!(matches!(due(back.concat()), Due::Never(_)), "within its will delay");
        let clean = [connects(1, 30, false, 5, 60), vec![closed("reset by the bench")], connects(2, 30, true, 5, 60)];
        assert_eq!(window(&due(clean.concat())), (4.5, 5.5), "a clean start ends the session");
    }

    #[test]
    fn a_stopped_broker_leaves_it_open() {
        let stopped = What::Broker { kind: String::new(), running: false, address: String::new() };
        let events = [connects(1, 2, true, 0, 0), vec![closed("closed by the broker"), stopped]].concat();
        assert!(matches!(due(events), Due::Unknown(_)));
    }

    fn wills(events: Vec<What>) -> Vec<bool> {
        let timeline = Timeline::in_memory(Epoch::start());
        let announced = connects(1, 2, true, 0, 0);
        let What::Packet { packet: Packet::Connect { will: Some(will), .. }, .. } = &announced[1] else {
            panic!("no will")
        };
        let mut wills = Wills::seen_by("observer", will);
        events.into_iter().map(|what| wills.take(&timeline.record(None, what))).collect()
    }

    fn observed(qos: QoS, retain: bool) -> What {
        let (observer, topic, payload) = ("observer".to_owned(), "s".to_owned(), Payload::from("off"));
        What::Observed { observer, topic, payload, qos, retain, dup: false }
    }

    fn publishes(fate: Option<Fate>) -> What {
        let publish = Packet::Publish {
            topic: "s".into(),
            payload: Payload::from("off"),
            qos: QoS::AtLeastOnce,
            retain: true,
            dup: false,
            packet_id: Some(1),
            aliased: false,
            properties: Vec::new(),
        };
        let What::Packet { board, connection, direction, bytes, answer_us, packet, .. } =
            packet(1, Direction::FromBoard, publish)
        else {
            panic!("no packet")
        };
        What::Packet { board, connection, direction, bytes, fate, answer_us, packet }
    }

    #[test]
    fn a_message_that_a_client_published_is_not_a_will() {
        let (once, twice) = (QoS::AtLeastOnce, QoS::ExactlyOnce);
        // The Home Assistant idiom: the device itself says `off`, and then DISCONNECT.
        assert_eq!(wills(vec![publishes(None), observed(once, false)]), [false, false]);
        assert_eq!(wills(vec![publishes(None), observed(once, false), observed(once, false)]), [false, false, true]);
        assert_eq!(wills(vec![publishes(Some(Fate::Dropped)), observed(once, false)]), [false, true]);
        assert_eq!(wills(vec![observed(once, true)]), [false], "it was retained before");
        assert_eq!(wills(vec![observed(twice, false)]), [false], "it was announced with another QoS");
        assert_eq!(wills(vec![observed(once, false)]), [true]);
    }
}
