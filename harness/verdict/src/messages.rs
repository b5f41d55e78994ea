//! Messages that a board publishes and receives, and their acknowledgements.

use std::collections::HashSet;

use hil_timeline::{Packet, Payload, QoS, RunEvent, Stamp};

use crate::message::MessageMatch;
use crate::show::{published, show};
use crate::topic::topic_matches;

/// The direction of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Travel {
    /// The board publishes it.
    Sent,
    /// The board receives it.
    Received,
}

impl Travel {
    /// A message that is expected to be published or received.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Sent => "published",
            Self::Received => "received",
        }
    }

    /// A PUBLISH in this direction on a topic that the filter matches.
    #[must_use]
    pub fn message<'a>(self, event: &'a RunEvent, board: &str, filter: &str) -> Option<&'a Packet> {
        let (of, _, packet) = match self {
            Self::Sent => event.what.sent_by_board()?,
            Self::Received => event.what.reached_board()?,
        };
        match packet {
            Packet::Publish { topic, .. } if of == board && topic_matches(filter, topic) => Some(packet),
            _ => None,
        }
    }
}

/// A message that a board published: its topic and payload.
#[must_use]
pub fn published_by<'a>(event: &'a RunEvent, name: &str) -> Option<(&'a str, &'a Payload)> {
    match event.what.sent_by_board()? {
        (board, _, packet) if board == name => published(packet),
        _ => None,
    }
}

/// Messages that were seen: a retransmission with DUP and the same packet identifier is the same message (MQTT 3.1.1
/// §3.3.1.1).
#[derive(Debug, Clone)]
pub struct Sent {
    travel: Travel,
    seen: HashSet<(String, u16, String, Vec<u8>)>,
}

impl Sent {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new(travel: Travel) -> Self {
        Self { travel, seen: HashSet::new() }
    }

    /// Takes a message; returns false for a retransmission.
    pub fn is_new(&mut self, event: &RunEvent) -> bool {
        let packet = match self.travel {
            Travel::Sent => event.what.sent_by_board(),
            Travel::Received => event.what.reached_board(),
        };
        match packet {
            Some((board, _, Packet::Publish { topic, payload, dup, packet_id: Some(id), .. })) => {
                self.seen.insert((board.to_owned(), *id, topic.clone(), payload.0.clone())) || !dup
            }
            _ => true,
        }
    }
}

/// Waits for a message whose fields all match, and keeps the closest one.
#[derive(Debug, Clone)]
pub struct Delivered {
    travel: Travel,
    board: String,
    filter: String,
    wanted: MessageMatch,
    sent: Sent,
    closest: Option<(Vec<String>, RunEvent)>,
}

impl Delivered {
    /// A message of a board on a topic that the filter matches.
    #[must_use]
    pub fn new(travel: Travel, board: &str, filter: &str, wanted: MessageMatch) -> Self {
        let (board, filter) = (board.to_owned(), filter.to_owned());
        Self { travel, board, filter, wanted, sent: Sent::new(travel), closest: None }
    }

    /// An earlier message, or one that has satisfied another step: its retransmission does not count.
    pub fn known(&mut self, event: &RunEvent) {
        self.sent.is_new(event);
    }

    /// Whether a record is the message.
    pub fn take(&mut self, event: &RunEvent) -> bool {
        let Some(packet) = self.travel.message(event, &self.board, &self.filter) else { return false };
        // A retransmission on a new connection is a new delivery. A message that the board sends again is the same
        // message, unless the step is about retransmission.
        let is_new = self.sent.is_new(event);
        if self.travel == Travel::Sent && !is_new && !self.wanted.asks_for_dup() {
            return false;
        }
        let wrong = self.wanted.wrong(packet);
        if wrong.is_empty() {
            return true;
        }
        // The latest of those with the fewest differences.
        if self.closest.as_ref().is_none_or(|(least, _)| wrong.len() <= least.len()) {
            self.closest = Some((wrong, event.clone()));
        }
        false
    }

    /// The closest message and how it differs; none if there was no message.
    #[must_use]
    pub fn closest(&self, mark: hil_timeline::Stamp) -> Option<Vec<String>> {
        let (wrong, event) = self.closest.as_ref()?;
        let shown = format!("closest: {}", show(event, mark));
        Some(std::iter::once(shown).chain(wrong.iter().map(|field| format!("  {field}"))).collect())
    }
}

