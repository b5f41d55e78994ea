//! What the timeline says about a board's MQTT session.

use hil_timeline::{ConnectionChange, Direction, Packet, RunEvent, Stamp, Subscription, What};

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
            What::Connection { connection, .. } if *connection == self.connection => self.connected = false,
            What::Packet { connection, direction, packet, .. } if *connection == self.connection => {
                if *direction == Direction::FromBoard {
                    self.last_from_board = Some((event.at, packet.clone()));
                }
                self.packet(packet);
            }
            _ => {}
        }
    }

    fn packet(&mut self, packet: &Packet) {
        match packet {
            Packet::Connect { .. } => self.connect = Some(packet.clone()),
            Packet::Connack { code: 0, .. } => self.connected = true,
            Packet::Disconnect { .. } => self.connected = false,
            Packet::Subscribe { packet_id, filters } => self.asked.push((*packet_id, filters.clone())),
            Packet::Suback { packet_id, codes } => self.granted(*packet_id, codes),
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
