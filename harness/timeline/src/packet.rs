//! MQTT control packets as plain data, without the bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Payload, escaped};

/// The direction of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// The board sent it.
    FromBoard,
    /// It was sent to the board.
    ToBoard,
}

/// Quality of service (MQTT 3.1.1 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum QoS {
    /// 0: at most once.
    AtMostOnce,
    /// 1: at least once.
    AtLeastOnce,
    /// 2: exactly once.
    ExactlyOnce,
}

impl TryFrom<u8> for QoS {
    type Error = String;

    fn try_from(value: u8) -> Result<Self, String> {
        match value {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            2 => Ok(Self::ExactlyOnce),
            other => Err(format!("QoS {other} does not exist (0, 1 or 2)")),
        }
    }
}

impl From<QoS> for u8 {
    fn from(qos: QoS) -> u8 {
        qos as u8
    }
}

impl fmt::Display for QoS {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", *self as u8)
    }
}

/// The will a client announced in its CONNECT (MQTT 3.1.1 §3.1.2.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Will {
    /// The topic to publish it on.
    pub topic: String,
    /// Its payload.
    pub payload: Payload,
    /// Its quality of service.
    pub qos: QoS,
    /// Whether it is retained.
    pub retain: bool,
    /// Properties (MQTT 5), in the order of their identifiers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<Property>,
}

/// One property of an MQTT 5 packet (MQTT 5 §2.2.2.2), as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Property {
    /// Its name in the specification, in lower case: `session expiry interval`. A user property is `user property KEY`.
    pub name: String,
    /// Its value: a number in decimals, text as it is, binary data as text or `0x…`.
    pub value: String,
}

/// One topic filter of a SUBSCRIBE with the requested QoS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// The topic filter, including wildcards.
    pub filter: String,
    /// Highest QoS the client wants.
    pub qos: QoS,
}

