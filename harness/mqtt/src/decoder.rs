//! Decodes the packets of one connection while its bytes are forwarded.

mod credentials;
mod frame;
mod packet;
mod properties;
mod version;

use std::collections::HashMap;

use hil_timeline::{Direction, Packet};

pub(crate) use self::credentials::{Credentials, credentials_of};
pub(crate) use self::frame::{Frame, frame, is_whole};
use self::packet::{decode, undecodable};
use self::version::V311;
use crate::budget::{Share, memory};

/// The packets, in the order of their numbers (MQTT 5 §2.1.2); a fault may select each.
pub const PACKET_NAMES: &[&str] = &[
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
];

/// Both directions of one connection. The protocol version is learned from CONNECT.
///
/// # Example
/// ```
/// use hil_mqtt::Decoder;
/// use hil_timeline::{Direction, Packet};
/// let mut decoder = Decoder::default();
/// let packets = decoder.push(Direction::FromBoard, &[0xc0, 0x00]);
/// assert_eq!(packets[0].packet, Some(Packet::Pingreq));
/// ```
#[derive(Debug)]
pub struct Decoder {
    protocol: u8,
    from_board: StreamDecoder,
    to_board: StreamDecoder,
}

/// Forwarded bytes, split where packets end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The packet; none if the bytes continue one that was reported before.
    pub packet: Option<Packet>,
    /// Size of the complete packet in bytes.
    pub size: usize,
    /// The bytes that were forwarded.
    pub raw: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { protocol: V311, from_board: StreamDecoder::default(), to_board: StreamDecoder::default() }
    }
}

#[derive(Debug, Default)]
struct StreamDecoder {
    buffer: Vec<u8>,
    share: Share,
    /// Bytes still to come of a packet that is too large to decode.
    skip: usize,
    /// The framing is lost: later packets can't be found.
    lost: bool,
    /// The topics of topic aliases (MQTT 5 §3.3.2.3.4).
    aliases: HashMap<u16, String>,
}

impl StreamDecoder {
    /// Skips the unfinished packet.
    fn give_up(&mut self, at: usize, size: usize, reason: &str) -> Decoded {
        // If the framing is lost, all remaining bytes belong to it.
        let end = if size == 0 { self.buffer.len() } else { self.buffer.len().min(at + size) };
        let raw: Vec<u8> = self.buffer.drain(at..end).collect();
        self.skip = size.saturating_sub(raw.len());
        Decoded { packet: Some(undecodable(reason, &raw)), size, raw }
    }
}

impl Decoder {
    /// Takes forwarded bytes; returns the packets that they complete, and bytes that belong to none.
    pub fn push(&mut self, direction: Direction, bytes: &[u8]) -> Vec<Decoded> {
        let stream = match direction {
            Direction::FromBoard => &mut self.from_board,
            Direction::ToBoard => &mut self.to_board,
        };
        let mut seen = Vec::new();
        let undecoded = |raw: &[u8]| Decoded { packet: None, size: 0, raw: raw.to_vec() };
        if stream.lost {
            seen.push(undecoded(bytes));
            return seen;
        }
        let (skipped, bytes) = bytes.split_at(stream.skip.min(bytes.len()));
        if !skipped.is_empty() {
            stream.skip -= skipped.len();
            seen.push(undecoded(skipped));
        }
        stream.buffer.extend(bytes);
        let mut at = 0;
        while let Some(frame) = frame(&stream.buffer[at..]) {
            match frame {
                Frame::Whole { header, length } => {
                    let size = header + length;
                    let raw = stream.buffer[at..at + size].to_vec();
                    let mut packet = decode(&raw, header, self.protocol);
                    if let Packet::Connect { protocol, .. } = &packet {
                        self.protocol = *protocol;
                    }
                    resolve_alias(&mut packet, &mut stream.aliases);
                    seen.push(Decoded { packet: Some(packet), size, raw });
                    at += size;
                }
                Frame::Part { header, length } => {
                    stream.buffer.drain(..at);
                    at = 0;
                    if !stream.share.keep(memory(&mut stream.buffer)) {
                        seen.push(stream.give_up(0, header + length, "too many bytes of unfinished packets"));
                    }
                    break;
                }
                Frame::TooLarge { header, length } => {
                    seen.push(stream.give_up(at, header + length, "too large to decode"));
                }
                Frame::Broken => {
                    seen.push(stream.give_up(at, 0, "no MQTT packet begins here"));
                    stream.lost = true;
                }
            }
        }
        stream.buffer.drain(..at);
        stream.share.keep(memory(&mut stream.buffer));
        seen
    }

