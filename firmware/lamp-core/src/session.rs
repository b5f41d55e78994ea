//! MQTT 3.1.1 for one connection: what a lamp sends, and what the broker says.
//!
//! The protocol itself is the crate `mqtt-protocol-core`. `firmware/README.md` says why that one.

use alloc::string::String;
use alloc::vec::Vec;

use mqtt_protocol_core::mqtt::common::Cursor;
use mqtt_protocol_core::mqtt::connection::Event as Protocol;
use mqtt_protocol_core::mqtt::packet::{GenericPacketTrait as _, Packet, PacketType, Qos, SubEntry, SubOpts, v3_1_1};
use mqtt_protocol_core::mqtt::result_code::MqttError;
use mqtt_protocol_core::mqtt::{Connection, Version, role};

use crate::framing::{Framing, NoLength, TooLarge};
use crate::settings::Settings;

/// What happens on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// These bytes are to be sent.
    Send(Vec<u8>),
    /// The broker accepts the connection.
    Connected,
    /// The broker refuses the connection with this code.
    Refused(u8),
    Message {
        topic: String,
        payload: Vec<u8>,
        retained: bool,
    },
    /// Whether the broker grants the subscription.
    Subscribed(bool),
    /// The broker answers a PINGREQ.
    Alive,
    /// The broker sent more than fits.
    TooLarge(usize),
    /// The broker sent what is not MQTT 3.1.1. Nothing comes after this.
    Malformed,
}

/// The peer does not speak MQTT 3.1.1, or a value can't be sent in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<MqttError> for Malformed {
    fn from(_: MqttError) -> Self {
        Self
    }
}

/// A retained will at QoS 1.
pub(crate) struct Will<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a str,
}

/// One connection.
pub(crate) struct Session {
    connection: Connection<role::Client>,
    framing: Framing,
}

impl core::fmt::Debug for Session {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Session").finish_non_exhaustive()
    }
}

impl Session {
    /// Without acknowledgements, messages at QoS 1 and 2 stay unanswered.
    pub(crate) fn new(acknowledges: bool) -> Self {
        let mut connection = Connection::new(Version::V3_1_1);
        connection.set_auto_pub_response(acknowledges);
        Self { connection, framing: Framing::default() }
    }

    /// CONNECT with a clean session (§3.1).
    pub(crate) fn connect(
        &mut self,
        settings: &Settings,
        keep_alive: u16,
        will: Option<&Will<'_>>,
    ) -> Result<Vec<Event>, Malformed> {
        let mut connect = v3_1_1::Connect::builder()
            .client_id(settings.client_id.as_str())?
            .clean_session(true)
            .keep_alive(keep_alive);
        if let Some(will) = will {
            connect = connect.will_message(will.topic, will.payload, Qos::AtLeastOnce, true)?;
        }
        if let Some(user) = &settings.user {
            connect = connect.user_name(user.as_str())?;
            // A password without a user name is forbidden (§3.1.2.9).
            if let Some(password) = &settings.password {
                connect = connect.password(password.as_str())?;
            }
        }
        let packet = connect.build()?;
        events(self.connection.send(packet.into()))
    }

    /// PUBLISH at QoS 1 (§3.3).
    pub(crate) fn publish(&mut self, topic: &str, payload: &str, retain: bool) -> Result<Vec<Event>, Malformed> {
        let id = self.connection.acquire_packet_id()?;
        let message = v3_1_1::Publish::builder().topic_name(topic)?.qos(Qos::AtLeastOnce).packet_id(id);
        let packet = message.retain(retain).payload(payload.as_bytes()).build()?;
        events(self.connection.send(packet.into()))
    }

