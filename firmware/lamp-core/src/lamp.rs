//! The lamp as a state machine.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::backoff::Backoff;
use crate::settings::{Settings, Variant};
use crate::wire::{self, FromBroker, Will};
use crate::{ANSWER_TOPIC, COMMAND_TOPIC, STATUS_TOPIC};

/// What happened to the lamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input<'a> {
    /// The platform has started, or the time of [`Lamp::wake_at`] has come.
    Tick,
    /// The requested connection is open.
    Connected,
    /// The connection failed or ended.
    Closed,
    /// The broker sent bytes.
    Received(&'a [u8]),
}

/// What the platform must do, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Connect to the broker.
    Connect,
    /// End the connection.
    Close,
    /// Send bytes.
    Send(Vec<u8>),
    /// Switch the lamp on or off.
    Light(bool),
    /// Print a line.
    Log(String),
    /// Restart the chip.
    Restart,
}

/// The lamp. See the crate's documentation for its contract.
///
/// # Example
/// ```
/// use lamp_core::{Effect, Input, Lamp, Settings, Variant};
/// let settings = Settings { client_id: "lamp".into(), user: None, password: None, keep_alive: 5 };
/// let mut lamp = Lamp::new(settings, Variant::GOOD, 7);
/// assert!(lamp.handle(0, Input::Tick).contains(&Effect::Connect));
/// ```
#[derive(Debug)]
pub struct Lamp {
    settings: Settings,
    variant: Variant,
    backoff: Backoff,
    state: State,
    received: Vec<u8>,
    next_packet_id: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits until the moment, then connects.
    Waiting { until: u64 },
    /// The platform connects, or CONNACK is awaited.
    Connecting { until: u64 },
    /// Messages flow.
    Online { last_sent: u64, ping_sent: Option<u64> },
}

impl Lamp {
    /// Longest wait for a connection and its CONNACK.
    const CONNECT_MS: u64 = 5_000;

    /// A lamp that has just been switched on. `seed` spreads the pauses between attempts.
    #[must_use]
    pub fn new(settings: Settings, variant: Variant, seed: u32) -> Self {
        let state = State::Waiting { until: 0 };
        Self { settings, variant, backoff: Backoff::new(seed), state, received: Vec::new(), next_packet_id: 1 }
    }

