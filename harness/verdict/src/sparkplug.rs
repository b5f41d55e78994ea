//! Whether a board follows the rules of Sparkplug B for the session of a node.
//!
//! The rules are those of "Sparkplug 3.0.0" (Eclipse Foundation, November 2022); each message names the identifier of its
//! rule without `tck-id-`.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use hil_sparkplug::{Kind, Message, Topic};
use hil_timeline::{Finding, Packet, Payload, QoS, RunEvent, Stamp, What, Will, escaped};

/// What a board has done so far as a node.
#[derive(Debug, Clone)]
pub struct SparkplugSession {
    board: String,
    connection: Option<Connection>,
    /// The number of birth and death of the session before.
    last_birth_death: Option<u64>,
    births: usize,
    wrong: Vec<(Stamp, String)>,
}

/// A connection that announced the death of a node.
#[derive(Debug, Clone)]
struct Connection {
    number: u32,
    node: (String, String),
    birth_death: Option<u64>,
    born: Option<Born>,
}

/// What came since the birth of the node.
#[derive(Debug, Clone)]
struct Born {
    seq: u64,
    devices: BTreeSet<String>,
    /// The aliases that births have given a name, with it.
    aliases: BTreeMap<u64, String>,
}

impl SparkplugSession {
    /// The messages of a board.
    #[must_use]
    pub fn new(board: &str) -> Self {
        Self { board: board.to_owned(), connection: None, last_birth_death: None, births: 0, wrong: Vec::new() }
    }

    /// Takes the next record.
    pub fn take(&mut self, event: &RunEvent) {
        // A node that starts again may count from zero or go on.
        if event.what.board() == Some(&self.board) && is_start(&event.what) {
            self.last_birth_death = None;
        }
        match event.what.sent_by_board() {
            Some((board, number, Packet::Connect { will, clean_session, .. })) if board == self.board => {
                self.connect(event.at, number, will.as_ref(), *clean_session);
            }
            Some((board, number, Packet::Publish { topic, payload, qos, retain, .. })) if board == self.board => {
                if let Some(topic) = Topic::parse(topic).filter(|topic| !topic.kind.is_command()) {
                    self.publish(event.at, number, topic, payload, (*qos, *retain));
                }
            }
            _ => {}
        }
    }

    /// What is wrong, in the order of time.
    #[must_use]
    pub fn wrong(&self) -> &[(Stamp, String)] {
        &self.wrong
    }

    /// How often a node was born.
    #[must_use]
    pub fn births(&self) -> usize {
        self.births
    }

    fn note(&mut self, at: Stamp, rule: &str, what: impl Into<String>) {
        self.wrong.push((at, format!("{} ({rule})", what.into())));
    }

    fn note_unread(&mut self, at: Stamp, word: &str, error: &str) {
        self.wrong.push((at, format!("the payload of {word} is no payload of Sparkplug B: {error}")));
    }

    fn connect(&mut self, at: Stamp, number: u32, will: Option<&Will>, clean: bool) {
        self.connection = None;
        let Some((will, topic)) = will.and_then(|will| Some((will, Topic::parse(&will.topic)?))) else {
            return self.note(
                at,
                "message-flow-edge-node-birth-publish-will-message",
                "its CONNECT has no will on an NDEATH topic",
            );
        };
        if topic.kind != Kind::NodeDeath {
            let what = format!("its will is on `{}`, not on an NDEATH topic", escaped(&will.topic));
            return self.note(at, "message-flow-edge-node-birth-publish-will-message-topic", what);
        }
        if !clean {
            self.note(at, "principles-persistence-clean-session-311", "its CONNECT does not ask for a clean session");
        }
        if will.qos != QoS::AtLeastOnce {
            self.note(at, "payloads-ndeath-will-message-qos", format!("its will has QoS {}, not 1", will.qos as u8));
        }
        if will.retain {
            self.note(at, "payloads-ndeath-will-message-retain", "its will is retained");
        }
        let birth_death = self.death(at, &will.payload);
        let node = (topic.group.to_owned(), topic.node.to_owned());
        self.connection = Some(Connection { number, node, birth_death, born: None });
    }

    /// The number of a death.
    fn death(&mut self, at: Stamp, payload: &Payload) -> Option<u64> {
        let message = match Message::decode(&payload.0) {
            Ok(message) => message,
            Err(error) => {
                self.note_unread(at, "NDEATH", &error);
                return None;
            }
        };
        if message.seq.is_some() {
            self.note(at, "payloads-ndeath-seq", "its NDEATH has a `seq`");
        }
        let Some(number) = message.birth_death().filter(|number| *number <= 255) else {
            self.note(at, "payloads-ndeath-bdseq", "its NDEATH has no metric `bdSeq` of 0 to 255");
            return None;
        };
        if let Some(last) = self.last_birth_death
            && number != (last + 1) % 256
        {
            let what = format!("`bdSeq` is {number} after {last} in the session before");
            self.note(at, "topics-nbirth-bdseq-increment", what);
        }
        self.last_birth_death = Some(number);
        Some(number)
    }

