//! Parses the fields of a packet strictly.

use super::rules::{self, Rule};

/// The rest of a packet's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

pub(super) type Read<T> = Result<T, &'static Rule>;

impl<'a> Fields<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(&rules::ENDS_EARLY)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Read<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    pub(super) fn u16(&mut self) -> Read<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    pub(super) fn u32(&mut self) -> Read<u32> {
        self.take(4).map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub(super) fn binary(&mut self) -> Read<&'a [u8]> {
        let length = self.u16()?;
        self.take(usize::from(length))
    }

    pub(super) fn string(&mut self) -> Read<&'a str> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| &rules::NOT_UTF8)?;
        if text.contains('\0') { Err(&rules::NUL) } else { Ok(text) }
    }

    /// A variable byte integer (MQTT 5 §1.5.5).
    pub(super) fn variable(&mut self) -> Read<u32> {
        let mut value = 0;
        for n in 0..4 {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f) << (7 * n);
            if byte & 0x80 == 0 {
                return if byte == 0 && n > 0 { Err(&rules::LONG_LENGTH) } else { Ok(value) };
            }
        }
        Err(&rules::LENGTH)
    }

    /// Packet identifiers are never 0.
    pub(super) fn id(&mut self) -> Read<u16> {
        match self.u16()? {
            0 => Err(&rules::ID_0),
            id => Ok(id),
        }
    }

    /// Checks that the body ends here.
    pub(super) fn end(self) -> Read<()> {
        if self.is_empty() { Ok(()) } else { Err(&rules::TRAILING) }
    }
}

/// The data types of properties (MQTT 5 §2.2.2.2).
#[derive(Debug, Clone, Copy)]
enum Kind {
    Byte,
    TwoBytes,
    FourBytes,
    Variable,
    Text,
    Pair,
    Binary,
}

/// Where a client may send properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Connect,
    Will,
    Publish,
    Acknowledgement,
    Subscribe,
    Unsubscribe,
    Disconnect,
    Auth,
    /// The broker's CONNACK: it is parsed for its limits.
    Connack,
}