    /// The next moment at which [`Input::Tick`] is due, in milliseconds.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until } | State::Connecting { until } => Some(until),
            State::Online { last_sent, ping_sent } => {
                let keep_alive = self.keep_alive_ms()?;
                // Half a keep alive leaves time for a late packet; without an answer after a whole one the link is dead.
                Some(ping_sent.map_or(last_sent + keep_alive / 2, |sent| sent + keep_alive))
            }
        }
    }

    /// Handles an input at a time and returns what to do.
    pub fn handle(&mut self, now: u64, input: Input<'_>) -> Vec<Effect> {
        match input {
            Input::Tick => self.tick(now),
            Input::Connected => self.connected(),
            Input::Closed => self.retry(now, "connection lost"),
            Input::Received(bytes) => self.receive(now, bytes),
        }
    }

    fn keep_alive(&self) -> u16 {
        if self.variant.keeps_alive { self.settings.keep_alive } else { 0 }
    }

    fn keep_alive_ms(&self) -> Option<u64> {
        (self.keep_alive() > 0).then(|| u64::from(self.keep_alive()) * 1_000)
    }

    fn tick(&mut self, now: u64) -> Vec<Effect> {
        if self.wake_at().is_none_or(|due| now < due) {
            return Vec::new();
        }
        match self.state {
            State::Waiting { .. } => {
                self.state = State::Connecting { until: now + Self::CONNECT_MS };
                self.received.clear();
                vec![Effect::Connect]
            }
            State::Connecting { .. } => self.give_up(now, "no answer to CONNECT"),
            State::Online { ping_sent: Some(_), .. } => self.give_up(now, "no answer to PINGREQ"),
            State::Online { ping_sent: None, .. } => {
                self.state = State::Online { last_sent: now, ping_sent: Some(now) };
                vec![Effect::Send(wire::pingreq())]
            }
        }
    }

    fn connected(&mut self) -> Vec<Effect> {
        let will = Will { topic: STATUS_TOPIC, payload: "offline" };
        let will = self.variant.has_will.then_some(&will);
        vec![Effect::Send(wire::connect(&self.settings, self.keep_alive(), will))]
    }

    fn give_up(&mut self, now: u64, why: &str) -> Vec<Effect> {
        let mut effects = vec![Effect::Close];
        effects.extend(self.retry(now, why));
        effects
    }

    fn retry(&mut self, now: u64, why: &str) -> Vec<Effect> {
        if matches!(self.state, State::Waiting { .. }) {
            return Vec::new();
        }
        let pause = self.backoff.next_ms();
        self.state = State::Waiting { until: now + pause };
        vec![Effect::Log(format!("mqtt: {why}, next attempt in {pause} ms"))]
    }

    fn receive(&mut self, now: u64, bytes: &[u8]) -> Vec<Effect> {
        self.received.extend(bytes);
        let mut effects = Vec::new();
        loop {
            match wire::take_packet(&mut self.received) {
                Ok(Some(packet)) => effects.extend(self.packet(now, packet)),
                Ok(None) => break,
                Err(wire::Malformed) => {
                    effects.extend(self.give_up(now, "malformed packet"));
                    break;
                }
            }
        }
        if effects.iter().any(|effect| matches!(effect, Effect::Send(_)))
            && let State::Online { last_sent, .. } = &mut self.state
        {
            *last_sent = now;
        }
        effects
    }

    fn packet(&mut self, now: u64, packet: FromBroker) -> Vec<Effect> {
        match packet {
            FromBroker::Connack { code: 0 } => self.online(now),
            FromBroker::Connack { code } => self.give_up(now, &format!("refused with code {code}")),
            FromBroker::Publish { topic, payload, packet_id } => self.message(&topic, &payload, packet_id),
            FromBroker::Suback { granted: true } => vec![Effect::Log(format!("mqtt: subscribed to {COMMAND_TOPIC}"))],
            FromBroker::Suback { granted: false } => {
                vec![Effect::Log(format!("mqtt: subscription to {COMMAND_TOPIC} refused"))]
            }
            FromBroker::Puback => Vec::new(),
            FromBroker::Pingresp => {
                if let State::Online { ping_sent, .. } = &mut self.state {
                    *ping_sent = None;
                }
                Vec::new()
            }
        }
    }

    fn online(&mut self, now: u64) -> Vec<Effect> {
        self.backoff.reset();
        self.state = State::Online { last_sent: now, ping_sent: None };
        let mut effects = vec![Effect::Log("mqtt: connected".into())];
        if self.variant.subscribes {
            let id = self.packet_id();
            effects.push(Effect::Send(wire::subscribe(COMMAND_TOPIC, id)));
        }
        let id = self.packet_id();
        effects.push(Effect::Send(wire::publish(STATUS_TOPIC, "online", id, true)));
        effects
    }

    fn message(&mut self, topic: &str, payload: &[u8], packet_id: Option<u16>) -> Vec<Effect> {
        let acknowledged = packet_id.filter(|_| self.variant.acknowledges);
        let mut effects: Vec<_> = acknowledged.map(|id| Effect::Send(wire::puback(id))).into_iter().collect();
        let (lit, answer) = match payload {
            b"on" if topic == COMMAND_TOPIC => (true, "saya hidup"),
            b"off" if topic == COMMAND_TOPIC => (false, "saya mati"),
            _ => {
                effects.push(Effect::Log("lamp: command ignored".into()));
                return effects;
            }
        };
        if lit && !self.variant.survives_on {
            effects.push(Effect::Restart);
            return effects;
        }
        effects.push(Effect::Light(lit));
        effects.push(Effect::Log(format!("lamp: {}", if lit { "on" } else { "off" })));
        let id = self.packet_id();
        effects.push(Effect::Send(wire::publish(ANSWER_TOPIC, answer, id, false)));
        effects
    }

    fn packet_id(&mut self) -> u16 {
        let id = self.next_packet_id;
        // Zero is not a packet identifier (§2.3.1).
        self.next_packet_id = id.checked_add(1).unwrap_or(1);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lamp(variant: Variant) -> Lamp {
        let settings = Settings { client_id: "lamp".into(), user: None, password: None, keep_alive: 4 };
        Lamp::new(settings, variant, 1)
    }

    /// A lamp that is connected and subscribed at time 0.
    fn online(variant: Variant) -> Lamp {
        let mut lamp = lamp(variant);
        assert_eq!(lamp.handle(0, Input::Tick), [Effect::Connect]);
        assert_eq!(lamp.handle(0, Input::Connected).len(), 1);
        let effects = lamp.handle(0, Input::Received(&[0x20, 2, 0, 0]));
        assert!(effects.contains(&Effect::Send(wire::publish(STATUS_TOPIC, "online", lamp.next_packet_id - 1, true))));
        lamp
    }

    fn command(text: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x32, u8::try_from(15 + text.len()).expect("short"), 0, 11];
        bytes.extend(COMMAND_TOPIC.as_bytes());
        bytes.extend([0, 77]);
        bytes.extend(text);
        bytes
    }

    #[test]
    fn on_lights_the_lamp_acknowledges_and_answers() {
        let mut lamp = online(Variant::GOOD);
        let effects = lamp.handle(10, Input::Received(&command(b"on")));
        assert_eq!(effects[0], Effect::Send(wire::puback(77)));
        assert_eq!(effects[1], Effect::Light(true));
        assert_eq!(effects[3], Effect::Send(wire::publish(ANSWER_TOPIC, "saya hidup", 3, false)));
        let effects = lamp.handle(20, Input::Received(&command(b"off")));
        assert!(effects.contains(&Effect::Light(false)));
    }

    #[test]
    fn anything_else_changes_nothing_but_is_acknowledged() {
        for text in [&b"ON"[..], b"", b"on ", b"\xff"] {
            let effects = online(Variant::GOOD).handle(10, Input::Received(&command(text)));
            assert_eq!(effects, [Effect::Send(wire::puback(77)), Effect::Log("lamp: command ignored".into())]);
        }
    }

    #[test]
    fn a_ping_is_sent_after_half_a_keep_alive_and_a_missing_answer_ends_the_connection() {
        let mut lamp = online(Variant::GOOD);
        assert_eq!(lamp.wake_at(), Some(2_000));
        assert_eq!(lamp.handle(1_999, Input::Tick), []);
        assert_eq!(lamp.handle(2_000, Input::Tick), [Effect::Send(wire::pingreq())]);
        assert_eq!(lamp.handle(2_050, Input::Received(&[0xd0, 0])), []);
        assert_eq!(lamp.wake_at(), Some(4_000));
        lamp.handle(4_000, Input::Tick);
        assert_eq!(lamp.handle(8_000, Input::Tick)[0], Effect::Close);
        assert!(lamp.wake_at().is_some_and(|at| (8_200..=8_300).contains(&at)));
    }

    #[test]
    fn a_message_postpones_the_ping() {
        let mut lamp = online(Variant::GOOD);
        lamp.handle(1_500, Input::Received(&command(b"on")));
        assert_eq!(lamp.wake_at(), Some(3_500));
    }

    #[test]
    fn pauses_grow_after_each_refusal_and_loss() {
        let mut lamp = lamp(Variant::GOOD);
        let mut pauses = Vec::new();
        let mut now = 0;
        for _ in 0..4 {
            assert_eq!(lamp.handle(now, Input::Tick), [Effect::Connect]);
            lamp.handle(now, Input::Closed);
            let due = lamp.wake_at().expect("a next attempt");
            pauses.push(due - now);
            now = due;
        }
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!(lamp.handle(now, Input::Closed), [], "a connection that is gone can't be lost again");
    }

    #[test]
    fn each_variant_has_its_fault() {
        let silent = Variant { acknowledges: false, ..Variant::GOOD };
        let effects = online(silent).handle(1, Input::Received(&command(b"on")));
        assert!(!effects.contains(&Effect::Send(wire::puback(77))) && effects.contains(&Effect::Light(true)));
        let fragile = Variant { survives_on: false, ..Variant::GOOD };
        assert!(online(fragile).handle(1, Input::Received(&command(b"on"))).contains(&Effect::Restart));
        let sleepless = Variant { keeps_alive: false, ..Variant::GOOD };
        assert_eq!(online(sleepless).wake_at(), None);
        let mut deaf = lamp(Variant { subscribes: false, ..Variant::GOOD });
        deaf.handle(0, Input::Tick);
        deaf.handle(0, Input::Connected);
        let sent = deaf.handle(0, Input::Received(&[0x20, 2, 0, 0]));
        assert_eq!(sent.iter().filter(|effect| matches!(effect, Effect::Send(_))).count(), 1, "birth only");
    }
}