    /// SUBSCRIBE to these filters at QoS 1 (§3.8).
    pub(crate) fn subscribe(&mut self, filters: &[&str]) -> Result<Vec<Event>, Malformed> {
        let id = self.connection.acquire_packet_id()?;
        let entry = |filter: &&str| SubEntry::new(*filter, SubOpts::new().set_qos(Qos::AtLeastOnce));
        let entries = filters.iter().map(entry).collect::<Result<Vec<_>, _>>()?;
        let packet = v3_1_1::Subscribe::builder().packet_id(id).entries(entries).build()?;
        events(self.connection.send(packet.into()))
    }

    /// DISCONNECT (§3.14): the broker forgets the will.
    pub(crate) fn disconnect(&mut self) -> Result<Vec<Event>, Malformed> {
        events(self.connection.send(v3_1_1::Disconnect::new().into()))
    }

    /// PINGREQ (§3.12).
    pub(crate) fn ping(&mut self) -> Result<Vec<Event>, Malformed> {
        events(self.connection.send(v3_1_1::Pingreq::new().into()))
    }

    /// Takes bytes of the stream. Each packet's answers come before its content.
    pub(crate) fn receive(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.framing.push(bytes);
        let mut all = Vec::new();
        loop {
            match self.framing.take() {
                Ok(Some(Ok(packet))) => match self.packet(&packet) {
                    Ok(events) => all.extend(events),
                    Err(Malformed) => break,
                },
                Ok(Some(Err(TooLarge(size)))) => all.push(Event::TooLarge(size)),
                Ok(None) => return all,
                Err(NoLength) => break,
            }
        }
        all.push(Event::Malformed);
        all
    }

    fn packet(&mut self, packet: &[u8]) -> Result<Vec<Event>, Malformed> {
        let found = events(self.connection.recv(&mut Cursor::new(packet)));
        let acknowledges = [PacketType::Puback, PacketType::Suback].map(|kind| kind as u8);
        match found {
            // An acknowledgement that comes twice does no harm, and a lost connection publishes the will.
            Err(Malformed) if packet.first().is_some_and(|first| acknowledges.contains(&(first >> 4))) => {
                Ok(Vec::new())
            }
            found => found,
        }
    }
}

/// Timers and packet identifiers are the lamp's own concern.
fn events(all: Vec<Protocol>) -> Result<Vec<Event>, Malformed> {
    let mut found = Vec::new();
    for event in all {
        match event {
            Protocol::RequestSendPacket { packet, .. } => found.push(Event::Send(packet.to_continuous_buffer())),
            Protocol::NotifyPacketReceived(packet) => found.extend(received(&packet)),
            Protocol::NotifyError(error) => return Err(error.into()),
            Protocol::RequestClose if found.is_empty() => return Err(Malformed),
            // After DISCONNECT, which is to be sent first.
            Protocol::RequestClose
            | Protocol::NotifyPacketIdReleased(_)
            | Protocol::RequestTimerReset { .. }
            | Protocol::RequestTimerCancel(_) => {}
        }
    }
    Ok(found)
}