/// One MQTT control packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE", rename_all_fields = "snake_case")]
pub enum Packet {
    /// The first packet of a client.
    Connect {
        /// Protocol level: 3 is MQTT 3.1, 4 is MQTT 3.1.1, 5 is MQTT 5.
        protocol: u8,
        /// Client identifier.
        client_id: String,
        /// Keep alive in seconds; 0 disables it.
        keep_alive: u16,
        /// Clean session (3.1.1) or clean start (5).
        clean_session: bool,
        /// User name, when one was sent.
        user_name: Option<String>,
        /// Whether a password was sent; its value is never recorded.
        has_password: bool,
        /// The will, when one was announced.
        will: Option<Will>,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// The broker's answer to CONNECT.
    Connack {
        /// Whether the broker kept an earlier session.
        session_present: bool,
        /// Return code (3.1.1) or reason code (5); 0 is success.
        code: u8,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// A message.
    Publish {
        /// Topic name.
        topic: String,
        /// Its bytes.
        payload: Payload,
        /// Quality of service.
        qos: QoS,
        /// Retain flag.
        retain: bool,
        /// Whether it is a retransmission.
        dup: bool,
        /// Packet identifier, at QoS 1 and 2.
        packet_id: Option<u16>,
        /// The topic was sent as an alias (MQTT 5 §3.3.2.3.4); `topic` is the topic of the alias.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        aliased: bool,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Answer to a QoS 1 PUBLISH.
    Puback {
        /// Identifier of the PUBLISH.
        packet_id: u16,
        /// Reason code (5); 0 in 3.1.1.
        code: u8,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// First answer to a QoS 2 PUBLISH.
    Pubrec {
        /// Identifier of the PUBLISH.
        packet_id: u16,
        /// Reason code (5); 0 in 3.1.1.
        code: u8,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Release of a QoS 2 PUBLISH.
    Pubrel {
        /// Identifier of the PUBLISH.
        packet_id: u16,
        /// Reason code (5); 0 in 3.1.1.
        #[serde(default)]
        code: u8,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Last answer to a QoS 2 PUBLISH.
    Pubcomp {
        /// Identifier of the PUBLISH.
        packet_id: u16,
        /// Reason code (5); 0 in 3.1.1.
        #[serde(default)]
        code: u8,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Subscribes to topic filters.
    Subscribe {
        /// Packet identifier.
        packet_id: u16,
        /// The requested filters.
        filters: Vec<Subscription>,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Answer to SUBSCRIBE.
    Suback {
        /// Identifier of the SUBSCRIBE.
        packet_id: u16,
        /// Granted QoS per filter, or 0x80 and above for a refusal.
        codes: Vec<u8>,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Ends subscriptions.
    Unsubscribe {
        /// Packet identifier.
        packet_id: u16,
        /// The filters to unsubscribe from.
        filters: Vec<String>,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Answer to UNSUBSCRIBE.
    Unsuback {
        /// Identifier of the UNSUBSCRIBE.
        packet_id: u16,
        /// Reason code per filter (5); none in 3.1.1.
        #[serde(default)]
        codes: Vec<u8>,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Keep-alive request.
    Pingreq,
    /// Keep-alive answer.
    Pingresp,
    /// The last packet of a connection.
    Disconnect {
        /// Reason code (5); 0 in 3.1.1.
        code: u8,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Authentication exchange (5).
    Auth {
        /// Reason code.
        #[serde(default)]
        code: u8,
        /// Properties (MQTT 5), in the order of their identifiers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        properties: Vec<Property>,
    },
    /// Bytes that are not a packet; they were forwarded anyway.
    Undecodable {
        /// The reason.
        reason: String,
        /// The first bytes, in hex.
        head: String,
    },
}

impl Packet {
    /// The packet's name as the specification writes it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Connect { .. } => "CONNECT",
            Self::Connack { .. } => "CONNACK",
            Self::Publish { .. } => "PUBLISH",
            Self::Puback { .. } => "PUBACK",
            Self::Pubrec { .. } => "PUBREC",
            Self::Pubrel { .. } => "PUBREL",
            Self::Pubcomp { .. } => "PUBCOMP",
            Self::Subscribe { .. } => "SUBSCRIBE",
            Self::Suback { .. } => "SUBACK",
            Self::Unsubscribe { .. } => "UNSUBSCRIBE",
            Self::Unsuback { .. } => "UNSUBACK",
            Self::Pingreq => "PINGREQ",
            Self::Pingresp => "PINGRESP",
            Self::Disconnect { .. } => "DISCONNECT",
            Self::Auth { .. } => "AUTH",
            Self::Undecodable { .. } => "undecodable bytes",
        }
    }
}

/// One line of text: the name and the fields that matter.
impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Connect { client_id, keep_alive, clean_session, will, .. } => {
                let session = if *clean_session { "clean session" } else { "kept session" };
                write!(f, "{name} `{}`, keep alive {keep_alive} s, {session}", escaped(client_id))?;
                match will {
                    Some(will) => write!(f, ", will `{}` on `{}`", will.payload, escaped(&will.topic)),
                    None => f.write_str(", no will"),
                }
            }
            Self::Connack { code, session_present, .. } => {
                write!(f, "{name} {code}{}", if *session_present { ", session present" } else { "" })
            }
            Self::Publish { topic, payload, qos, retain, dup, .. } => {
                write!(f, "{name} `{payload}` on `{}`, QoS {qos}", escaped(topic))?;
                f.write_str(if *retain { ", retained" } else { "" })?;
                f.write_str(if *dup { ", DUP" } else { "" })
            }
            Self::Puback { packet_id, code, .. }
            | Self::Pubrec { packet_id, code, .. }
            | Self::Pubrel { packet_id, code, .. }
            | Self::Pubcomp { packet_id, code, .. } => {
                write!(f, "{name} {packet_id}")?;
                if *code == 0 { Ok(()) } else { write!(f, ", code {code:#04x}") }
            }
            Self::Unsuback { packet_id, .. } => write!(f, "{name} {packet_id}"),
            Self::Subscribe { filters, .. } => {
                let filters: Vec<_> =
                    filters.iter().map(|s| format!("`{}` QoS {}", escaped(&s.filter), s.qos)).collect();
                write!(f, "{name} {}", filters.join(", "))
            }
            Self::Suback { codes, .. } => write!(f, "{name} {}", granted(codes)),
            Self::Unsubscribe { filters, .. } => {
                let filters: Vec<_> = filters.iter().map(|filter| format!("`{}`", escaped(filter))).collect();
                write!(f, "{name} {}", filters.join(", "))
            }
            Self::Disconnect { code, .. } | Self::Auth { code, .. } if *code != 0 => {
                write!(f, "{name}, code {code:#04x}")
            }
            Self::Undecodable { reason, head } => {
                // The cut is marked, because secrets at a cut are hidden differently.
                const WHOLE: usize = 32;
                let cut = if head.len() < WHOLE { "" } else { "…" };
                write!(f, "{name} {head}{cut} ({reason})")
            }
            Self::Pingreq | Self::Pingresp | Self::Disconnect { .. } | Self::Auth { .. } => f.write_str(name),
        }
    }
}

/// What a SUBACK grants, filter by filter (MQTT 3.1.1 §3.9.3).
fn granted(codes: &[u8]) -> String {
    let words = codes.iter().map(|code| match code {
        0..=2 => format!("QoS {code}"),
        refused => format!("refused ({refused:#04x})"),
    });
    words.collect::<Vec<_>>().join(", ")
}
