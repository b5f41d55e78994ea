//! The state of a board's MQTT session, derived from the timeline.

use std::time::Duration;

use hil_timeline::{ConnectionChange, Direction, Disposition, Packet, RunEvent, Stamp, Subscription, What};

use crate::message::property;
use crate::topic::covers;

/// How a board's connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The board sent DISCONNECT with this reason (0 in MQTT 3.1.1).
    Disconnected {
        /// When.
        at: Stamp,
        /// The reason code.
        code: u8,
    },
    /// The connection closed without a DISCONNECT from the board.
    Closed {
        /// When.
        at: Stamp,
        /// Which side closed it and how, as text.
        how: String,
    },
}

impl End {
    /// When it was.
    #[must_use]
    pub fn at(&self) -> Stamp {
        match self {
            Self::Disconnected { at, .. } | Self::Closed { at, .. } => *at,
        }
    }
}

/// A board's latest connection, derived from the records of one scenario.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// Number of the connection; 0 before the first.
    pub connection: u32,
    /// Its CONNECT.
    pub connect: Option<Packet>,
    /// The broker's answer, if it accepted the connection.
    pub connack: Option<Packet>,
    /// The broker has accepted it and it is open.
    pub connected: bool,
    /// How it ended, if it has.
    pub end: Option<End>,
    /// The current subscriptions that the broker has granted.
    pub subscriptions: Vec<Subscription>,
    /// The latest packet from the board, and its time.
    pub last_from_board: Option<(Stamp, Packet)>,
    asked: Vec<(u16, Vec<Subscription>)>,
    /// The subscriptions of this client id when its previous connection ended: they are valid again if the broker has
    /// kept the session.
    kept: Option<(String, Vec<Subscription>)>,
    /// What a DISCONNECT changed the session expiry to (MQTT 5 §3.14.2.2.2).
    expiry_at_disconnect: Option<u32>,
    /// The board was reset or lost its power: the connection belongs to an earlier boot.
    over: bool,
}

