//! The lamp as a state machine.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::backoff::Backoff;
use crate::session::{Event, Malformed, Session, Will};
use crate::settings::{Settings, Variant};

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
    /// News of an update, for whom it concerns.
    Update(&'a str),
    /// The platform is about to restart the chip.
    Leaving,
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
    /// A broker has accepted the connection.
    Online,
    /// An update is announced. The broker may have kept the announcement for a while.
    Announced {
        /// What was announced.
        text: Vec<u8>,
        /// Whether the broker had kept it.
        kept: bool,
    },
}

/// The lamp. See the crate's documentation for its contract.
///
/// # Example
/// ```
/// use lamp_core::{Effect, Input, Lamp, Settings, Variant};
/// let settings = Settings { client_id: "lamp".into(), user: None, password: None, keep_alive: 5, update_topic: None };
/// let mut lamp = Lamp::new(settings, Variant::GOOD, 7);
/// assert!(lamp.handle(0, Input::Tick).contains(&Effect::Connect));
/// ```
#[derive(Debug)]
pub struct Lamp {
    settings: Settings,
    variant: Variant,
    backoff: Backoff,
    state: State,
    session: Session,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits until the moment, then connects.
    Waiting { until: u64 },
    /// The platform connects, or CONNACK is awaited.
    Connecting { until: u64 },
    /// Messages flow. The broker has this long to grant the subscription.
    Online { last_sent: u64, ping_sent: Option<u64>, granted_by: Option<u64> },
}

impl Lamp {
    /// Longest wait for a connection and its CONNACK, and for SUBACK.
    const ANSWER_MS: u64 = 5_000;

    /// A lamp that has just been switched on. `seed` spreads the pauses between attempts.
    #[must_use]
    pub fn new(settings: Settings, variant: Variant, seed: u32) -> Self {
        let state = State::Waiting { until: 0 };
        let session = Session::new(variant.acknowledges);
        Self { settings, variant, backoff: Backoff::new(seed), state, session }
    }

