//! What each packet must contain, and how it changes the state.

use super::fields::{self, Fields, Place, Properties, Read};
use super::rules;
use super::{Asks, Granted, Raw, Request, Version, Violations};

pub(super) const CONNECT: u8 = 1;
const CONNACK: u8 = 2;
const PUBLISH: u8 = 3;
const PUBACK: u8 = 4;
const PUBREC: u8 = 5;
const PUBREL: u8 = 6;
const PUBCOMP: u8 = 7;
const SUBSCRIBE: u8 = 8;
const SUBACK: u8 = 9;
const UNSUBSCRIBE: u8 = 10;
const UNSUBACK: u8 = 11;
const PINGREQ: u8 = 12;
const PINGRESP: u8 = 13;
pub(super) const DISCONNECT: u8 = 14;
pub(super) const AUTH: u8 = 15;

impl Violations {
    /// A packet of the board.
    pub(super) fn content(&mut self, packet: Raw<'_>, arrives: bool) -> Read<()> {
        let fields = Fields(packet.body);
        match packet.kind {
            CONNECT => self.connect(packet.flags, fields)?,
            PUBLISH => self.publish(packet.flags, fields, arrives)?,
            PUBACK => self.acknowledgement(packet.flags, fields, Some(Asks::Puback))?,
            PUBREC => self.acknowledgement(packet.flags, fields, Some(Asks::Pubrec))?,
            PUBCOMP => self.acknowledgement(packet.flags, fields, Some(Asks::Pubcomp))?,
            PUBREL if packet.flags != 2 => return Err(&rules::PUBREL_FLAGS),
            PUBREL => self.acknowledgement(0, fields, None)?,
            SUBSCRIBE => self.subscribe(packet.flags, fields, arrives)?,
            UNSUBSCRIBE => self.unsubscribe(packet.flags, fields, arrives)?,
            PINGREQ => plain(packet.flags, fields)?,
            DISCONNECT => self.disconnect(packet.flags, fields)?,
            AUTH if self.is_v5() => self.auth(packet.flags, fields)?,
            CONNACK | SUBACK | UNSUBACK | PINGRESP => return Err(&rules::SERVER_ONLY),
            _ => return Err(&rules::RESERVED_TYPE),
        }
        self.size(packet)
    }

    fn is_v5(&self) -> bool {
        self.version == Some(Version::V5)
    }

    fn size(&self, packet: Raw<'_>) -> Read<()> {
        if !self.is_v5() {
            return Ok(());
        }
        if packet.long_length {
            return Err(&rules::LONG_LENGTH);
        }
        let fits = |granted: Granted| u32::try_from(packet.size).is_ok_and(|size| size <= granted.largest);
        if self.broker.is_none_or(fits) { Ok(()) } else { Err(&rules::TOO_LARGE) }
    }

