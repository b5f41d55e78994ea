//! What the timeline says about a board's MQTT session.

use hil_timeline::{ConnectionChange, Direction, Fate, Packet, RunEvent, Stamp, Subscription, What};

/// A board's latest connection, folded from the records of one scenario. Reads the timeline only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// Number of the connection; 0 before the first.
    pub connection: u32,
    /// Its CONNECT.
    pub connect: Option<Packet>,
    /// The broker has accepted it and it stands.
    pub connected: bool,
    /// Subscriptions that the broker has granted, as they stand.
    pub subscriptions: Vec<Subscription>,
    /// Its latest packet from the board, and when it came.
    pub last_from_board: Option<(Stamp, Packet)>,
    asked: Vec<(u16, Vec<Subscription>)>,
    /// The board was reset or lost its power: the connection belongs to a former life.
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

    /// Whether a message on that topic is delivered to it.
    #[must_use]
    pub fn receives(&self, topic: &str) -> bool {
        self.connected && self.subscriptions.iter().any(|s| crate::topic_matches(&s.filter, topic))
    }

    /// Takes the next record of the board.
    pub fn take(&mut self, event: &RunEvent) {
        match &event.what {
            What::Connection { connection, change: ConnectionChange::Opened, .. } => {
                *self = Self { connection: *connection, ..Self::default() };
            }
            What::Connection { change: ConnectionChange::Upgraded { .. }, .. } => {}
            What::Connection { connection, .. } if *connection == self.connection => self.connected = false,
            // Its sockets fall silent without a FIN; what it announced stays: its will is still to come.
            What::Reset { .. } | What::Power { .. } => {
                self.over = true;
                self.connected = false;
                self.subscriptions.clear();
                self.asked.clear();
            }
            // What did not arrive changes nothing.
            What::Packet { fate: Some(Fate::Dropped), .. } => {}
            What::Packet { connection, direction, packet, .. } if *connection == self.connection => {
                if *direction == Direction::FromBoard {
                    self.last_from_board = Some((event.at, packet.clone()));
                }
                if !self.over {
                    self.packet(packet);
                }
            }
            _ => {}
        }
    }

    fn packet(&mut self, packet: &Packet) {
        match packet {
            Packet::Connect { .. } => self.connect = Some(packet.clone()),
            Packet::Connack { code: 0, .. } => self.connected = true,
            Packet::Disconnect { .. } => self.connected = false,
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
        What::Packet { board: "lamp".into(), connection: 1, direction, bytes: 2, fate: None, answer_us: None, packet }
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
            What::Connection { board: "lamp".into(), connection: 1, change: ConnectionChange::Opened },
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
    fn a_session_stands_once_connack_and_suback_have_come() {
        assert!(session(life()).receives("a/b"));
        assert!(!session(life()).receives("b"));
        assert!(!session(life()[..4].to_vec()).receives("a/b"));
    }

    #[test]
    fn a_reset_or_a_power_cut_ends_it_although_no_fin_was_seen() {
        for end in [
            What::Reset { board: "lamp".into(), how: String::new() },
            What::Power { board: "lamp".into(), rail: String::new(), on: false },
        ] {
            let mut events = life();
            events.push(end);
            // A late answer of the broker to the former life.
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
