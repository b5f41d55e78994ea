//! The subset of MQTT 3.1.1 that a lamp uses.

use alloc::string::String;
use alloc::vec::Vec;

use crate::settings::Settings;

/// A packet from the broker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FromBroker {
    Connack { code: u8 },
    Publish { topic: String, payload: Vec<u8>, packet_id: Option<u16> },
    Puback,
    Suback { granted: bool },
    Pingresp,
}

/// The bytes are not an MQTT packet that a lamp supports.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) struct Will<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a str,
}

/// CONNECT with a clean session (§3.1); the will has QoS 1 and is retained.
pub(crate) fn connect(settings: &Settings, keep_alive: u16, will: Option<&Will<'_>>) -> Vec<u8> {
    const CLEAN_SESSION: u8 = 0x02;
    const WILL_QOS1_RETAINED: u8 = 0x04 | 0x08 | 0x20;
    let mut flags = CLEAN_SESSION;
    let mut body = Vec::new();
    push_text(&mut body, "MQTT");
    body.push(4);
    let flags_at = body.len();
    body.push(0);
    body.extend(keep_alive.to_be_bytes());
    push_text(&mut body, &settings.client_id);
    if let Some(will) = will {
        flags |= WILL_QOS1_RETAINED;
        push_text(&mut body, will.topic);
        push_text(&mut body, will.payload);
    }
    if let Some(user) = &settings.user {
        flags |= 0x80;
        push_text(&mut body, user);
        // A password without a user name is forbidden (§3.1.2.9).
        if let Some(password) = &settings.password {
            flags |= 0x40;
            push_text(&mut body, password);
        }
    }
    body[flags_at] = flags;
    packet(0x10, &body)
}

/// PUBLISH at QoS 1 (§3.3).
pub(crate) fn publish(topic: &str, payload: &str, packet_id: u16, retain: bool) -> Vec<u8> {
    let mut body = Vec::new();
    push_text(&mut body, topic);
    body.extend(packet_id.to_be_bytes());
    body.extend(payload.as_bytes());
    packet(0x32 | u8::from(retain), &body)
}

/// SUBSCRIBE to one filter at QoS 1 (§3.8).
pub(crate) fn subscribe(filter: &str, packet_id: u16) -> Vec<u8> {
    let mut body = Vec::from(packet_id.to_be_bytes());
    push_text(&mut body, filter);
    body.push(1);
    packet(0x82, &body)
}

/// PUBACK (§3.4).
pub(crate) fn puback(packet_id: u16) -> Vec<u8> {
    packet(0x40, &packet_id.to_be_bytes())
}

/// PINGREQ (§3.12).
pub(crate) fn pingreq() -> Vec<u8> {
    packet(0xc0, &[])
}

fn push_text(body: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    body.extend(length.to_be_bytes());
    body.extend(&text.as_bytes()[..usize::from(length)]);
}

fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 5);
    bytes.push(first);
    let mut rest = body.len();
    loop {
        let low = (rest & 0x7f) as u8;
        rest >>= 7;
        bytes.push(if rest > 0 { low | 0x80 } else { low });
        if rest == 0 {
            break;
        }
    }
    bytes.extend(body);
    bytes
}

/// Removes the first whole packet from `received`; `None` if more bytes are needed.
pub(crate) fn take_packet(received: &mut Vec<u8>) -> Result<Option<FromBroker>, Malformed> {
    let Some((header, length)) = header(received)? else { return Ok(None) };
    if received.len() < header + length {
        return Ok(None);
    }
    let packet = decode(received[0], &received[header..header + length])?;
    received.drain(..header + length);
    Ok(Some(packet))
}

/// Size of the fixed header and of what follows it (§2.2.3).
fn header(received: &[u8]) -> Result<Option<(usize, usize)>, Malformed> {
    let mut length = 0;
    for (n, byte) in received.iter().skip(1).take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Ok(Some((n + 2, length)));
        }
    }
    if received.len() > 4 { Err(Malformed) } else { Ok(None) }
}

fn decode(first: u8, body: &[u8]) -> Result<FromBroker, Malformed> {
    match (first >> 4, body) {
        (2, [_, code]) => Ok(FromBroker::Connack { code: *code }),
        (3, _) => decode_publish(first, body),
        (4, [_, _]) => Ok(FromBroker::Puback),
        (9, [_, _, code]) => Ok(FromBroker::Suback { granted: *code < 0x80 }),
        (13, []) => Ok(FromBroker::Pingresp),
        _ => Err(Malformed),
    }
}

fn decode_publish(first: u8, body: &[u8]) -> Result<FromBroker, Malformed> {
    let (length, rest) = body.split_first_chunk::<2>().ok_or(Malformed)?;
    let (topic, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(Malformed)?;
    let topic = core::str::from_utf8(topic).map_err(|_| Malformed)?.into();
    let (packet_id, payload) = match (first >> 1) & 3 {
        0 => (None, rest),
        1 => {
            let (id, payload) = rest.split_first_chunk::<2>().ok_or(Malformed)?;
            (Some(u16::from_be_bytes(*id)), payload)
        }
        // The lamp subscribes at QoS 1: a broker never delivers above it (§3.8.4).
        _ => return Err(Malformed),
    };
    Ok(FromBroker::Publish { topic, payload: payload.into(), packet_id })
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn connect_follows_the_specification_byte_for_byte() {
        let settings = Settings { client_id: "l".into(), user: None, password: None, keep_alive: 5 };
        let will = Will { topic: "s", payload: "x" };
        let expected = b"\x10\x13\x00\x04MQTT\x04\x2e\x00\x05\x00\x01l\x00\x01s\x00\x01x";
        assert_eq!(connect(&settings, 5, Some(&will)), expected);
    }

    #[test]
    fn a_split_packet_waits_for_its_rest() {
        let mut received = vec![0x32, 7, 0, 1];
        assert_eq!(take_packet(&mut received), Ok(None));
        received.extend(b"t\x00\x09on\xd0\x00");
        let publish = FromBroker::Publish { topic: "t".into(), payload: b"on".to_vec(), packet_id: Some(9) };
        assert_eq!(take_packet(&mut received), Ok(Some(publish)));
        assert_eq!(take_packet(&mut received), Ok(Some(FromBroker::Pingresp)));
        assert!(received.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_packet_a_wait_or_an_error(mut received in proptest::collection::vec(any::<u8>(), 0..300)) {
            while let Ok(Some(_)) = take_packet(&mut received) {}
        }

        #[test]
        fn lengths_survive(length in 0usize..40_000) {
            let bytes = packet(0x30, &vec![0; length]);
            let (header, found) = header(&bytes).expect("valid").expect("whole");
            prop_assert_eq!((found, header + found), (length, bytes.len()));
        }
    }
}