/// A property (MQTT 5 §2.2.2.2, table 2-4): its identifier, its type, and where it is allowed.
type Known = (u8, Kind, &'static [Place]);

const KNOWN: &[Known] = {
    use Place::{Acknowledgement, Auth, Connack, Connect, Disconnect, Publish, Subscribe, Unsubscribe, Will};
    &[
        (0x01, Kind::Byte, &[Publish, Will]),
        (0x02, Kind::FourBytes, &[Publish, Will]),
        (0x03, Kind::Text, &[Publish, Will]),
        (0x08, Kind::Text, &[Publish, Will]),
        (0x09, Kind::Binary, &[Publish, Will]),
        // A server's PUBLISH may have it; for a client's there is a separate rule.
        (SUBSCRIPTION_ID, Kind::Variable, &[Subscribe, Publish]),
        (SESSION_EXPIRY, Kind::FourBytes, &[Connect, Connack, Disconnect]),
        (0x12, Kind::Text, &[Connack]),
        (0x13, Kind::TwoBytes, &[Connack]),
        (AUTHENTICATION_METHOD, Kind::Text, &[Connect, Connack, Auth]),
        (AUTHENTICATION_DATA, Kind::Binary, &[Connect, Connack, Auth]),
        (REQUEST_PROBLEM_INFORMATION, Kind::Byte, &[Connect]),
        (0x18, Kind::FourBytes, &[Will]),
        (REQUEST_RESPONSE_INFORMATION, Kind::Byte, &[Connect]),
        (0x1a, Kind::Text, &[Connack]),
        (0x1c, Kind::Text, &[Connack, Disconnect]),
        (0x1f, Kind::Text, &[Connack, Acknowledgement, Disconnect, Auth]),
        (RECEIVE_MAXIMUM, Kind::TwoBytes, &[Connect, Connack]),
        (TOPIC_ALIAS_MAXIMUM, Kind::TwoBytes, &[Connect, Connack]),
        (TOPIC_ALIAS, Kind::TwoBytes, &[Publish]),
        (MAXIMUM_QOS, Kind::Byte, &[Connack]),
        (RETAIN_AVAILABLE, Kind::Byte, &[Connack]),
        (
            USER_PROPERTY,
            Kind::Pair,
            &[Connect, Will, Publish, Connack, Acknowledgement, Subscribe, Unsubscribe, Disconnect, Auth],
        ),
        (MAXIMUM_PACKET_SIZE, Kind::FourBytes, &[Connect, Connack]),
        (0x28, Kind::Byte, &[Connack]),
        (0x29, Kind::Byte, &[Connack]),
        (0x2a, Kind::Byte, &[Connack]),
    ]
};

pub(super) const RESPONSE_TOPIC: u8 = 0x08;
pub(super) const SUBSCRIPTION_ID: u8 = 0x0b;
pub(super) const SESSION_EXPIRY: u8 = 0x11;
pub(super) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(super) const AUTHENTICATION_DATA: u8 = 0x16;
pub(super) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
pub(super) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
pub(super) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(super) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(super) const TOPIC_ALIAS: u8 = 0x23;
pub(super) const MAXIMUM_QOS: u8 = 0x24;
pub(super) const RETAIN_AVAILABLE: u8 = 0x25;
const USER_PROPERTY: u8 = 0x26;
pub(super) const MAXIMUM_PACKET_SIZE: u8 = 0x27;

impl Place {
    fn twice(self) -> &'static Rule {
        match self {
            Self::Connect | Self::Connack => &rules::TWICE_IN_CONNECT,
            Self::Will => &rules::TWICE_IN_WILL,
            Self::Publish => &rules::TWICE_IN_PUBLISH,
            Self::Acknowledgement => &rules::TWICE_IN_ACKNOWLEDGEMENT,
            // UNSUBSCRIBE allows only user properties, which may occur more than once.
            Self::Subscribe | Self::Unsubscribe => &rules::TWICE_IN_SUBSCRIBE,
            Self::Disconnect => &rules::TWICE_IN_DISCONNECT,
            Self::Auth => &rules::TWICE_IN_AUTH,
        }
    }
}

/// The properties of a packet: numbers by identifier; for strings and binary data only that they exist.
#[derive(Debug, Default)]
pub(super) struct Properties<'a> {
    numbers: Vec<(u8, u32)>,
    pub(super) response_topic: Option<&'a str>,
}

impl<'a> Properties<'a> {
    /// Parses the properties of one packet or will.
    pub(super) fn read(fields: &mut Fields<'a>, place: Place) -> Read<Self> {
        let length = fields.variable()?;
        let mut all = Fields(fields.take(usize::try_from(length).unwrap_or(usize::MAX))?);
        let mut read = Self::default();
        while !all.is_empty() {
            read.one(&mut all, place)?;
        }
        Ok(read)
    }

    fn one(&mut self, all: &mut Fields<'a>, place: Place) -> Read<()> {
        let id = u8::try_from(all.variable()?).map_err(|_| &rules::NO_PROPERTY)?;
        let known = KNOWN.iter().find(|(known, _, places)| *known == id && places.contains(&place));
        let (_, kind, _) = known.ok_or(&rules::NO_PROPERTY)?;
        if id != USER_PROPERTY && self.has(id) {
            return Err(place.twice());
        }
        let value = match kind {
            Kind::Byte => u32::from(all.byte()?),
            Kind::TwoBytes => u32::from(all.u16()?),
            Kind::FourBytes => all.u32()?,
            Kind::Variable => all.variable()?,
            Kind::Text => {
                let text = all.string()?;
                if id == RESPONSE_TOPIC {
                    self.response_topic = Some(text);
                }
                0
            }
            Kind::Pair => {
                all.string()?;
                all.string()?;
                0
            }
            Kind::Binary => {
                all.binary()?;
                0
            }
        };
        self.numbers.push((id, value));
        Ok(())
    }

    pub(super) fn has(&self, id: u8) -> bool {
        self.number(id).is_some()
    }

    pub(super) fn number(&self, id: u8) -> Option<u32> {
        self.numbers.iter().find(|(known, _)| *known == id).map(|(_, value)| *value)
    }
}