    /// The protocol level of CONNECT; 4 before it.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.protocol
    }
}

/// Decodes one complete packet by itself.
pub(crate) fn decode_alone(raw: &[u8], protocol: u8) -> Packet {
    match frame(raw) {
        Some(Frame::Whole { header, length }) if header + length == raw.len() => decode(raw, header, protocol),
        _ => undecodable("no MQTT packet", raw),
    }
}

/// Name of the packet that begins with these bytes, and the topic of a PUBLISH if it is complete.
pub(crate) fn name_and_topic(begins: &[u8]) -> (&'static str, Option<&str>) {
    let Some(first) = begins.first() else { return ("", None) };
    // The packet types of §2.1.2 are numbered in this order, from 1.
    let kind = usize::from(first >> 4);
    let name = kind.checked_sub(1).and_then(|at| PACKET_NAMES.get(at)).copied().unwrap_or_default();
    let topic = match frame(begins) {
        Some(Frame::Whole { header, .. } | Frame::Part { header, .. } | Frame::TooLarge { header, .. })
            if kind == 3 =>
        {
            let length =
                begins.get(header..header + 2).map(|length| usize::from(u16::from_be_bytes([length[0], length[1]])));
            length.and_then(|length| begins.get(header + 2..header + 2 + length))
        }
        _ => None,
    };
    (name, topic.and_then(|topic| std::str::from_utf8(topic).ok()))
}

