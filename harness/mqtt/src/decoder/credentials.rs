//! The credentials in packets, which a capture hides.

use mqtt5_protocol::packet::Packet as Wire;
use mqtt5_protocol::protocol::v5::properties::{Properties, PropertyId, PropertyValue};
use mqtt5_protocol::{FixedHeader, PacketType};

use super::frame::{Frame, frame};
use super::version::{V311, as_v311};

/// The credentials in a CONNECT, a CONNACK or an AUTH.
#[derive(Debug, Default)]
pub(crate) struct Credentials {
    pub(crate) password: Option<Vec<u8>>,
    /// Enhanced authentication (MQTT 5 §4.12).
    pub(crate) data: Vec<Vec<u8>>,
}

/// The credentials of a packet; none if it can't be decoded.
pub(crate) fn credentials_of(raw: &[u8], protocol: u8) -> Option<Credentials> {
    let header = match frame(raw)? {
        Frame::Whole { header, .. } => header,
        _ => return None,
    };
    let as_311 = as_v311(&raw[header..]);
    let mut bytes = as_311.as_ref().map_or(raw, |(packet, _)| packet);
    let fixed = FixedHeader::decode(&mut bytes).ok()?;
    let kind = PacketType::from_u8(raw[0] >> 4)?;
    let data = |properties: &Properties| {
        let found = properties.iter().filter_map(|(id, value)| match value {
            PropertyValue::BinaryData(bytes) if id == PropertyId::AuthenticationData => Some(bytes.to_vec()),
            _ => None,
        });
        found.collect()
    };
    let decoded = Wire::decode_from_body_with_version(kind, &fixed, &mut bytes, protocol.max(V311));
    Some(match decoded.ok()? {
        Wire::Connect(connect) => Credentials { password: connect.password.clone(), data: data(&connect.properties) },
        Wire::ConnAck(connack) => Credentials { password: None, data: data(&connack.properties) },
        Wire::Auth(auth) => Credentials { password: None, data: data(&auth.properties) },
        _ => Credentials::default(),
    })
}