impl Session {
    /// Reads all records of a board.
    #[must_use]
    pub fn of<'a>(board: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> Self {
        let mut session = Self::default();
        events.into_iter().filter(|event| event.what.board() == Some(board)).for_each(|event| session.take(event));
        session
    }

    /// Whether a message on that topic is delivered to it. For a topic filter: whether all matching messages are.
    #[must_use]
    pub fn receives(&self, topic: &str) -> bool {
        self.connected && self.subscriptions.iter().any(|s| covers(&s.filter, topic))
    }

    /// The client identifier: the one of CONNECT, or the one that the broker assigned (MQTT 5 §3.2.2.3.7).
    #[must_use]
    pub fn client_id(&self) -> Option<String> {
        let Some(Packet::Connect { client_id, .. }) = &self.connect else { return None };
        let assigned = self.connack_property("assigned client identifier");
        Some(assigned.unwrap_or_else(|| client_id.clone()))
    }

    /// The effective keep alive: the broker's, if it sets one (MQTT 5 §3.2.2.3.14). Zero disables it.
    #[must_use]
    pub fn keep_alive(&self) -> Duration {
        let Some(Packet::Connect { keep_alive, .. }) = &self.connect else { return Duration::ZERO };
        let server = self.connack_property("server keep alive").and_then(|text| text.parse().ok());
        Duration::from_secs(server.unwrap_or(u64::from(*keep_alive)))
    }

    /// How long the broker keeps the session after the connection; none if it never expires.
    ///
    /// In MQTT 3.1.1 a clean session ends with the connection, other sessions never (§3.1.2.4); in MQTT 5 the session
    /// expiry interval counts, as last set by the broker or a DISCONNECT (§3.1.2.11.2).
    #[must_use]
    pub fn expiry(&self) -> Option<Duration> {
        let Some(Packet::Connect { protocol, clean_session, properties, .. }) = &self.connect else {
            return Some(Duration::ZERO);
        };
        if *protocol < 5 {
            return clean_session.then_some(Duration::ZERO);
        }
        let asked = || property(properties, "session expiry interval").and_then(|text| text.parse().ok());
        let granted = || self.connack_property("session expiry interval").and_then(|text| text.parse().ok());
        match self.expiry_at_disconnect.or_else(granted).or_else(asked).unwrap_or(0) {
            u32::MAX => None,
            seconds => Some(Duration::from_secs(u64::from(seconds))),
        }
    }

    fn connack_property(&self, name: &str) -> Option<String> {
        match &self.connack {
            Some(Packet::Connack { properties, .. }) => property(properties, name),
            _ => None,
        }
    }

    /// Takes the next record of the board.
    pub fn take(&mut self, event: &RunEvent) {
        match &event.what {
            What::Connection { connection, change: ConnectionChange::Opened, .. } => {
                let subscriptions = std::mem::take(&mut self.subscriptions);
                let kept = self.kept.take().or_else(|| self.client_id().map(|id| (id, subscriptions)));
                *self = Self { connection: *connection, kept, ..Self::default() };
            }
            What::Connection { change: ConnectionChange::Upgraded { .. }, .. } => {}
            What::Connection { connection, change, .. } if *connection == self.connection => {
                self.connected = false;
                if let ConnectionChange::Closed { how } = change
                    && self.end.is_none()
                {
                    self.end = Some(End::Closed { at: event.at, how: how.clone() });
                }
            }
            // Its sockets fall silent without a FIN; its CONNECT is kept: its will is still to come.
            What::Reset { .. } | What::PowerSwitching { on: true, .. } | What::Power { on: false, .. } => self.leave(),
            // A packet that did not arrive changes nothing.
            What::Packet { disposition: Some(Disposition::Dropped), .. } => {}
            What::Packet { connection, direction, packet, .. } if *connection == self.connection => {
                if *direction == Direction::FromBoard {
                    self.last_from_board = Some((event.at, packet.clone()));
                }
                if !self.over {
                    self.packet(event.at, *direction, packet);
                }
            }
            _ => {}
        }
    }

    /// The board boots again, or has no power.
    fn leave(&mut self) {
        self.over = true;
        self.connected = false;
        if let Some(id) = self.client_id() {
            self.kept = Some((id, std::mem::take(&mut self.subscriptions)));
        }
        self.subscriptions.clear();
        self.asked.clear();
    }

    fn packet(&mut self, at: Stamp, direction: Direction, packet: &Packet) {
        match packet {
            Packet::Connect { .. } => self.connect = Some(packet.clone()),
            Packet::Connack { code: 0, session_present, .. } => {
                self.connack = Some(packet.clone());
                self.connected = true;
                let kept = self.kept.take().filter(|(id, _)| *session_present && self.client_id().as_ref() == Some(id));
                self.subscriptions = kept.map(|(_, subscriptions)| subscriptions).unwrap_or_default();
            }
            Packet::Disconnect { code, properties } => {
                self.connected = false;
                if direction == Direction::FromBoard && self.end.is_none() {
                    self.end = Some(End::Disconnected { at, code: *code });
                    let changed = property(properties, "session expiry interval").and_then(|text| text.parse().ok());
                    self.expiry_at_disconnect = changed;
                }
            }
            Packet::Subscribe { packet_id, filters, .. } => self.asked.push((*packet_id, filters.clone())),
            Packet::Suback { packet_id, codes, .. } => self.granted(*packet_id, codes),
            Packet::Unsubscribe { filters, .. } => self.subscriptions.retain(|s| !filters.contains(&s.filter)),
            _ => {}
        }
    }

    fn granted(&mut self, packet_id: u16, codes: &[u8]) {
        let Some(at) = self.asked.iter().position(|(id, _)| *id == packet_id) else { return };
        let (_, filters) = self.asked.remove(at);
        let granted = filters.into_iter().zip(codes).filter(|(_, code)| **code < 0x80).map(|(filter, _)| filter);
        self.subscriptions.extend(granted);
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, QoS, Timeline};

    use super::*;

    fn packet(direction: Direction, packet: Packet) -> What {
        What::Packet {
            board: "lamp".into(),
            connection: 1,
            direction,
            bytes: 2,
            disposition: None,
            answer_us: None,
            packet,
        }
    }

    fn life() -> Vec<What> {
        let (up, down) = (Direction::FromBoard, Direction::ToBoard);
        let filters = vec![Subscription { filter: "a/#".into(), qos: QoS::AtLeastOnce }];
        let connect = Packet::Connect {
            protocol: 4,
            client_id: "l".into(),
            keep_alive: 5,
            clean_session: true,
            user_name: None,
            has_password: false,
            will: None,
            properties: Vec::new(),
        };
        vec![
            What::Connection { board: "lamp".into(), connection: 1, peer: None, change: ConnectionChange::Opened },
            packet(up, connect),
            packet(down, Packet::Connack { session_present: false, code: 0, properties: Vec::new() }),
            packet(up, Packet::Subscribe { packet_id: 1, filters, properties: Vec::new() }),
            packet(down, Packet::Suback { packet_id: 1, codes: vec![1], properties: Vec::new() }),
        ]
    }

    fn session(events: Vec<What>) -> Session {
        let timeline = Timeline::in_memory(Epoch::start());
        let events: Vec<_> = events.into_iter().map(|what| timeline.record(None, what)).collect();
        Session::of("lamp", events.iter().map(AsRef::as_ref))
    }

    #[test]
    fn a_session_is_open_after_connack_and_suback() {
        assert!(session(life()).receives("a/b"));
        assert!(!session(life()).receives("b"));
        assert!(!session(life()[..4].to_vec()).receives("a/b"));
    }

    #[test]
    fn a_session_that_the_broker_has_kept_has_its_subscriptions() {
        let again = |present| {
            let mut events = life();
            let Some(What::Packet { packet: connect, .. }) = events.get(1).cloned() else { return events };
            let on = |direction, packet| What::Packet {
                board: "lamp".into(),
                connection: 2,
                direction,
                bytes: 2,
                disposition: None,
                answer_us: None,
                packet,
            };
            events.push(What::Connection {
                board: "lamp".into(),
                connection: 2,
                peer: None,
                change: ConnectionChange::Opened,
            });
            events.push(on(Direction::FromBoard, connect));
            let connack = Packet::Connack { session_present: present, code: 0, properties: Vec::new() };
            events.push(on(Direction::ToBoard, connack));
            events
        };
        assert!(session(again(true)).receives("a/b") && !session(again(false)).receives("a/b"));
        let mut after_a_reset = again(true);
        after_a_reset.insert(5, What::Reset { board: "lamp".into(), how: String::new() });
        assert!(session(after_a_reset).receives("a/b"));
    }

    /// A power driver answers late: the board is up before it is recorded as on.
    #[test]
    fn a_session_that_begins_before_the_power_driver_has_answered_is_open() {
        let mut events = vec![What::PowerSwitching { board: "lamp".into(), on: true }];
        events.extend(life());
        events.push(What::Power { board: "lamp".into(), rail: String::new(), on: true });
        assert!(session(events).receives("a/b"));
        let mut events = life();
        events.push(What::PowerSwitching { board: "lamp".into(), on: true });
        assert!(!session(events).connected, "it boots again");
    }

    #[test]
    fn a_shared_subscription_covers_what_its_filter_covers() {
        let mut events = life();
        let filters = vec![Subscription { filter: "$share/g/t/+".into(), qos: QoS::AtLeastOnce }];
        events[3] = packet(Direction::FromBoard, Packet::Subscribe { packet_id: 1, filters, properties: Vec::new() });
        let session = session(events);
        assert!(session.receives("t/1") && session.receives("$share/g/t/+") && !session.receives("g/t/1"));
    }

    #[test]
    fn a_reset_or_a_power_cut_ends_it_although_no_fin_was_seen() {
        for end in [
            What::Reset { board: "lamp".into(), how: String::new() },
            What::Power { board: "lamp".into(), rail: String::new(), on: false },
            What::PowerSwitching { board: "lamp".into(), on: true },
        ] {
            let mut events = life();
            events.push(end);
            // A late answer of the broker on the connection from before the reset.
            events.push(packet(
                Direction::ToBoard,
                Packet::Connack { session_present: false, code: 0, properties: Vec::new() },
            ));
            let ended = session(events);
            assert!(!ended.connected && !ended.receives("a/b"));
            assert!(ended.connect.is_some() && ended.last_from_board.is_some(), "its will is still to come");
        }
    }
}
