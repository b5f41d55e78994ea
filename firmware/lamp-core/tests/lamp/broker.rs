//! A lamp with a broker and a network around it, on a clock of its own.

use std::collections::{BTreeMap, VecDeque};

use lamp_core::{Effect, Input, Lamp, Settings, Variant};

use crate::bytes::{Connect, Packet, packet};

/// What the network does to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    Lost,
    Duplicated,
    /// By so many milliseconds.
    Delayed(u16),
}

/// The broker, and everything it has seen of its lamp.
pub(crate) struct Broker {
    lamp: Lamp,
    now: u64,
    connection: Option<Connection>,
    number: u32,
    /// Packets on their way to the lamp: time and order to connection and bytes.
    on_the_way: BTreeMap<(u64, u64), (u32, Vec<u8>)>,
    order: u64,
    next_id: u16,
    awaited: Vec<u16>,
    lose_next: Option<String>,
    /// Refuses connections.
    pub(crate) refuses: bool,
    /// Says nothing.
    pub(crate) is_silent: bool,
    /// Delivers the stream in pieces of this size.
    pub(crate) piece: usize,
    /// What happens to the next packet of the lamp.
    pub(crate) fault_from_lamp: Fault,
    pub(crate) is_lit: bool,
    pub(crate) connects: Vec<Connect>,
    pub(crate) attempts: Vec<u64>,
    pub(crate) from_lamp: Vec<String>,
    pub(crate) answers: Vec<String>,
    pub(crate) acknowledged: Vec<u16>,
    /// Commands that reached the lamp, in order.
    pub(crate) delivered: Vec<String>,
    pub(crate) longest_silence: u64,
}

struct Connection {
    number: u32,
    accepted: bool,
    subscribed: bool,
    last_heard: u64,
}

