//! Detects packets of a board that violate the MQTT specification.
//!
//! Only what has no other explanation is a violation. If the tap changed the order of packets, rules about order do not
//! apply; in a resumed session, neither do rules about packet identifiers of earlier connections. An unknown protocol
//! name or level is not judged, because the broker must refuse it; neither are reason codes.

mod fields;
mod packets;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use rules::Rule;

use crate::decoder::{Frame, frame};

/// What a board may send next, derived from the traffic of both sides on one connection.
#[derive(Debug, Default)]
pub(super) struct Violations {
    /// The protocol version of CONNECT.
    version: Option<Version>,
    /// The first packet was seen.
    begun: bool,
    /// DISCONNECT was sent.
    left: bool,
    /// A packet after DISCONNECT was reported already.
    returned: bool,
    /// The tap has changed the order of packets.
    reordered: bool,
    /// A packet of the broker could not be parsed.
    blind: bool,
    /// CONNECT named an authentication method.
    authenticates: bool,
    /// The session expiry of CONNECT, in seconds.
    session_expiry: u32,
    broker: Option<Granted>,
    aliases: HashSet<u16>,
    /// Packet identifiers of the board that wait for an acknowledgement.
    in_use: HashMap<u16, Request>,
    /// Packets of the broker that require an acknowledgement.
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

/// What the broker granted in a CONNACK.
#[derive(Debug, Clone, Copy)]
struct Granted {
    resumed: bool,
    alias_maximum: u16,
    maximum_qos: u8,
    retain: bool,
    largest: u32,
}

/// What the board uses a packet identifier for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Request {
    Publish,
    Subscribe,
    Unsubscribe,
}

/// Packets of the broker that require an acknowledgement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Asks {
    Puback,
    Pubrec,
    Pubcomp,
}

/// A complete packet.
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
    /// Checks a packet that the board has sent; returns the rule that it violates. `arrives` if the broker gets it.
    pub(super) fn sent(&mut self, raw: &[u8], arrives: bool) -> Option<String> {
        if self.version == Some(Version::Unknown) {
            return None;
        }
        let broken = match whole(raw) {
            Ok(packet) => self.packet(packet, arrives),
            Err(Some(rule)) => Err(rule),
            // It is too large to keep: only its type is known.
            Err(None) => self.order(raw.first().map_or(0, |first| first >> 4)),
        };
        // Before CONNECT the version is unknown: only rules of all versions apply.
        broken.err().and_then(|rule| rule.in_version(self.version.unwrap_or(Version::V311)))
    }

    /// A packet that reaches the board.
    pub(super) fn delivered(&mut self, raw: &[u8]) {
        match whole(raw) {
            Ok(packet) => self.learn(packet),
            Err(_) => self.blind = true,
        }
    }

    /// From now on packets may pass in another order than the board sent them.
    pub(super) fn reorder(&mut self) {
        self.reordered = true;
    }

    fn packet(&mut self, packet: Raw<'_>, arrives: bool) -> Result<(), &'static Rule> {
        let order = self.order(packet.kind);
        if order == Err(&rules::SECOND_CONNECT) {
            // Its contents can't be relied on.
            return order;
        }
        let content = self.content(packet, arrives);
        order.and(content)
    }

    /// Checks whether a packet of this type is allowed now.
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

/// Exactly one packet. Without a body it is part of one that is too large.
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