/// A delivery at QoS 1 or 2 that a board must acknowledge.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Delivery {
    seq: u64,
    connection: u32,
    id: u16,
}

/// Deliveries to a board, and how long it took to acknowledge them.
#[derive(Debug, Clone)]
pub struct Acknowledgements {
    board: String,
    open: Vec<Delivery>,
    times: Vec<u64>,
    stamps: Vec<Stamp>,
}

impl Acknowledgements {
    /// The deliveries in these records.
    #[must_use]
    pub fn of<'a>(board: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> Self {
        let delivery = |event: &RunEvent| match event.what.reached_board()? {
            (of, connection, Packet::Publish { packet_id: Some(id), .. }) if of == board => {
                Some(Delivery { seq: event.seq, connection, id: *id })
            }
            _ => None,
        };
        Self {
            board: board.to_owned(),
            open: events.into_iter().filter_map(delivery).collect(),
            times: Vec::new(),
            stamps: Vec::new(),
        }
    }

    /// How many deliveries there are.
    #[must_use]
    pub fn deliveries(&self) -> usize {
        self.open.len() + self.times.len()
    }

    /// Takes a record; returns whether every delivery is acknowledged.
    pub fn take(&mut self, event: &RunEvent) -> bool {
        self.take_one(event);
        self.open.is_empty()
    }

    /// Takes a record; returns whether it acknowledges a delivery.
    pub fn take_one(&mut self, event: &RunEvent) -> bool {
        if let Some((of, on, Packet::Puback { packet_id, .. } | Packet::Pubrec { packet_id, .. })) =
            event.what.sent_by_board()
            && of == self.board
            && let Some(us) = event.what.answer_us()
            && let Some(at) = self
                .open
                .iter()
                .position(|asked| asked.connection == on && asked.id == *packet_id && asked.seq < event.seq)
        {
            self.open.remove(at);
            self.times.push(us);
            self.stamps.push(event.at);
            return true;
        }
        false
    }

    /// The times of the deliveries.
    #[must_use]
    pub fn stamps(&self) -> &[Stamp] {
        &self.stamps
    }

    /// The time in microseconds within which this percentage was acknowledged; none if a needed acknowledgement is
    /// missing.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<u64> {
        let mut times = self.times.clone();
        times.sort_unstable();
        let rank = (self.deliveries() * percent).div_ceil(100);
        rank.checked_sub(1).and_then(|at| times.get(at)).copied()
    }
}

/// A retransmission: the same packet identifier, topic and payload as before, with DUP (MQTT 3.1.1 §3.3.1.1). Takes
/// records in order; `known` holds the messages seen so far.
pub fn retransmission(
    event: &RunEvent,
    travel: Travel,
    board: &str,
    known: &mut Vec<(u64, u16, String, Payload)>,
) -> bool {
    let Some(Packet::Publish { topic, payload, packet_id: Some(id), dup, .. }) = travel.message(event, board, "#")
    else {
        return false;
    };
    let same = |(seq, k, t, p): &(u64, u16, String, Payload)| *seq < event.seq && k == id && t == topic && p == payload;
    let again = *dup && known.iter().any(same);
    known.push((event.seq, *id, topic.clone(), payload.clone()));
    again
}

/// Follows the QoS 2 exchange of a board: PUBLISH, PUBREC, PUBREL, PUBCOMP (MQTT 3.1.1 §4.3.3). Returns the packets
/// seen so far; four packets complete it.
pub fn completes_qos_2(event: &RunEvent, board: &str, id: &mut Option<u16>, seen: &mut Vec<&'static str>) -> bool {
    let Some((of, _, packet)) = event.what.sent_by_board().or_else(|| event.what.reached_board()) else { return false };
    if of != board {
        return false;
    }
    let next = match packet {
        Packet::Publish { packet_id: Some(this), qos: QoS::ExactlyOnce, .. } if seen.is_empty() => {
            *id = Some(*this);
            true
        }
        Packet::Pubrec { packet_id, code, .. } => seen.len() == 1 && *id == Some(*packet_id) && *code < 0x80,
        Packet::Pubrel { packet_id, .. } => seen.len() == 2 && *id == Some(*packet_id),
        Packet::Pubcomp { packet_id, .. } => seen.len() == 3 && *id == Some(*packet_id),
        _ => false,
    };
    if next {
        seen.push(packet.name());
    }
    seen.len() == 4
}
