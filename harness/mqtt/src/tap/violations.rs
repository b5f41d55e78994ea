//! What a board sends that MQTT forbids.
//!
//! Only what nothing else can explain is a violation. Where the tap has changed the order of packets, rules about their
//! order are left out; where a session goes on, so are rules about what its earlier connection left behind. A protocol
//! name or level that is not known is not judged: to refuse it is the broker's part. Nor are reason codes.

mod fields;
mod packets;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use rules::Rule;

use super::frame::{Frame, frame};

/// What a board may send next, learned from what both sides have sent on one connection.
#[derive(Debug, Default)]
pub(super) struct Violations {
    /// What CONNECT named.
    version: Option<Version>,
    /// A first packet was seen, whichever it was.
    begun: bool,
    /// DISCONNECT was sent.
    left: bool,
    /// That something followed it was said already.
    returned: bool,
    /// The tap has changed the order of packets.
    reordered: bool,
    /// A packet of the broker could not be read.
    blind: bool,
    /// CONNECT named an authentication method.
    authenticates: bool,
    /// The session expiry of CONNECT, in seconds.
    session_expiry: u32,
    broker: Option<Granted>,
    aliases: HashSet<u16>,
    /// Packet identifiers of the board that wait for their acknowledgement.
    in_use: HashMap<u16, Request>,
    /// What the broker sent that asks for an acknowledgement.
    asked: HashSet<(Asks, u16)>,
}

/// Versions of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V31,
    V311,
    V5,
    Unknown,
}

/// What the broker said in a CONNACK that accepts.
#[derive(Debug, Clone, Copy)]
struct Granted {
    resumed: bool,
    alias_maximum: u16,
    maximum_qos: u8,
    retain: bool,
    largest: u32,
}

/// What a packet identifier of the board is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Publish,
    Subscribe,
    Unsubscribe,
}

/// Packets of the broker that ask for an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asks {
    Puback,
    Pubrec,
    Pubcomp,
}

/// A whole packet.
#[derive(Debug, Clone, Copy)]
struct Raw<'a> {
    kind: u8,
    flags: u8,
    body: &'a [u8],
    size: usize,
    /// Its length is not encoded in the fewest bytes.
    long_length: bool,
}

impl Violations {
    /// A packet that the board has sent: the rule that it breaks, if any. `arrives` where the broker gets it.
    pub(super) fn sent(&mut self, raw: &[u8], arrives: bool) -> Option<String> {
        if self.version == Some(Version::Unknown) {
            return None;
        }
        let broken = match whole(raw) {
            Ok(packet) => self.packet(packet, arrives),
            Err(Some(rule)) => Err(rule),
            // It is too large to be kept: its kind is all that is known.
            Err(None) => self.order(raw.first().map_or(0, |first| first >> 4)),
        };
        // Before CONNECT the version is not known: what is broken then is broken in all.
        broken.err().and_then(|rule| rule.in_version(self.version.unwrap_or(Version::V311)))
    }

    /// A packet that reaches the board.
    pub(super) fn delivered(&mut self, raw: &[u8]) {
        match whole(raw) {
            Ok(packet) => self.learn(packet),
            Err(_) => self.blind = true,
        }
    }

    /// From now on packets may pass in another order than the board has sent them in.
    pub(super) fn reorder(&mut self) {
        self.reordered = true;
    }

    fn packet(&mut self, packet: Raw<'_>, arrives: bool) -> Result<(), &'static Rule> {
        let order = self.order(packet.kind);
        if order == Err(&rules::SECOND_CONNECT) {
            // Nothing that it says holds.
            return order;
        }
        let content = self.content(packet, arrives);
        order.and(content)
    }

    /// Whether a packet of this kind may come now.
    fn order(&mut self, kind: u8) -> Result<(), &'static Rule> {
        let is_first = !std::mem::replace(&mut self.begun, true);
        if self.reordered {
            return Ok(());
        }
        if self.left {
            let said = std::mem::replace(&mut self.returned, true);
            return if said { Ok(()) } else { Err(&rules::AFTER_DISCONNECT) };
        }
        self.left = kind == packets::DISCONNECT;
        match kind {
            packets::CONNECT if self.version.is_some() => Err(&rules::SECOND_CONNECT),
            packets::CONNECT => Ok(()),
            _ if is_first => Err(&rules::FIRST_PACKET),
            packets::DISCONNECT | packets::AUTH => Ok(()),
            _ if self.authenticates && self.broker.is_none() => Err(&rules::BEFORE_CONNACK),
            _ => Ok(()),
        }
    }
}

/// One packet, no more and no less. Without a rule it is a part of one that is too large.
fn whole(raw: &[u8]) -> Result<Raw<'_>, Option<&'static Rule>> {
    let first = *raw.first().ok_or(None)?;
    match frame(raw) {
        Some(Frame::Whole { header, length }) if header + length == raw.len() => {
            let long_length = header > 2 && raw[header - 1] == 0;
            Ok(Raw { kind: first >> 4, flags: first & 0x0f, body: &raw[header..], size: raw.len(), long_length })
        }
        Some(Frame::Broken) if first >> 4 == 0 => Err(Some(&rules::RESERVED_TYPE)),
        Some(Frame::Broken) => Err(Some(&rules::LENGTH)),
        _ => Err(None),
    }
}
