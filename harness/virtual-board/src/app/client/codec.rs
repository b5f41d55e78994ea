//! Encodes and decodes packets on the client's side (MQTT 3.1.1 and MQTT 5, chapter 3).

use super::packet::{Connect, Properties, Publish, Version, text, variable};

/// A packet to send.
#[derive(Debug)]
pub(super) enum Outgoing {
    Connect(Box<Connect>),
    Publish(Publish),
    Puback(u16),
    Pubrec(u16),
    Pubrel(u16),
    Pubcomp(u16),
    /// Filters with their options byte.
    Subscribe {
        id: u16,
        filters: Vec<(String, u8)>,
        properties: Properties,
    },
    Unsubscribe {
        id: u16,
        filters: Vec<String>,
    },
    Pingreq,
    Disconnect {
        code: u8,
        properties: Properties,
    },
    Raw(Vec<u8>),
}

impl Outgoing {
    pub(super) fn encode(self, version: Version) -> Vec<u8> {
        let mut body = Vec::new();
        let first = match self {
            Self::Raw(bytes) => return bytes,
            Self::Connect(connect) => {
                connect_body(&mut body, &connect);
                0x10
            }
            Self::Publish(publish) => {
                text(&mut body, &publish.topic);
                if publish.qos > 0 {
                    body.extend(publish.id.to_be_bytes());
                }
                properties(&mut body, version, &publish.properties);
                body.extend(&publish.payload);
                0x30 | u8::from(publish.dup) << 3 | publish.qos << 1 | u8::from(publish.retain)
            }
            Self::Puback(id) => acknowledge(&mut body, id, 0x40),
            Self::Pubrec(id) => acknowledge(&mut body, id, 0x50),
            Self::Pubrel(id) => acknowledge(&mut body, id, 0x62),
            Self::Pubcomp(id) => acknowledge(&mut body, id, 0x70),
            Self::Subscribe { id, filters, properties: given } => {
                body.extend(id.to_be_bytes());
                properties(&mut body, version, &given);
                for (filter, options) in filters {
                    text(&mut body, &filter);
                    body.push(options);
                }
                0x82
            }
            Self::Unsubscribe { id, filters } => {
                body.extend(id.to_be_bytes());
                properties(&mut body, version, &Properties::default());
                filters.iter().for_each(|filter| text(&mut body, filter));
                0xa2
            }
            Self::Pingreq => 0xc0,
            Self::Disconnect { code, properties: given } => {
                if version == Version::V5 && (code != 0 || given != Properties::default()) {
                    body.push(code);
                    properties(&mut body, version, &given);
                }
                0xe0
            }
        };
        let mut packet = vec![first];
        variable(&mut packet, body.len());
        packet.extend(body);
        packet
    }
}

fn connect_body(body: &mut Vec<u8>, connect: &Connect) {
    let (name, level) = match connect.version {
        Version::V31 => ("MQIsdp", 3),
        Version::V311 => ("MQTT", 4),
        Version::V5 => ("MQTT", 5),
    };
    text(body, name);
    body.push(level);
    let mut flags = u8::from(connect.clean) << 1;
    if let Some(will) = &connect.will {
        flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
    }
    flags |= u8::from(connect.password.is_some()) << 6 | u8::from(connect.user.is_some()) << 7;
    body.push(flags);
    body.extend(connect.keep_alive.to_be_bytes());
    properties(body, connect.version, &connect.properties);
    text(body, &connect.id);
    if let Some(will) = &connect.will {
        properties(body, connect.version, &will.properties);
        text(body, &will.topic);
        text(body, &will.payload);
    }
    connect.user.iter().for_each(|user| text(body, user));
    connect.password.iter().for_each(|password| text(body, password));
}

fn acknowledge(body: &mut Vec<u8>, id: u16, first: u8) -> u8 {
    body.extend(id.to_be_bytes());
    first
}

fn properties(body: &mut Vec<u8>, version: Version, properties: &Properties) {
    if version == Version::V5 {
        variable(body, properties.bytes().len());
        body.extend(properties.bytes());
    }
}

/// A received packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    Connack { session_present: bool, code: u8 },
    Publish { topic: String, payload: Vec<u8>, qos: u8, retain: bool, dup: bool, id: u16 },
    Puback(u16),
    Pubrec(u16),
    Pubrel(u16),
    Pubcomp(u16),
    Suback(Vec<u8>),
    Unsuback,
    Pingresp,
    Disconnect(u8),
    Other(u8),
}

impl Incoming {
    /// Takes the first packet of a buffer; none if it is not complete.
    pub(super) fn take(buffer: &mut Vec<u8>, version: Version) -> Option<Result<Self, String>> {
        let (length, header) = read_variable(buffer.get(1..)?)?;
        let whole = 1 + header + length;
        if buffer.len() < whole {
            return None;
        }
        let packet: Vec<u8> = buffer.drain(..whole).collect();
        let first = packet[0];
        Some(Self::read(first, &packet[1 + header..], version).ok_or_else(|| format!("malformed packet {first:#04x}")))
    }

    fn read(first: u8, body: &[u8], version: Version) -> Option<Self> {
        let id = |at: usize| Some(u16::from_be_bytes([*body.get(at)?, *body.get(at + 1)?]));
        Some(match first >> 4 {
            2 => Self::Connack { session_present: body.first()? & 1 == 1, code: *body.get(1)? },
            3 => Self::read_publish(first, body, version)?,
            4 => Self::Puback(id(0)?),
            5 => Self::Pubrec(id(0)?),
            6 => Self::Pubrel(id(0)?),
            7 => Self::Pubcomp(id(0)?),
            9 => Self::Suback(skip_properties(body.get(2..)?, version)?.to_vec()),
            11 => Self::Unsuback,
            13 => Self::Pingresp,
            14 => Self::Disconnect(body.first().copied().unwrap_or(0)),
            other => Self::Other(other),
        })
    }

    fn read_publish(first: u8, body: &[u8], version: Version) -> Option<Self> {
        let qos = first >> 1 & 3;
        let length = usize::from(u16::from_be_bytes([*body.first()?, *body.get(1)?]));
        let topic = String::from_utf8_lossy(body.get(2..2 + length)?).into_owned();
        let mut rest = &body[2 + length..];
        let mut id = 0;
        if qos > 0 {
            id = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
            rest = &rest[2..];
        }
        let payload = skip_properties(rest, version)?.to_vec();
        Some(Self::Publish { topic, payload, qos, retain: first & 1 == 1, dup: first & 8 == 8, id })
    }
}

fn skip_properties(body: &[u8], version: Version) -> Option<&[u8]> {
    if version != Version::V5 {
        return Some(body);
    }
    let (length, header) = read_variable(body)?;
    body.get(header + length..)
}

/// A variable byte integer and how many bytes it takes.
fn read_variable(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (n, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            return Some((value, n + 1));
        }
    }
    None
}
