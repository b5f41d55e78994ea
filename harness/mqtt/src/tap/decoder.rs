//! Decodes the packets of one connection beside the bytes that are forwarded.

use std::mem;

use hil_timeline::{Direction, Packet, Payload, QoS, Subscription, Will};
use mqtt5_protocol::packet::Packet as Wire;
use mqtt5_protocol::{FixedHeader, PacketType};

/// Both directions of one connection. The protocol version is learned from CONNECT.
///
/// # Example
/// ```
/// use hil_mqtt::Decoder;
/// use hil_timeline::{Direction, Packet};
/// let mut decoder = Decoder::default();
/// let packets = decoder.push(Direction::FromBoard, &[0xc0, 0x00]);
/// assert_eq!(packets, [(Packet::Pingreq, 2)]);
/// ```
#[derive(Debug)]
pub struct Decoder {
    protocol: u8,
    from_board: Stream,
    to_board: Stream,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { protocol: V311, from_board: Stream::default(), to_board: Stream::default() }
    }
}

const V311: u8 = 4;
/// A larger packet is recorded as undecodable; its bytes pass all the same.
const LARGEST: usize = 16 << 20;

#[derive(Debug, Default)]
struct Stream {
    buffer: Vec<u8>,
    /// Bytes of a packet that is too large to decode and have yet to pass.
    skip: usize,
    /// The framing is lost: nothing after this can be told apart.
    lost: bool,
}

impl Decoder {
    /// Takes forwarded bytes; gives back each packet that they complete, with its size in bytes.
    pub fn push(&mut self, direction: Direction, bytes: &[u8]) -> Vec<(Packet, usize)> {
        let stream = match direction {
            Direction::FromBoard => &mut self.from_board,
            Direction::ToBoard => &mut self.to_board,
        };
        let mut packets = Vec::new();
        if stream.lost {
            return packets;
        }
        let skipped = stream.skip.min(bytes.len());
        stream.skip -= skipped;
        stream.buffer.extend(&bytes[skipped..]);
        let mut at = 0;
        while let Some(frame) = frame(&stream.buffer[at..]) {
            match frame {
                Frame::Whole { header, length } => {
                    let packet = &stream.buffer[at..at + header + length];
                    let decoded = decode(packet, header, self.protocol);
                    if let Packet::Connect { protocol, .. } = &decoded {
                        self.protocol = *protocol;
                    }
                    packets.push((decoded, header + length));
                    at += header + length;
                }
                Frame::TooLarge { header, length } => {
                    let have = stream.buffer.len() - at;
                    packets.push((undecodable("too large to decode", &stream.buffer[at..]), header + length));
                    stream.skip = (header + length).saturating_sub(have);
                    at = (at + header + length).min(stream.buffer.len());
                }
                Frame::Broken => {
                    packets.push((undecodable("no MQTT packet begins here", &stream.buffer[at..]), 0));
                    stream.lost = true;
                    stream.buffer = Vec::new();
                    return packets;
                }
            }
        }
        stream.buffer.drain(..at);
        packets
    }
}

enum Frame {
    Whole { header: usize, length: usize },
    TooLarge { header: usize, length: usize },
    Broken,
}

/// The first frame of a buffer; none where more bytes are needed (MQTT 3.1.1 §2.2.3).
fn frame(buffer: &[u8]) -> Option<Frame> {
    let first = *buffer.first()?;
    if first >> 4 == 0 {
        return Some(Frame::Broken);
    }
    let mut length = 0;
    for (n, byte) in buffer[1..].iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let header = n + 2;
            if header + length > LARGEST {
                return Some(Frame::TooLarge { header, length });
            }
            return (buffer.len() >= header + length).then_some(Frame::Whole { header, length });
        }
    }
    (buffer.len() > 4).then_some(Frame::Broken)
}

fn undecodable(reason: &str, bytes: &[u8]) -> Packet {
    let head = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    Packet::Undecodable { reason: reason.to_owned(), head }
}

fn decode(packet: &[u8], header: usize, protocol: u8) -> Packet {
    let body = &packet[header..];
    let mut bytes = packet;
    let decoded = FixedHeader::decode(&mut bytes).map_err(|error| error.to_string()).and_then(|fixed| {
        let kind = PacketType::from_u8(packet[0] >> 4).ok_or_else(|| "unknown packet type".to_owned())?;
        Wire::decode_from_body_with_version(kind, &fixed, &mut bytes, protocol).map_err(|error| error.to_string())
    });
    match decoded.map(|wire| translate(wire, body)) {
        Ok(packet) => packet,
        Err(reason) => undecodable(&reason, packet),
    }
}