    /// The next moment at which [`Input::Tick`] is due, in milliseconds.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        match self.state {
            State::Waiting { until } | State::Connecting { until } => Some(until),
            State::Online { last_sent, ping_sent, granted_by } => {
                // Half a keep alive leaves time for a late packet; without an answer after a whole one the link is dead.
                let next_ping = |keep_alive| ping_sent.map_or(last_sent + keep_alive / 2, |sent| sent + keep_alive);
                self.keep_alive_ms().map(next_ping).into_iter().chain(granted_by).min()
            }
        }
    }

    /// Handles an input at a time and returns what to do.
    pub fn handle(&mut self, now: u64, input: Input<'_>) -> Vec<Effect> {
        match input {
            Input::Tick => self.tick(now),
            Input::Connected => self.connected(now),
            Input::Closed => self.retry(now, "connection lost"),
            Input::Received(bytes) => self.receive(now, bytes),
            Input::Update(news) => self.report(now, news),
            Input::Leaving => self.leave(now),
        }
    }

    /// Publishes news of an update, retained. They are lost without a connection; the console has them.
    fn report(&mut self, now: u64, news: &str) -> Vec<Effect> {
        let (State::Online { .. }, Some(topic)) = (self.state, &self.settings.update_topic) else { return Vec::new() };
        let sent = self.session.publish(&format!("{topic}/state"), news, true);
        let effects = self.sent(now, sent);
        self.note_sent(now, effects)
    }

    /// Ends the connection properly, so that the broker publishes no will.
    fn leave(&mut self, now: u64) -> Vec<Effect> {
        if !matches!(self.state, State::Online { .. }) {
            return Vec::new();
        }
        let sent = self.session.disconnect();
        self.sent(now, sent)
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
                self.state = State::Connecting { until: now + Self::ANSWER_MS };
                self.session = Session::new(self.variant.acknowledges);
                vec![Effect::Connect]
            }
            State::Connecting { .. } => self.give_up(now, "no answer to CONNECT"),
            State::Online { granted_by: Some(due), .. } if now >= due => self.give_up(now, "no answer to SUBSCRIBE"),
            State::Online { ping_sent: Some(_), .. } => self.give_up(now, "no answer to PINGREQ"),
            State::Online { ping_sent: None, granted_by, .. } => {
                self.state = State::Online { last_sent: now, ping_sent: Some(now), granted_by };
                let sent = self.session.ping();
                self.sent(now, sent)
            }
        }
    }

    fn connected(&mut self, now: u64) -> Vec<Effect> {
        let keep_alive = self.keep_alive();
        let will = Will { topic: STATUS_TOPIC, payload: "offline" };
        let will = self.variant.has_will.then_some(&will);
        let sent = self.session.connect(&self.settings, keep_alive, will);
        self.sent(now, sent)
    }

    /// Bytes to send, or the end of a connection on which something can't be sent.
    fn sent(&mut self, now: u64, events: Result<Vec<Event>, Malformed>) -> Vec<Effect> {
        match events {
            Ok(events) => events.into_iter().flat_map(|event| self.event(now, event)).collect(),
            Err(Malformed) => self.give_up(now, "a setting can't be sent"),
        }
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
        let events = self.session.receive(bytes);
        let effects: Vec<_> = events.into_iter().flat_map(|event| self.event(now, event)).collect();
        self.note_sent(now, effects)
    }

    /// What is sent postpones the next PINGREQ.
    fn note_sent(&mut self, now: u64, effects: Vec<Effect>) -> Vec<Effect> {
        if effects.iter().any(|effect| matches!(effect, Effect::Send(_)))
            && let State::Online { last_sent, .. } = &mut self.state
        {
            *last_sent = now;
        }
        effects
    }

    fn event(&mut self, now: u64, event: Event) -> Vec<Effect> {
        match event {
            Event::Send(bytes) => vec![Effect::Send(bytes)],
            Event::Connected => self.online(now),
            Event::Refused(code) => self.give_up(now, &format!("refused with code {code}")),
            Event::Message { topic, payload: text, retained: kept }
                if self.settings.update_topic == Some(topic.clone()) =>
            {
                vec![Effect::Announced { text, kept }]
            }
            Event::Message { topic, payload, .. } => self.message(now, &topic, &payload),
            Event::Subscribed(granted) => {
                if let State::Online { granted_by, .. } = &mut self.state {
                    *granted_by = None;
                }
                vec![Effect::Log(match granted {
                    true => format!("mqtt: subscribed to {COMMAND_TOPIC}"),
                    false => format!("mqtt: subscription to {COMMAND_TOPIC} refused"),
                })]
            }
            Event::Alive => {
                if let State::Online { ping_sent, .. } = &mut self.state {
                    *ping_sent = None;
                }
                Vec::new()
            }
            Event::Malformed => self.give_up(now, "malformed packet"),
            Event::TooLarge(size) => vec![Effect::Log(format!("mqtt: a packet of {size} bytes is skipped"))],
        }
    }

    fn online(&mut self, now: u64) -> Vec<Effect> {
        self.backoff.reset();
        let granted_by = self.variant.subscribes.then_some(now + Self::ANSWER_MS);
        self.state = State::Online { last_sent: now, ping_sent: None, granted_by };
        let mut effects = vec![Effect::Log("mqtt: connected".into())];
        if self.variant.subscribes {
            let filters: Vec<_> = [COMMAND_TOPIC].into_iter().chain(self.settings.update_topic.as_deref()).collect();
            let sent = self.session.subscribe(&filters);
            effects.extend(self.sent(now, sent));
        }
        let sent = self.session.publish(STATUS_TOPIC, "online", true);
        effects.extend(self.sent(now, sent));
        effects.push(Effect::Online);
        effects
    }

    fn message(&mut self, now: u64, topic: &str, payload: &[u8]) -> Vec<Effect> {
        let (lit, answer) = match payload {
            b"on" if topic == COMMAND_TOPIC => (true, "saya hidup"),
            b"off" if topic == COMMAND_TOPIC => (false, "saya mati"),
            _ => return vec![Effect::Log("lamp: command ignored".into())],
        };
        if lit && !self.variant.survives_on {
            return vec![Effect::Restart];
        }
        let mut effects = vec![Effect::Light(lit), Effect::Log(format!("lamp: {}", if lit { "on" } else { "off" }))];
        let sent = self.session.publish(ANSWER_TOPIC, answer, false);
        effects.extend(self.sent(now, sent));
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lamp(variant: Variant) -> Lamp {
        lamp_with(None, variant)
    }

    fn lamp_with(update_topic: Option<&str>, variant: Variant) -> Lamp {
        let update_topic = update_topic.map(Into::into);
        let settings = Settings { client_id: "lamp".into(), user: None, password: None, keep_alive: 4, update_topic };
        Lamp::new(settings, variant, 1)
    }

    /// A lamp that is connected and subscribed at time 0.
    fn online(variant: Variant) -> Lamp {
        go_online(lamp(variant))
    }

    fn go_online(mut lamp: Lamp) -> Lamp {
        assert_eq!(lamp.handle(0, Input::Tick), [Effect::Connect]);
        assert_eq!(lamp.handle(0, Input::Connected).len(), 1);
        let effects = lamp.handle(0, Input::Received(&[0x20, 2, 0, 0]));
        let birth = published(STATUS_TOPIC, "online", effects.len() - 2, true);
        assert_eq!(effects[effects.len() - 2..], [birth, Effect::Online]);
        let subscribed = Effect::Log("mqtt: subscribed to sooko/lampu".into());
        assert_eq!(lamp.handle(0, Input::Received(&[0x90, 3, 0, 1, 1])), [subscribed]);
        lamp
    }

    /// PUBLISH at QoS 1.
    fn published(topic: &str, payload: &str, id: usize, retain: bool) -> Effect {
        let id = u8::try_from(id).expect("small");
        let mut bytes = vec![0x32 | u8::from(retain), 0, 0, u8::try_from(topic.len()).expect("short")];
        bytes.extend(topic.as_bytes());
        bytes.extend([0, id]);
        bytes.extend(payload.as_bytes());
        bytes[1] = u8::try_from(bytes.len() - 2).expect("short");
        Effect::Send(bytes)
    }

    fn acknowledged() -> Effect {
        Effect::Send(vec![0x40, 2, 0, 77])
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
        assert_eq!(effects[0], acknowledged());
        assert_eq!(effects[1], Effect::Light(true));
        assert_eq!(effects[3], published(ANSWER_TOPIC, "saya hidup", 1, false));
        let effects = lamp.handle(20, Input::Received(&command(b"off")));
        assert!(effects.contains(&Effect::Light(false)));
    }

    #[test]
    fn anything_else_changes_nothing_but_is_acknowledged() {
        for text in [&b"ON"[..], b"", b"on ", b"\xff"] {
            let effects = online(Variant::GOOD).handle(10, Input::Received(&command(text)));
            assert_eq!(effects, [acknowledged(), Effect::Log("lamp: command ignored".into())]);
        }
    }

    #[test]
    fn a_ping_is_sent_after_half_a_keep_alive_and_a_missing_answer_ends_the_connection() {
        let mut lamp = online(Variant::GOOD);
        assert_eq!(lamp.wake_at(), Some(2_000));
        assert_eq!(lamp.handle(1_999, Input::Tick), []);
        assert_eq!(lamp.handle(2_000, Input::Tick), [Effect::Send(vec![0xc0, 0])]);
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
    fn an_announcement_is_passed_on_and_news_are_published_and_kept() {
        let mut lamp = go_online(lamp_with(Some("u"), Variant::GOOD));
        let announced = |first, kept| (vec![first, 5, 0, 1, b'u', b'{', b'}'], kept);
        for (bytes, kept) in [announced(0x30, false), announced(0x31, true)] {
            let text = b"{}".to_vec();
            assert_eq!(lamp.handle(1, Input::Received(&bytes)), [Effect::Announced { text, kept }]);
        }
        assert_eq!(
            lamp.handle(2, Input::Update("runs 1")),
            [published("u/state", "runs 1", 1, true)],
            "the lowest free id"
        );
        assert_eq!(lamp.handle(3, Input::Leaving), [Effect::Send(vec![0xe0, 0])]);
    }

    #[test]
    fn a_lamp_without_a_topic_takes_no_updates() {
        let mut lamp = online(Variant::GOOD);
        let effects = lamp.handle(1, Input::Received(&[0x30, 5, 0, 1, b'u', b'{', b'}']));
        assert_eq!(effects, [Effect::Log("lamp: command ignored".into())]);
        assert_eq!(lamp.handle(2, Input::Update("runs 1")), []);
    }

    #[test]
    fn each_variant_has_its_fault() {
        let silent = Variant { acknowledges: false, ..Variant::GOOD };
        let effects = online(silent).handle(1, Input::Received(&command(b"on")));
        assert!(!effects.contains(&acknowledged()) && effects.contains(&Effect::Light(true)));
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