fn received(packet: &Packet) -> Option<Event> {
    Some(match packet {
        Packet::V3_1_1Connack(connack) if connack.return_code().is_success() => Event::Connected,
        Packet::V3_1_1Connack(connack) => Event::Refused(connack.return_code() as u8),
        Packet::V3_1_1Publish(publish) => {
            let (topic, payload) = (publish.topic_name().into(), publish.payload().as_slice().into());
            Event::Message { topic, payload, retained: publish.retain() }
        }
        Packet::V3_1_1Suback(suback) => Event::Subscribed(suback.return_codes().iter().all(|code| code.is_success())),
        Packet::V3_1_1Pingresp(_) => Event::Alive,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn connected(acknowledges: bool) -> Session {
        let settings =
            Settings { client_id: "l".into(), user: None, password: None, keep_alive: 5, update_topic: None };
        let mut session = Session::new(acknowledges);
        session.connect(&settings, 5, None).expect("valid");
        assert_eq!(session.receive(&[0x20, 2, 0, 0]), vec![Event::Connected]);
        session
    }

    #[test]
    fn connect_follows_the_specification_byte_for_byte() {
        let settings =
            Settings { client_id: "l".into(), user: None, password: None, keep_alive: 5, update_topic: None };
        let will = Will { topic: "s", payload: "x" };
        let expected = b"\x10\x13\x00\x04MQTT\x04\x2e\x00\x05\x00\x01l\x00\x01s\x00\x01x".to_vec();
        assert_eq!(Session::new(true).connect(&settings, 5, Some(&will)), Ok(vec![Event::Send(expected)]));
    }

    #[test]
    fn a_user_and_a_password_are_sent_and_a_password_alone_is_not() {
        let settings = Settings {
            client_id: "l".into(),
            user: None,
            password: Some("p".into()),
            keep_alive: 0,
            update_topic: None,
        };
        let alone = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01l".to_vec();
        assert_eq!(Session::new(true).connect(&settings, 0, None), Ok(vec![Event::Send(alone)]));
        let settings = Settings { user: Some("u".into()), ..settings };
        let both = b"\x10\x13\x00\x04MQTT\x04\xc2\x00\x00\x00\x01l\x00\x01u\x00\x01p".to_vec();
        assert_eq!(Session::new(true).connect(&settings, 0, None), Ok(vec![Event::Send(both)]));
    }

    #[test]
    fn a_split_packet_waits_for_its_rest() {
        let mut session = connected(true);
        assert_eq!(session.receive(&[0x32, 7, 0, 1]), vec![]);
        let message = Event::Message { topic: "t".into(), payload: b"on".to_vec(), retained: false };
        let acknowledged = Event::Send(vec![0x40, 2, 0, 9]);
        session.ping().expect("valid");
        assert_eq!(session.receive(b"t\x00\x09on\xd0\x00"), vec![acknowledged, message, Event::Alive]);
    }

    #[test]
    fn every_return_code_of_the_specification_is_reported_and_others_are_malformed() {
        for code in 1..=5 {
            let settings =
                Settings { client_id: "l".into(), user: None, password: None, keep_alive: 5, update_topic: None };
            let mut session = Session::new(true);
            session.connect(&settings, 5, None).expect("valid");
            assert_eq!(session.receive(&[0x20, 2, 0, code]), vec![Event::Refused(code)]);
        }
        assert_eq!(Session::new(true).receive(&[0x20, 2, 0, 6]), [Event::Malformed]);
    }

    #[test]
    fn an_acknowledgement_that_comes_twice_does_no_harm() {
        let mut session = connected(true);
        session.publish("t", "x", false).expect("valid");
        assert_eq!(session.receive(&[0x40, 2, 0, 1, 0x40, 2, 0, 1]), vec![]);
        session.subscribe(&["t"]).expect("valid");
        let suback = [0x90, 3, 0, 1, 1];
        assert_eq!(session.receive(&suback), vec![Event::Subscribed(true)]);
        assert_eq!(session.receive(&suback), vec![]);
    }

    #[test]
    fn a_message_that_does_not_fit_is_skipped() {
        let mut session = connected(true);
        let size = Framing::LARGEST + 1;
        let mut bytes = vec![0x30, (size & 0x7f) as u8 | 0x80, (size >> 7 & 0x7f) as u8 | 0x80, (size >> 14) as u8];
        bytes.resize(bytes.len() + size, b'x');
        let whole = bytes.len();
        bytes.extend(b"\x30\x03\x00\x01t");
        let found: Vec<_> = bytes.chunks(700).flat_map(|piece| session.receive(piece)).collect();
        let next = Event::Message { topic: "t".into(), payload: vec![], retained: false };
        assert_eq!(found, [Event::TooLarge(whole), next]);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_events_or_an_error(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..8)) {
            let mut session = connected(true);
            for piece in pieces {
                if session.receive(&piece).contains(&Event::Malformed) {
                    break;
                }
            }
        }
    }
}