fn qos(qos: mqtt5_protocol::QoS) -> QoS {
    match qos {
        mqtt5_protocol::QoS::AtMostOnce => QoS::AtMostOnce,
        mqtt5_protocol::QoS::AtLeastOnce => QoS::AtLeastOnce,
        mqtt5_protocol::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn translate(wire: Wire, body: &[u8]) -> Packet {
    // The codes are taken from the wire: the library turns 3.1.1's into those of 5.
    let code = |at: usize| body.get(at).copied().unwrap_or(0);
    match wire {
        Wire::Connect(mut connect) => Packet::Connect {
            protocol: connect.protocol_version,
            client_id: mem::take(&mut connect.client_id),
            keep_alive: connect.keep_alive,
            clean_session: connect.clean_start,
            user_name: connect.username.take(),
            has_password: connect.password.is_some(),
            will: connect.will.take().map(|will| Will {
                topic: will.topic,
                payload: Payload(will.payload),
                qos: qos(will.qos),
                retain: will.retain,
            }),
        },
        Wire::ConnAck(connack) => Packet::Connack { session_present: connack.session_present, code: code(1) },
        Wire::Publish(publish) => Packet::Publish {
            topic: publish.topic_name,
            payload: Payload(publish.payload.to_vec()),
            qos: qos(publish.qos),
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id,
        },
        Wire::PubAck(ack) => Packet::Puback { packet_id: ack.packet_id, code: code(2) },
        Wire::PubRec(ack) => Packet::Pubrec { packet_id: ack.packet_id, code: code(2) },
        Wire::PubRel(ack) => Packet::Pubrel { packet_id: ack.packet_id },
        Wire::PubComp(ack) => Packet::Pubcomp { packet_id: ack.packet_id },
        Wire::Subscribe(subscribe) => Packet::Subscribe {
            packet_id: subscribe.packet_id,
            filters: subscribe
                .filters
                .into_iter()
                .map(|filter| Subscription { filter: filter.filter, qos: qos(filter.options.qos) })
                .collect(),
        },
        Wire::SubAck(suback) => Packet::Suback {
            packet_id: suback.packet_id,
            codes: suback.reason_codes.iter().map(|code| *code as u8).collect(),
        },
        Wire::Unsubscribe(unsubscribe) => {
            Packet::Unsubscribe { packet_id: unsubscribe.packet_id, filters: unsubscribe.filters }
        }
        Wire::UnsubAck(unsuback) => Packet::Unsuback { packet_id: unsuback.packet_id },
        Wire::PingReq => Packet::Pingreq,
        Wire::PingResp => Packet::Pingresp,
        Wire::Disconnect(_) => Packet::Disconnect { code: code(0) },
        Wire::Auth(_) => Packet::Auth,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CONNECT: &[u8] = b"\x10\x1c\x00\x04MQTT\x04\xee\x00\x05\x00\x01l\x00\x01s\x00\x01x\x00\x02us\x00\x03pwd";

    fn feed(bytes: &[u8]) -> Vec<Packet> {
        Decoder::default().push(Direction::FromBoard, bytes).into_iter().map(|(packet, _)| packet).collect()
    }

    #[test]
    fn connect_shows_everything_but_the_password() {
        let packets = feed(CONNECT);
        let Packet::Connect { client_id, keep_alive, clean_session, user_name, has_password, will, protocol } =
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
    fn three_one_one_and_five_are_told_apart_by_connect() {
        let mut decoder = Decoder::default();
        let publish_v5 = b"\x30\x08\x00\x01t\x00hi!!";
        decoder.push(Direction::FromBoard, b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x05\x00\x00\x01l");
        let packets = decoder.push(Direction::ToBoard, publish_v5);
        assert!(matches!(&packets[0].0, Packet::Publish { payload, .. } if payload.0 == b"hi!!"), "{packets:?}");
    }

    #[test]
    fn what_is_no_mqtt_is_recorded_once_and_then_left_alone() {
        let mut decoder = Decoder::default();
        let first = decoder.push(Direction::FromBoard, &[0x00, 1, 2, 3]);
        assert!(matches!(&first[0].0, Packet::Undecodable { head, .. } if head == "00010203"), "{first:?}");
        assert!(decoder.push(Direction::FromBoard, CONNECT).is_empty());
        assert_eq!(decoder.push(Direction::ToBoard, &[0xd0, 0]).len(), 1, "the other direction is still whole");
    }

    #[test]
    fn a_malformed_packet_does_not_lose_the_next() {
        // A SUBSCRIBE must have flags 2 (§3.8.1).
        let mut bytes = b"\x80\x06\x00\x01\x00\x01t\x00".to_vec();
        bytes.extend([0xc0, 0]);
        let packets = feed(&bytes);
        assert!(matches!(packets[..], [Packet::Undecodable { .. }, Packet::Pingreq]), "{packets:?}");
    }

    #[test]
    fn a_packet_beyond_the_limit_is_skipped_without_being_kept() {
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
            assert!(decoder.push(Direction::FromBoard, &chunk[..now]).is_empty());
            assert!(decoder.from_board.buffer.is_empty());
            left -= now;
        }
        assert_eq!(decoder.push(Direction::FromBoard, &[0xc0, 0]), [(Packet::Pingreq, 2)]);
    }

    proptest! {
        #[test]
        fn no_bytes_crash_it_and_chunks_do_not_matter(bytes in proptest::collection::vec(any::<u8>(), 0..400),
                                                      cut in 0usize..400, connect: bool) {
            let mut all = if connect { CONNECT.to_vec() } else { Vec::new() };
            all.extend(&bytes);
            let cut = cut.min(all.len());
            let mut split = Decoder::default();
            let mut pieces = split.push(Direction::FromBoard, &all[..cut]);
            pieces.extend(split.push(Direction::FromBoard, &all[cut..]));
            let whole = Decoder::default().push(Direction::FromBoard, &all);
            let names = |packets: &[(Packet, usize)]| packets.iter().map(|(p, n)| (p.name(), *n)).collect::<Vec<_>>();
            prop_assert_eq!(names(&pieces), names(&whole));
        }
    }
}