/// Replaces an alias by its topic.
fn resolve_alias(packet: &mut Packet, aliases: &mut HashMap<u16, String>) {
    let Packet::Publish { topic, aliased, properties, .. } = packet else { return };
    let alias = properties.iter().find(|property| property.name == "topic alias");
    let Some(alias) = alias.and_then(|property| property.value.parse().ok()) else { return };
    if topic.is_empty() {
        *aliased = true;
        *topic = aliases.get(&alias).cloned().unwrap_or_default();
    } else {
        aliases.insert(alias, topic.clone());
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::QoS;
    use proptest::prelude::*;

    use super::frame::LARGEST;
    use super::*;

    const CONNECT: &[u8] = b"\x10\x1c\x00\x04MQTT\x04\xee\x00\x05\x00\x01l\x00\x01s\x00\x01x\x00\x02us\x00\x03pwd";

    fn feed(bytes: &[u8]) -> Vec<Packet> {
        Decoder::default().push(Direction::FromBoard, bytes).into_iter().filter_map(|seen| seen.packet).collect()
    }

    #[test]
    fn connect_shows_everything_but_the_password() {
        let packets = feed(CONNECT);
        let Packet::Connect { client_id, keep_alive, clean_session, user_name, has_password, will, protocol, .. } =
            &packets[0]
        else {
            panic!("{packets:?}");
        };
        assert_eq!((client_id.as_str(), *keep_alive, *clean_session, *protocol), ("l", 5, true, 4));
        assert_eq!((user_name.as_deref(), *has_password), (Some("us"), true));
        let will = will.as_ref().expect("will");
        assert_eq!((will.topic.as_str(), will.qos, will.retain), ("s", QoS::AtLeastOnce, true));
        assert!(!format!("{packets:?}").contains("pwd"));
    }

    #[test]
    fn connect_decides_between_3_1_1_and_5() {
        let mut decoder = Decoder::default();
        let publish_v5 = b"\x30\x08\x00\x01t\x00hi!!";
        decoder.push(Direction::FromBoard, b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x05\x00\x00\x01l");
        let packets = decoder.push(Direction::ToBoard, publish_v5);
        assert!(
            matches!(&packets[0].packet, Some(Packet::Publish { payload, .. }) if payload.0 == b"hi!!"),
            "{packets:?}"
        );
    }

    #[test]
    fn mqtt_3_1_is_decoded() {
        let packets = feed(b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x01p");
        let Packet::Connect { protocol, client_id, keep_alive, .. } = &packets[0] else { panic!("{packets:?}") };
        assert_eq!((*protocol, client_id.as_str(), *keep_alive), (3, "p", 10));
    }

    #[test]
    fn properties_are_listed_and_aliases_resolved() {
        let mut decoder = Decoder::default();
        decoder.push(Direction::FromBoard, b"\x10\x13\x00\x04MQTT\x05\x02\x00\x05\x05\x11\x00\x00\x00\x0a\x00\x01l");
        let first = b"\x30\x10\x00\x01t\x0a\x23\x00\x07\x26\x00\x01k\x00\x01vhi";
        let again = b"\x30\x07\x00\x00\x03\x23\x00\x07x";
        for (bytes, is_alias, count) in [(&first[..], false, 2), (&again[..], true, 1)] {
            let seen = decoder.push(Direction::FromBoard, bytes);
            let Some(Packet::Publish { topic, aliased, properties, .. }) = &seen[0].packet else { panic!("{seen:?}") };
            assert_eq!((topic.as_str(), *aliased, properties.len()), ("t", is_alias, count));
            assert_eq!((properties[0].name.as_str(), properties[0].value.as_str()), ("topic alias", "7"));
        }
    }

    #[test]
    fn bytes_that_are_not_mqtt_are_recorded_once_and_then_ignored() {
        let mut decoder = Decoder::default();
        let first = decoder.push(Direction::FromBoard, &[0x00, 1, 2, 3]);
        assert!(matches!(&first[0].packet, Some(Packet::Undecodable { head, .. }) if head == "00010203"), "{first:?}");
        assert!(decoder.push(Direction::FromBoard, CONNECT).iter().all(|seen| seen.packet.is_none()));
        assert_eq!(decoder.push(Direction::ToBoard, &[0xd0, 0]).len(), 1, "the other direction is not affected");
    }

    #[test]
    fn the_packet_after_a_malformed_one_is_decoded() {
        // A SUBSCRIBE must have flags 2 (§3.8.1).
        let mut bytes = b"\x80\x06\x00\x01\x00\x01t\x00".to_vec();
        bytes.extend([0xc0, 0]);
        let packets = feed(&bytes);
        assert!(matches!(packets[..], [Packet::Undecodable { .. }, Packet::Pingreq]), "{packets:?}");
    }

    #[test]
    fn a_packet_beyond_the_limit_is_skipped_and_not_kept() {
        let mut decoder = Decoder::default();
        let length = LARGEST + 1000;
        let mut header = vec![0x30];
        let mut rest = length;
        while rest > 0 {
            header.push((rest & 0x7f) as u8 | if rest > 0x7f { 0x80 } else { 0 });
            rest >>= 7;
        }
        assert_eq!(decoder.push(Direction::FromBoard, &header).len(), 1);
        let chunk = vec![0; 1 << 20];
        let mut left = length;
        while left > 0 {
            let now = left.min(chunk.len());
            assert!(decoder.push(Direction::FromBoard, &chunk[..now]).iter().all(|seen| seen.packet.is_none()));
            assert!(decoder.from_board.buffer.is_empty());
            left -= now;
        }
        assert_eq!(decoder.push(Direction::FromBoard, &[0xc0, 0])[0].packet, Some(Packet::Pingreq));
    }

    proptest! {
        #[test]
        fn any_bytes_are_decoded_without_panic_whatever_the_chunks(bytes in proptest::collection::vec(any::<u8>(), 0..400),
                                                      cut in 0usize..400, connect: bool) {
            let mut all = if connect { CONNECT.to_vec() } else { Vec::new() };
            all.extend(&bytes);
            let cut = cut.min(all.len());
            let mut split = Decoder::default();
            let mut pieces = split.push(Direction::FromBoard, &all[..cut]);
            pieces.extend(split.push(Direction::FromBoard, &all[cut..]));
            let whole = Decoder::default().push(Direction::FromBoard, &all);
            let names = |seen: &[Decoded]| {
                let reported = seen.iter().filter_map(|seen| Some((seen.packet.as_ref()?.name(), seen.size)));
                reported.collect::<Vec<_>>()
            };
            prop_assert_eq!(names(&pieces), names(&whole));
            // Bytes that are not kept for an unfinished packet were returned one by one.
            let mut raw: Vec<u8> = pieces.iter().flat_map(|seen| seen.raw.clone()).collect();
            raw.extend(&split.from_board.buffer);
            prop_assert_eq!(raw, all);
        }
    }
}