    /// Properties, in the version that has them.
    fn properties<'a>(&self, fields: &mut Fields<'a>, place: Place) -> Read<Properties<'a>> {
        if self.is_v5() { Properties::read(fields, place) } else { Ok(Properties::default()) }
    }

    fn connect(&mut self, flags: u8, mut fields: Fields<'_>) -> Read<()> {
        // Before anything else, so that violations name the rules of this version.
        self.version = Some(version(fields));
        fields.string()?;
        fields.byte()?;
        if self.version == Some(Version::Unknown) {
            return Ok(());
        }
        if flags != 0 {
            return Err(&rules::FLAGS);
        }
        let connect = fields.byte()?;
        connect_flags(connect)?;
        if connect & 0xc0 == 0x40 && !self.is_v5() {
            return Err(&rules::PASSWORD);
        }
        fields.u16()?;
        let properties = self.properties(&mut fields, Place::Connect)?;
        check_connect(&properties)?;
        self.authenticates = properties.has(fields::AUTHENTICATION_METHOD);
        self.session_expiry = properties.number(fields::SESSION_EXPIRY).unwrap_or(0);
        let is_clean = connect & 0x02 != 0;
        if fields.string()?.is_empty() && !is_clean && !self.is_v5() {
            return Err(&rules::CLIENT_ID);
        }
        self.connect_payload(connect, fields)
    }

    /// What the flags announce, and nothing more.
    fn connect_payload(&self, flags: u8, mut fields: Fields<'_>) -> Read<()> {
        let announced = |fields: &Fields<'_>, flag: u8, missing| match flags & flag != 0 {
            true if fields.is_empty() => Err(missing),
            is_set => Ok(is_set),
        };
        if announced(&fields, 0x04, &rules::NO_WILL)? {
            self.properties(&mut fields, Place::Will)?;
            let topic = fields.string()?;
            if topic.is_empty() {
                return Err(&rules::WILL_TOPIC_EMPTY);
            }
            if has_wildcard(topic) {
                return Err(&rules::WILL_TOPIC_WILDCARD);
            }
            fields.binary()?;
        }
        if announced(&fields, 0x80, &rules::NO_USER)? {
            fields.string()?;
        }
        if announced(&fields, 0x40, &rules::NO_PASSWORD)? {
            fields.binary()?;
        }
        fields.end()
    }

    fn publish(&mut self, flags: u8, mut fields: Fields<'_>, arrives: bool) -> Read<()> {
        let (dup, qos, retain) = (flags & 8 != 0, (flags >> 1) & 3, flags & 1 != 0);
        if qos == 3 {
            return Err(&rules::QOS_3);
        }
        if dup && qos == 0 {
            return Err(&rules::DUP);
        }
        let topic = fields.string()?;
        if has_wildcard(topic) {
            return Err(&rules::TOPIC_WILDCARD);
        }
        let id = if qos > 0 { Some(fields.id()?) } else { None };
        let properties = self.properties(&mut fields, Place::Publish)?;
        self.alias(topic, &properties)?;
        if properties.has(fields::SUBSCRIPTION_ID) {
            return Err(&rules::SUBSCRIPTION_ID_SENT);
        }
        if properties.response_topic.is_some_and(has_wildcard) {
            return Err(&rules::RESPONSE_TOPIC);
        }
        if let Some(granted) = self.broker.filter(|_| self.is_v5()) {
            if qos > granted.maximum_qos {
                return Err(&rules::QOS_MAXIMUM);
            }
            if retain && !granted.retain {
                return Err(&rules::NO_RETAIN);
            }
        }
        match id {
            Some(id) => self.uses(id, Request::Publish, dup, arrives),
            None => Ok(()),
        }
    }

    /// A topic, or an alias that replaces one.
    fn alias(&mut self, topic: &str, properties: &Properties<'_>) -> Read<()> {
        let Some(alias) = properties.number(fields::TOPIC_ALIAS) else {
            return if topic.is_empty() { Err(&rules::NO_TOPIC) } else { Ok(()) };
        };
        // Two bytes on the wire.
        let alias = u16::try_from(alias).unwrap_or(u16::MAX);
        if alias == 0 {
            return Err(&rules::ALIAS_0);
        }
        if self.broker.is_some_and(|granted| alias > granted.alias_maximum) {
            return Err(&rules::ALIAS_MAXIMUM);
        }
        if !topic.is_empty() {
            self.aliases.insert(alias);
        } else if !self.reordered && !self.aliases.contains(&alias) {
            return Err(&rules::ALIAS_UNKNOWN);
        }
        Ok(())
    }

    /// Marks a packet identifier as used until its acknowledgement; only a PUBLISH may be sent again with it.
    fn uses(&mut self, id: u16, request: Request, again: bool, arrives: bool) -> Read<()> {
        let earlier = self.in_use.get(&id).copied();
        if arrives {
            self.in_use.insert(id, request);
        }
        let is_free = earlier.is_none() || again && earlier == Some(Request::Publish);
        if is_free || self.blind || self.reordered { Ok(()) } else { Err(&rules::ID_IN_USE) }
    }

    fn acknowledgement(&self, flags: u8, mut fields: Fields<'_>, of: Option<Asks>) -> Read<()> {
        if flags != 0 {
            return Err(&rules::FLAGS);
        }
        let id = fields.id()?;
        if self.is_v5() && !fields.is_empty() {
            fields.byte()?;
            if !fields.is_empty() {
                self.properties(&mut fields, Place::Acknowledgement)?;
            }
        }
        fields.end()?;
        // Identifiers of an earlier connection of the session are unknown here.
        let is_known = !self.blind && self.broker.is_some_and(|granted| !granted.resumed);
        let was_asked = |asks: Asks| self.asked.contains(&(asks, id));
        if is_known && !of.is_none_or(was_asked) { Err(&rules::UNASKED) } else { Ok(()) }
    }

    fn subscribe(&mut self, flags: u8, mut fields: Fields<'_>, arrives: bool) -> Read<()> {
        if flags != 2 && self.version != Some(Version::V31) {
            return Err(&rules::SUBSCRIBE_FLAGS);
        }
        let id = fields.id()?;
        let properties = self.properties(&mut fields, Place::Subscribe)?;
        if properties.number(fields::SUBSCRIPTION_ID) == Some(0) {
            return Err(&rules::SUBSCRIPTION_ID_0);
        }
        if fields.is_empty() {
            return Err(&rules::NO_SUBSCRIPTION);
        }
        while !fields.is_empty() {
            let filter = fields.string()?;
            self.filter(filter)?;
            self.options(fields.byte()?, filter)?;
        }
        self.uses(id, Request::Subscribe, false, arrives)
    }

    fn options(&self, options: u8, filter: &str) -> Read<()> {
        let reserved = if self.is_v5() { 0xc0 } else { 0xfc };
        match options {
            _ if options & reserved != 0 => Err(&rules::SUBSCRIBE_OPTIONS),
            _ if options & 3 == 3 => Err(&rules::SUBSCRIBE_QOS_3),
            _ if options & 0x30 == 0x30 => Err(&rules::RETAIN_HANDLING),
            _ if options & 4 != 0 && filter.starts_with("$share/") => Err(&rules::NO_LOCAL),
            _ => Ok(()),
        }
    }

    fn unsubscribe(&mut self, flags: u8, mut fields: Fields<'_>, arrives: bool) -> Read<()> {
        if flags != 2 && self.version != Some(Version::V31) {
            return Err(&rules::UNSUBSCRIBE_FLAGS);
        }
        let id = fields.id()?;
        self.properties(&mut fields, Place::Unsubscribe)?;
        if fields.is_empty() {
            return Err(&rules::NO_FILTER);
        }
        while !fields.is_empty() {
            self.filter(fields.string()?)?;
        }
        self.uses(id, Request::Unsubscribe, false, arrives)
    }

    fn filter(&self, filter: &str) -> Read<()> {
        let shared = filter.strip_prefix("$share/").filter(|_| self.is_v5());
        let Some(shared) = shared else { return levels(filter) };
        match shared.split_once('/') {
            Some((name, filter)) if !name.is_empty() && !filter.is_empty() && !has_wildcard(name) => levels(filter),
            _ => Err(&rules::SHARE),
        }
    }

    fn disconnect(&self, flags: u8, mut fields: Fields<'_>) -> Read<()> {
        if !self.is_v5() {
            return plain(flags, fields);
        }
        if flags != 0 {
            return Err(&rules::FLAGS);
        }
        if !fields.is_empty() {
            fields.byte()?;
        }
        if fields.is_empty() {
            return Ok(());
        }
        let properties = self.properties(&mut fields, Place::Disconnect)?;
        fields.end()?;
        let expiry = properties.number(fields::SESSION_EXPIRY).unwrap_or(0);
        if expiry != 0 && self.session_expiry == 0 { Err(&rules::EXPIRY_AFTER_0) } else { Ok(()) }
    }

    fn auth(&self, flags: u8, mut fields: Fields<'_>) -> Read<()> {
        if flags != 0 {
            return Err(&rules::FLAGS);
        }
        if !self.authenticates {
            return Err(&rules::AUTH_WITHOUT_METHOD);
        }
        if !fields.is_empty() {
            fields.byte()?;
        }
        if !fields.is_empty() {
            self.properties(&mut fields, Place::Auth)?;
        }
        fields.end()
    }

    /// A packet of the broker: what it grants, requires and acknowledges.
    pub(super) fn learn(&mut self, packet: Raw<'_>) {
        let mut fields = Fields(packet.body);
        let id = |fields: &mut Fields<'_>| fields.u16().unwrap_or(0);
        match packet.kind {
            CONNACK => self.granted(fields),
            PUBLISH => {
                let asks = match (packet.flags >> 1) & 3 {
                    0 => return,
                    1 => Asks::Puback,
                    _ => Asks::Pubrec,
                };
                let topic = usize::from(fields.u16().unwrap_or(0));
                if fields.take(topic).is_ok() {
                    self.asked.insert((asks, id(&mut fields)));
                }
            }
            PUBREL => {
                self.asked.insert((Asks::Pubcomp, id(&mut fields)));
            }
            PUBREC => {
                let id = id(&mut fields);
                // A refusal ends it (MQTT 5 §4.3.3).
                if self.is_v5() && fields.byte().is_ok_and(|code| code >= 0x80) {
                    self.in_use.remove(&id);
                }
            }
            PUBACK | PUBCOMP | SUBACK | UNSUBACK => {
                self.in_use.remove(&id(&mut fields));
            }
            _ => {}
        }
    }

    fn granted(&mut self, mut fields: Fields<'_>) {
        let (Ok(flags), Ok(0)) = (fields.byte(), fields.byte()) else { return };
        // Without properties, or with invalid ones, the defaults of MQTT 5 §3.2.2.3 apply.
        let properties = self.properties(&mut fields, Place::Connack);
        let Ok(properties) = properties else {
            self.blind = true;
            return;
        };
        let number = |id, default| properties.number(id).unwrap_or(default);
        self.broker = Some(Granted {
            // MQTT 3.1 has no such rule.
            resumed: flags & 1 != 0 || self.version == Some(Version::V31),
            alias_maximum: u16::try_from(number(fields::TOPIC_ALIAS_MAXIMUM, 0)).unwrap_or(u16::MAX),
            maximum_qos: u8::try_from(number(fields::MAXIMUM_QOS, 2)).unwrap_or(2),
            retain: number(fields::RETAIN_AVAILABLE, 1) != 0,
            largest: number(fields::MAXIMUM_PACKET_SIZE, u32::MAX),
        });
    }
}

