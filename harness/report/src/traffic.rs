//! Statistics of the packets of boards, per board and topic.

use std::collections::BTreeMap;

use hil_timeline::{ConnectionChange, Direction, Packet, QoS, RunEvent, Stamp, What};
use serde::Serialize;

/// Statistics of one board's messages on one topic in one direction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopicTraffic {
    /// The board.
    pub board: String,
    /// The topic.
    pub topic: String,
    /// The direction.
    pub direction: Direction,
    /// How many messages.
    pub count: u64,
    /// Bytes of their packets.
    pub bytes: u64,
    /// Messages per second, from the first to the last; none for a single message.
    pub rate: Option<f64>,
    /// Time between two messages; none for a single message.
    pub between: Option<Spread>,
    /// Time from a message to its acknowledgement (PUBACK, PUBREC).
    pub acknowledged_in: Option<Spread>,
}

/// The distribution of a time, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The smallest.
    pub least: f64,
    /// Half are no larger.
    pub p50: f64,
    /// 95 percent are no larger.
    pub p95: f64,
    /// 99 percent are no larger.
    pub p99: f64,
    /// The largest.
    pub most: f64,
}

impl Spread {
    /// Of microseconds; none of an empty set.
    fn of(sample: &Sample) -> Option<Self> {
        let mut sorted = sample.kept.clone();
        sorted.sort_unstable();
        let seconds = |us: u64| us as f64 / 1e6;
        // The smallest value that this percentage does not exceed.
        let percent = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Self {
            least: seconds(sample.least?),
            p50: seconds(percent(50)?),
            p95: seconds(percent(95)?),
            p99: seconds(percent(99)?),
            most: seconds(sample.most?),
        })
    }
}

/// Times, of which the newest are kept: that is enough for percentiles of a capture of days.
#[derive(Debug, Clone, Default)]
struct Sample {
    kept: Vec<u64>,
    seen: u64,
    least: Option<u64>,
    most: Option<u64>,
}

/// So many times are kept per topic.
const KEPT: usize = 10_000;
/// The maximum for all topics: 16 MiB.
const ALL_KEPT: usize = 2 << 20;

impl Sample {
    /// `room` is how many more may be kept for all topics.
    fn add(&mut self, us: u64, room: &mut usize) {
        self.least = Some(self.least.map_or(us, |least| least.min(us)));
        self.most = Some(self.most.map_or(us, |most| most.max(us)));
        // The first is always kept: without any there are no percentiles.
        if self.kept.is_empty() || self.kept.len() < KEPT && *room > 0 {
            self.kept.push(us);
            *room = room.saturating_sub(1);
        } else {
            let at = usize::try_from(self.seen).unwrap_or(0) % self.kept.len();
            self.kept[at] = us;
        }
        self.seen += 1;
    }
}

type Key = (String, String, bool);

/// Folds events into statistics, one by one.
#[derive(Debug, Clone)]
pub struct Traffic {
    topics: BTreeMap<Key, Topic>,
    /// Total bytes of topic names.
    names: usize,
    /// How many more times may be kept.
    room: usize,
    /// Messages that wait for their acknowledgement: board, connection, direction and identifier to topic.
    open: BTreeMap<(String, u32, bool, u16), Key>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { topics: BTreeMap::new(), names: 0, room: ALL_KEPT, open: BTreeMap::new() }
    }
}

#[derive(Debug, Clone, Default)]
struct Topic {
    count: u64,
    bytes: u64,
    first: Option<Stamp>,
    last: Option<Stamp>,
    between: Sample,
    acknowledged: Sample,
}

/// Further topics are counted as one: a device may use a new one for each message.
const TOPICS: usize = 10_000;
/// The same beyond this many bytes of names.
const NAMES: usize = 4 << 20;
const OTHERS: &str = "(other topics)";

impl Traffic {
    /// Takes the next event.
    pub fn take(&mut self, event: &RunEvent) {
        // Boards of several hosts may have one name.
        let full = |board: &str| event.host.as_ref().map_or_else(|| board.to_owned(), |host| format!("{host}/{board}"));
        if let What::Connection { board, connection, change: ConnectionChange::Closed { .. }, .. } = &event.what {
            // No acknowledgements can follow on it.
            for up in [false, true] {
                let of = |id| (full(board), *connection, up, id);
                let over: Vec<_> = self.open.range(of(0)..=of(u16::MAX)).map(|(key, _)| key.clone()).collect();
                over.iter().for_each(|key| drop(self.open.remove(key)));
            }
        }
        let sent = event.what.sent_by_board().map(|found| (found, true));
        let Some(((board, connection, packet), up)) =
            sent.or_else(|| event.what.reached_board().map(|found| (found, false)))
        else {
            return;
        };
        let board = full(board);
        match packet {
            Packet::Publish { topic, qos, packet_id, .. } => {
                let mut key = (board.clone(), topic.clone(), up);
                if !self.topics.contains_key(&key) {
                    if self.topics.len() >= TOPICS || self.names + topic.len() > NAMES {
                        key.1 = OTHERS.to_owned();
                    } else {
                        self.names += topic.len();
                    }
                }
                if let (Some(id), true) = (packet_id, *qos != QoS::AtMostOnce) {
                    self.open.insert((board, connection, up, *id), key.clone());
                }
                self.topics.entry(key).or_default().message(event, &mut self.room);
            }
            Packet::Puback { packet_id, .. } | Packet::Pubrec { packet_id, .. } => {
                let key = self.open.remove(&(board, connection, !up, *packet_id));
                if let (Some(key), Some(us)) = (key, event.what.answer_us())
                    && let Some(topic) = self.topics.get_mut(&key)
                {
                    topic.acknowledged.add(us, &mut self.room);
                }
            }
            _ => {}
        }
    }

