//! From the bytes of one packet to what the record keeps of it.

use std::mem;

use hil_timeline::{Packet, Payload, QoS, Subscription, Will};
use mqtt5_protocol::packet::Packet as Wire;
use mqtt5_protocol::packet::connect::ConnectPacket;
use mqtt5_protocol::{FixedHeader, PacketType};

use super::properties::listed;
use super::version::{V5, V31, V311, as_v311};

/// Decodes one complete packet whose fixed header has this length.
pub(super) fn decode(packet: &[u8], header: usize, protocol: u8) -> Packet {
    if let Some(as_311) = as_v311(&packet[header..]) {
        let mut decoded = decode_as(&as_311.0, as_311.1, V311);
        if let Packet::Connect { protocol, .. } = &mut decoded {
            *protocol = V31;
        }
        return if packet[0] >> 4 == 1 { decoded } else { decode_as(packet, header, V311) };
    }
    // 3.1 differs from 3.1.1 only in CONNECT.
    decode_as(packet, header, protocol.max(V311))
}

fn decode_as(packet: &[u8], header: usize, protocol: u8) -> Packet {
    let body = &packet[header..];
    let mut bytes = packet;
    let decoded = FixedHeader::decode(&mut bytes).map_err(|error| error.to_string()).and_then(|fixed| {
        let kind = PacketType::from_u8(packet[0] >> 4).ok_or_else(|| "unknown packet type".to_owned())?;
        Wire::decode_from_body_with_version(kind, &fixed, &mut bytes, protocol).map_err(|error| error.to_string())
    });
    match decoded.map(|wire| translate(wire, body, protocol)) {
        Ok(packet) => packet,
        Err(reason) => undecodable(&reason, packet),
    }
}

/// Keeps the first bytes for the report; of packets that may contain credentials only the type and length.
pub(super) fn undecodable(reason: &str, bytes: &[u8]) -> Packet {
    const WITH_CREDENTIALS: [u8; 3] = [1, 2, 15];
    let has_some = bytes.first().is_some_and(|first| WITH_CREDENTIALS.contains(&(first >> 4)));
    let shown = bytes.len().min(if has_some { 2 } else { 16 });
    let head = hex::encode(&bytes[..shown]);
    Packet::Undecodable { reason: reason.to_owned(), head }
}

fn qos(qos: mqtt5_protocol::QoS) -> QoS {
    match qos {
        mqtt5_protocol::QoS::AtMostOnce => QoS::AtMostOnce,
        mqtt5_protocol::QoS::AtLeastOnce => QoS::AtLeastOnce,
        mqtt5_protocol::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

fn translate(wire: Wire, body: &[u8], protocol: u8) -> Packet {
    // The codes are those on the wire: the library converts those of 3.1.1 to MQTT 5.
    let code = |at: usize| body.get(at).copied().unwrap_or(0);
    match wire {
        Wire::Connect(connect) => translate_connect(*connect),
        Wire::ConnAck(connack) => Packet::Connack {
            session_present: connack.session_present,
            code: code(1),
            properties: listed(&connack.properties),
        },
        Wire::Publish(publish) => Packet::Publish {
            topic: publish.topic_name,
            payload: Payload(publish.payload.to_vec()),
            qos: qos(publish.qos),
            retain: publish.retain,
            dup: publish.dup,
            packet_id: publish.packet_id,
            aliased: false,
            properties: listed(&publish.properties),
        },
        Wire::PubAck(ack) => {
            Packet::Puback { packet_id: ack.packet_id, code: code(2), properties: listed(&ack.properties) }
        }
        Wire::PubRec(ack) => {
            Packet::Pubrec { packet_id: ack.packet_id, code: code(2), properties: listed(&ack.properties) }
        }
        Wire::PubRel(ack) => {
            Packet::Pubrel { packet_id: ack.packet_id, code: code(2), properties: listed(&ack.properties) }
        }
        Wire::PubComp(ack) => {
            Packet::Pubcomp { packet_id: ack.packet_id, code: code(2), properties: listed(&ack.properties) }
        }
        Wire::Subscribe(subscribe) => Packet::Subscribe {
            packet_id: subscribe.packet_id,
            filters: subscribe
                .filters
                .into_iter()
                .map(|filter| Subscription { filter: filter.filter, qos: qos(filter.options.qos) })
                .collect(),
            properties: listed(&subscribe.properties),
        },
        Wire::SubAck(suback) => Packet::Suback {
            packet_id: suback.packet_id,
            codes: suback.reason_codes.iter().map(|code| *code as u8).collect(),
            properties: listed(&suback.properties),
        },
        Wire::Unsubscribe(unsubscribe) => Packet::Unsubscribe {
            packet_id: unsubscribe.packet_id,
            filters: unsubscribe.filters,
            properties: listed(&unsubscribe.properties),
        },
        Wire::UnsubAck(unsuback) => {
            let codes = unsuback.reason_codes.iter().map(|code| *code as u8);
            let codes = if protocol < V5 { Vec::new() } else { codes.collect() };
            Packet::Unsuback { packet_id: unsuback.packet_id, codes, properties: listed(&unsuback.properties) }
        }
        Wire::PingReq => Packet::Pingreq,
        Wire::PingResp => Packet::Pingresp,
        Wire::Disconnect(disconnect) => {
            Packet::Disconnect { code: code(0), properties: listed(&disconnect.properties) }
        }
        Wire::Auth(auth) => Packet::Auth { code: code(0), properties: listed(&auth.properties) },
    }
}

fn translate_connect(mut connect: ConnectPacket) -> Packet {
    let will_properties = listed(&connect.will_properties);
    Packet::Connect {
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
            properties: will_properties,
        }),
        properties: listed(&connect.properties),
    }
}