    fn publish(&mut self, at: Stamp, number: u32, topic: Topic<'_>, payload: &Payload, how: (QoS, bool)) {
        let word = topic.kind.word();
        // A node may say its own death before it leaves, as its will would.
        if topic.kind == Kind::NodeDeath || topic.kind == Kind::State {
            return;
        }
        let Some(connection) = self.connection.as_ref().filter(|connection| connection.number == number) else {
            return;
        };
        if (topic.group, topic.node) != (connection.node.0.as_str(), connection.node.1.as_str()) {
            let what = format!(
                "{word} of `{}/{}`, but its will is that of `{}/{}`",
                escaped(topic.group),
                escaped(topic.node),
                connection.node.0,
                connection.node.1
            );
            return self.note(at, "message-flow-edge-node-birth-publish-nbirth-topic", what);
        }
        if how != (QoS::AtMostOnce, false) {
            let what = format!(
                "{word} with QoS {}{}, not 0 and not retained",
                how.0 as u8,
                if how.1 { ", retained" } else { "" }
            );
            self.note(at, mqtt_rule(topic.kind), what);
        }
        match Message::decode(&payload.0) {
            Err(error) => self.note_unread(at, word, &error),
            Ok(message) if topic.kind == Kind::NodeBirth => self.birth(at, &message),
            Ok(message) => self.later(at, topic, &message),
        }
    }

    fn birth(&mut self, at: Stamp, message: &Message) {
        self.births += 1;
        if message.seq != Some(0) {
            let seq = message.seq.map_or_else(|| "no `seq`".to_owned(), |seq| format!("the `seq` {seq}"));
            self.note(at, "topics-nbirth-seq-num", format!("NBIRTH has {seq}, not 0"));
        }
        let announced = self.connection.as_ref().and_then(|connection| connection.birth_death);
        if message.birth_death() != announced {
            let show = |number: Option<u64>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
            let what =
                format!("`bdSeq` of NBIRTH is {}, that of its will {}", show(message.birth_death()), show(announced));
            self.note(at, "topics-nbirth-bdseq-matching", what);
        }
        if message.timestamp.is_none() {
            self.note(at, "topics-nbirth-timestamp", "NBIRTH has no timestamp");
        }
        let mut born = Born { seq: message.seq.unwrap_or(0), devices: BTreeSet::new(), aliases: BTreeMap::new() };
        let twice = born.name(message);
        if let Some(connection) = &mut self.connection {
            connection.born = Some(born);
        }
        self.aliases_twice(at, twice);
    }

    fn aliases_twice(&mut self, at: Stamp, twice: Vec<u64>) {
        for alias in twice {
            self.note(at, "payloads-alias-uniqueness", format!("the alias {alias} is given to two metrics"));
        }
    }

    fn later(&mut self, at: Stamp, topic: Topic<'_>, message: &Message) {
        let word = topic.kind.word();
        let Some(born) = self.connection.as_mut().and_then(|connection| connection.born.as_mut()) else {
            return self.note(at, order_rule(topic.kind), format!("{word} before NBIRTH"));
        };
        let expected = (born.seq + 1) % 256;
        let mut wrong = Vec::new();
        match message.seq {
            Some(seq) if seq == expected => {}
            Some(seq) => {
                wrong.push((
                    "payloads-sequence-num-incrementing",
                    format!("{word} has the `seq` {seq}, not {expected}"),
                ));
            }
            None => wrong.push(("payloads-sequence-num-always-included", format!("{word} has no `seq`"))),
        }
        born.seq = message.seq.unwrap_or(expected);
        let device = topic.device.unwrap_or_default();
        let mut twice = Vec::new();
        match topic.kind {
            Kind::DeviceBirth => {
                born.devices.insert(device.to_owned());
                twice = born.name(message);
            }
            Kind::DeviceDeath if !born.devices.remove(device) => {
                wrong.push((order_rule(topic.kind), format!("{word} of `{}` before its DBIRTH", escaped(device))));
            }
            Kind::DeviceData if !born.devices.contains(device) => {
                wrong.push((order_rule(topic.kind), format!("{word} of `{}` before its DBIRTH", escaped(device))));
            }
            _ => {}
        }
        if matches!(topic.kind, Kind::NodeData | Kind::DeviceData) {
            let unknown = message.metrics.iter().filter(|metric| metric.name.is_none());
            for alias in unknown.map(|metric| metric.alias) {
                match alias {
                    None => wrong
                        .push(("payloads-name-requirement", format!("a metric of {word} has no name and no alias"))),
                    Some(alias) if !born.aliases.contains_key(&alias) => {
                        wrong.push((
                            "payloads-alias-birth-requirement",
                            format!("no birth has named the alias {alias} of {word}"),
                        ));
                    }
                    Some(_) => {}
                }
            }
        }
        for (rule, what) in wrong {
            self.note(at, rule, what);
        }
        self.aliases_twice(at, twice);
    }
}

impl Born {
    /// Takes the names of a birth; the aliases that another metric has already.
    fn name(&mut self, birth: &Message) -> Vec<u64> {
        let mut twice = Vec::new();
        for metric in &birth.metrics {
            let (Some(alias), Some(name)) = (metric.alias, &metric.name) else { continue };
            if self.aliases.insert(alias, name.clone()).is_some_and(|before| before != *name) {
                twice.push(alias);
            }
        }
        twice
    }
}

fn is_start(what: &What) -> bool {
    let is_reboot = |finding| matches!(finding, Finding::Boot | Finding::Reboot | Finding::Panic);
    match what {
        What::Reset { .. } | What::Power { .. } | What::PowerSwitching { .. } => true,
        What::Found { finding, .. } => is_reboot(*finding),
        _ => false,
    }
}

fn mqtt_rule(kind: Kind) -> &'static str {
    match kind {
        Kind::NodeBirth => "topics-nbirth-mqtt",
        Kind::NodeData => "topics-ndata-mqtt",
        Kind::DeviceBirth => "topics-dbirth-mqtt",
        Kind::DeviceDeath => "topics-ddeath-mqtt",
        _ => "topics-ddata-mqtt",
    }
}

fn order_rule(kind: Kind) -> &'static str {
    match kind {
        Kind::NodeData => "payloads-ndata-order",
        Kind::DeviceBirth => "payloads-dbirth-order",
        _ => "payloads-ddata-order",
    }
}