    /// The statistics so far, by board, topic and direction.
    #[must_use]
    pub fn topics(&self) -> Vec<TopicTraffic> {
        let shown = |((board, topic, up), found): (&Key, &Topic)| {
            let span = found.first.zip(found.last).map(|(first, last)| last.since(first).as_secs_f64());
            let rate = span.filter(|span| *span > 0.0 && found.count > 1).map(|span| (found.count - 1) as f64 / span);
            TopicTraffic {
                board: board.clone(),
                topic: topic.clone(),
                direction: if *up { Direction::FromBoard } else { Direction::ToBoard },
                count: found.count,
                bytes: found.bytes,
                rate,
                between: Spread::of(&found.between),
                acknowledged_in: Spread::of(&found.acknowledged),
            }
        };
        self.topics.iter().map(shown).collect()
    }
}

impl Topic {
    fn message(&mut self, event: &RunEvent, room: &mut usize) {
        self.count += 1;
        if let What::Packet { bytes, .. } = &event.what {
            self.bytes = self.bytes.saturating_add(*bytes as u64);
        }
        if let Some(last) = self.last.replace(event.at) {
            self.between.add(u64::try_from(event.at.since(last).as_micros()).unwrap_or(u64::MAX), room);
        }
        self.first.get_or_insert(event.at);
    }
}

/// A table as text; empty without traffic.
#[must_use]
pub fn traffic_table(traffic: &[TopicTraffic]) -> String {
    if traffic.is_empty() {
        return String::new();
    }
    let milliseconds = |seconds: f64| format!("{:.1}", seconds * 1e3);
    let spread = |spread: Option<Spread>| match spread {
        None => ["-".to_owned(), "-".to_owned(), "-".to_owned()],
        Some(spread) => [milliseconds(spread.p50), milliseconds(spread.p95), milliseconds(spread.most)],
    };
    let head = [
        "board",
        "way",
        "messages",
        "bytes",
        "per s",
        "every p50 ms",
        "p95",
        "max",
        "ack p50 ms",
        "p95",
        "max",
        "topic",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for found in traffic {
        let way = if found.direction == Direction::FromBoard { "->" } else { "<-" };
        let rate = found.rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.1}"));
        let mut row = vec![
            crate::text::inert(&found.board),
            way.to_owned(),
            found.count.to_string(),
            found.bytes.to_string(),
            rate,
        ];
        row.extend(spread(found.between));
        row.extend(spread(found.acknowledged_in));
        row.push(crate::text::inert(&found.topic));
        rows.push(row);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).enumerate().map(|(n, (cell, width))| match n {
            // Words are left-aligned, numbers right-aligned.
            0 | 1 => format!("{cell:<width$}"),
            n if n == head.len() - 1 => cell.clone(),
            _ => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use hil_timeline::Payload;

    use super::*;

    fn event(at: u64, direction: Direction, packet: Packet, answer_us: Option<u64>) -> RunEvent {
        let (board, connection, bytes, disposition) = ("lamp".to_owned(), 1, 20, None);
        let what = What::Packet { board, connection, direction, bytes, disposition, answer_us, packet };
        RunEvent { seq: at, at: Stamp(at), scenario: None, host: None, what }
    }

    fn publish(id: u16) -> Packet {
        Packet::Publish {
            topic: "sister/temp".into(),
            payload: Payload::from("28"),
            qos: QoS::AtLeastOnce,
            retain: false,
            dup: false,
            packet_id: Some(id),
            aliased: false,
            properties: Vec::new(),
        }
    }

    #[test]
    fn messages_are_counted_and_timed() {
        let mut traffic = Traffic::default();
        for n in 0..5_u16 {
            let at = u64::from(n) * 1_000_000;
            traffic.take(&event(at, Direction::FromBoard, publish(n), None));
            let ack = Packet::Puback { packet_id: n, code: 0, properties: Vec::new() };
            traffic.take(&event(at + 2000, Direction::ToBoard, ack, Some(2000 + u64::from(n))));
        }
        traffic.take(&event(9_000_000, Direction::FromBoard, Packet::Pingreq, None));
        insta::assert_snapshot!(traffic_table(&traffic.topics()));
        assert_eq!(traffic_table(&[]), "");
    }

    #[test]
    fn statistics_of_days_are_bounded() {
        let mut traffic = Traffic { room: 1000, ..Traffic::default() };
        let change = || ConnectionChange::Closed { how: "reset by the board".into() };
        for n in 0..60_000_u32 {
            let mut packet = publish((n % 1000) as u16);
            // Generated topics, long ones among them, and messages that are never acknowledged.
            if let Packet::Publish { topic, .. } = &mut packet {
                *topic = format!("{}/{}", n % 20_000, "x".repeat(if n % 10 == 0 { 20_000 } else { 10 }));
            }
            traffic.take(&event(u64::from(n), Direction::FromBoard, packet, None));
            if n % 1000 == 999 {
                let (board, connection, peer) = ("lamp".to_owned(), 1, None);
                let what = What::Connection { board, connection, peer, change: change() };
                traffic.take(&RunEvent { seq: 0, at: Stamp(0), scenario: None, host: None, what });
                assert!(traffic.open.is_empty());
            }
        }
        let names: usize = traffic.topics.keys().map(|(_, topic, _)| topic.len()).sum();
        assert!(traffic.topics.len() <= TOPICS + 1 && names <= NAMES + OTHERS.len(), "{names} bytes");
        let kept: usize = traffic.topics.values().map(|topic| topic.between.kept.len()).sum();
        assert!(kept <= 1000 + traffic.topics.len(), "{kept} times");
        assert_eq!(traffic.topics().iter().map(|topic| topic.count).sum::<u64>(), 60_000);
    }
}