/// No flags and no fields.
fn plain(flags: u8, fields: Fields<'_>) -> Read<()> {
    if flags == 0 { fields.end() } else { Err(&rules::FLAGS) }
}

/// Protocol name and level of CONNECT (MQTT 3.1.1 §3.1.2.1, §3.1.2.2).
fn version(mut fields: Fields<'_>) -> Version {
    match (fields.binary(), fields.byte()) {
        (Ok(b"MQIsdp"), Ok(3)) => Version::V31,
        (Ok(b"MQTT"), Ok(4)) => Version::V311,
        (Ok(b"MQTT"), Ok(5)) => Version::V5,
        _ => Version::Unknown,
    }
}

fn connect_flags(flags: u8) -> Read<()> {
    let (has_will, will_qos, will_retain) = (flags & 4 != 0, (flags >> 3) & 3, flags & 0x20 != 0);
    match flags {
        _ if flags & 1 != 0 => Err(&rules::CONNECT_FLAG),
        _ if will_qos == 3 => Err(&rules::WILL_QOS_3),
        _ if !has_will && will_qos != 0 => Err(&rules::WILL_QOS),
        _ if !has_will && will_retain => Err(&rules::WILL_RETAIN),
        _ => Ok(()),
    }
}

fn check_connect(properties: &Properties<'_>) -> Read<()> {
    let number = |id| properties.number(id);
    if number(fields::RECEIVE_MAXIMUM) == Some(0) {
        return Err(&rules::RECEIVE_MAXIMUM);
    }
    if number(fields::MAXIMUM_PACKET_SIZE) == Some(0) {
        return Err(&rules::MAXIMUM_SIZE);
    }
    if number(fields::REQUEST_RESPONSE_INFORMATION) > Some(1) {
        return Err(&rules::RESPONSE_INFORMATION);
    }
    if number(fields::REQUEST_PROBLEM_INFORMATION) > Some(1) {
        return Err(&rules::PROBLEM_INFORMATION);
    }
    if properties.has(fields::AUTHENTICATION_DATA) && !properties.has(fields::AUTHENTICATION_METHOD) {
        return Err(&rules::AUTHENTICATION_DATA);
    }
    Ok(())
}

fn has_wildcard(topic: &str) -> bool {
    topic.contains(['#', '+'])
}

/// The levels of a topic filter (MQTT 3.1.1 §4.7.1).
fn levels(filter: &str) -> Read<()> {
    if filter.is_empty() {
        return Err(&rules::EMPTY_FILTER);
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(&rules::MULTI_LEVEL);
        }
        if level.contains('+') && level != "+" {
            return Err(&rules::SINGLE_LEVEL);
        }
    }
    Ok(())
}