impl Broker {
    pub(crate) fn new(settings: Settings, variant: Variant) -> Self {
        Self {
            lamp: Lamp::new(settings, variant, 7),
            now: 0,
            connection: None,
            number: 0,
            on_the_way: BTreeMap::new(),
            order: 0,
            next_id: 0,
            awaited: Vec::new(),
            lose_next: None,
            refuses: false,
            is_silent: false,
            piece: usize::MAX,
            fault_from_lamp: Fault::None,
            is_lit: false,
            connects: Vec::new(),
            attempts: Vec::new(),
            from_lamp: Vec::new(),
            answers: Vec::new(),
            acknowledged: Vec::new(),
            delivered: Vec::new(),
            longest_silence: 0,
        }
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.accepted)
    }

    pub(crate) fn is_subscribed(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.subscribed)
    }

    /// Messages that reached this connection's lamp without an answer.
    pub(crate) fn unacknowledged(&self) -> usize {
        self.awaited.len()
    }

    /// The next packet of this kind to the lamp vanishes.
    pub(crate) fn lose_next_to_lamp(&mut self, kind: &str) {
        self.lose_next = Some(kind.to_owned());
    }

    /// The connection ends, for both sides.
    pub(crate) fn cut(&mut self) {
        if self.connection.take().is_some() {
            self.handle(Input::Closed);
        }
    }

    /// Lets time pass: whatever is due happens, in order.
    pub(crate) fn run_for(&mut self, ms: u64) {
        let end = self.now + ms;
        loop {
            let tick = self.lamp.wake_at();
            let packet = self.on_the_way.keys().next().copied();
            let next = tick.into_iter().chain(packet.map(|(at, _)| at)).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            match packet {
                Some(key) if key.0 <= self.now => self.arrive(key),
                _ => self.handle(Input::Tick),
            }
        }
        self.now = end;
    }

    /// Sends a message to the lamp, if it has subscribed.
    pub(crate) fn publish(&mut self, topic: &str, payload: &str, qos: u8, fault: Fault) {
        if !self.is_subscribed() {
            return;
        }
        self.next_id = self.next_id % 60_000 + 1;
        let mut body = vec![0, u8::try_from(topic.len()).expect("short")];
        body.extend(topic.as_bytes());
        if qos > 0 {
            body.extend(self.next_id.to_be_bytes());
        }
        body.extend(payload.as_bytes());
        let mut bytes = vec![0x30 | qos << 1, u8::try_from(body.len()).expect("short")];
        bytes.extend(body);
        self.send("PUBLISH", &bytes, fault);
    }

    fn send(&mut self, kind: &str, bytes: &[u8], fault: Fault) {
        let Some(connection) = &self.connection else { return };
        let number = connection.number;
        let is_lost = self.lose_next.take_if(|lost| lost == kind).is_some();
        if self.is_silent || is_lost || fault == Fault::Lost {
            return;
        }
        let (copies, delay) = match fault {
            Fault::Duplicated => (2, 0),
            Fault::Delayed(ms) => (1, u64::from(ms)),
            Fault::None | Fault::Lost => (1, 0),
        };
        for _ in 0..copies {
            self.order += 1;
            self.on_the_way.insert((self.now + 1 + delay, self.order), (number, bytes.to_vec()));
        }
    }

    fn arrive(&mut self, key: (u64, u64)) {
        let Some((number, bytes)) = self.on_the_way.remove(&key) else { return };
        if self.connection.as_ref().is_none_or(|connection| connection.number != number) {
            return;
        }
        if let [0x32 | 0x30, ..] = bytes[..] {
            self.note_delivery(&bytes);
        }
        for piece in bytes.chunks(self.piece.min(bytes.len())) {
            self.handle(Input::Received(piece));
        }
    }

    fn note_delivery(&mut self, bytes: &[u8]) {
        if let Packet::Publish { topic, payload, qos, id, .. } = packet(bytes) {
            if topic == "sooko/lampu" {
                self.delivered.push(payload);
            }
            if qos > 0 {
                self.awaited.push(id);
            }
        }
    }

    fn handle(&mut self, input: Input<'_>) {
        let mut effects = VecDeque::from(self.lamp.handle(self.now, input));
        while let Some(effect) = effects.pop_front() {
            match effect {
                Effect::Connect => {
                    self.attempts.push(self.now);
                    let input = if self.refuses { Input::Closed } else { self.open() };
                    effects.extend(self.lamp.handle(self.now, input));
                }
                Effect::Close => self.connection = None,
                Effect::Send(bytes) => self.hear(&bytes),
                Effect::Light(lit) => self.is_lit = lit,
                Effect::Log(_) | Effect::Online | Effect::Announced { .. } => {}
                Effect::Restart => panic!("a good lamp never restarts"),
            }
        }
        if self.connection.is_none() {
            self.awaited.clear();
        }
    }

    fn open(&mut self) -> Input<'static> {
        self.number += 1;
        let number = self.number;
        self.connection = Some(Connection { number, accepted: false, subscribed: false, last_heard: self.now });
        Input::Connected
    }

    fn hear(&mut self, bytes: &[u8]) {
        let Some(connection) = &mut self.connection else { panic!("sent without a connection: {bytes:?}") };
        self.longest_silence = self.longest_silence.max(self.now - connection.last_heard);
        connection.last_heard = self.now;
        let packet = packet(bytes);
        let is_connect = matches!(packet, Packet::Connect(_));
        assert_eq!(is_connect, !connection.accepted, "CONNECT comes first, and once: {packet:?}");
        match std::mem::replace(&mut self.fault_from_lamp, Fault::None) {
            // Its sender does not know: a lamp does not wait for PUBACK.
            Fault::Lost if !is_connect => {
                if let Packet::Puback(id) = packet {
                    self.awaited.retain(|awaited| *awaited != id);
                }
            }
            Fault::Duplicated if !is_connect => {
                self.take(packet.clone());
                self.take(packet);
            }
            _ => self.take(packet),
        }
    }

    fn take(&mut self, packet: Packet) {
        match packet {
            Packet::Connect(connect) => {
                self.connects.push(connect);
                if let Some(connection) = &mut self.connection {
                    connection.accepted = true;
                }
                self.send("CONNACK", &[0x20, 2, 0, 0], Fault::None);
            }
            Packet::Subscribe { id, filter, qos } => {
                self.from_lamp.push(format!("SUBSCRIBE {filter} {qos}"));
                if let Some(connection) = &mut self.connection {
                    connection.subscribed = true;
                }
                let [high, low] = id.to_be_bytes();
                self.send("SUBACK", &[0x90, 3, high, low, qos], Fault::None);
            }
            Packet::Publish { topic, payload, qos, retained, id } => {
                let retained = if retained { " retained" } else { "" };
                self.from_lamp.push(format!("PUBLISH {topic} {payload} {qos}{retained}"));
                if topic == "loger" {
                    self.answers.push(payload);
                }
                let [high, low] = id.to_be_bytes();
                self.send("PUBACK", &[0x40, 2, high, low], Fault::None);
            }
            Packet::Puback(id) => {
                let Some(at) = self.awaited.iter().position(|awaited| *awaited == id) else { return };
                self.awaited.remove(at);
                self.acknowledged.push(id);
            }
            Packet::Pingreq => {
                self.from_lamp.push("PINGREQ".into());
                self.send("PINGRESP", &[0xd0, 0], Fault::None);
            }
        }
    }
}
