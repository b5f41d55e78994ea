//! The connections of a tap in the capture: each board has an interface for its side and one for the broker's.
//!
//! Both carry plain MQTT to port 1883, whatever the real transport is.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hil_capture::{Capture, Interface, Stream};
use hil_timeline::{Direction, Mask, Packet, Stamp};

use crate::decoder::{Credentials, credentials_of};

/// The two sides of the tap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TapSide {
    /// Between board and tap.
    Board,
    /// Between tap and broker.
    Broker,
}

/// The registered port of MQTT; opaque TLS uses 8883.
const MQTT: u16 = 1883;
const MQTT_TLS: u16 = 8883;

/// A connection in a capture.
#[derive(Debug)]
pub(crate) struct Wire {
    sides: [Stream; 2],
    mask: Option<Mask>,
}

impl Wire {
    /// A connection of a board from `near`; `opaque` if it is TLS that is not decrypted.
    pub(crate) fn new(
        capture: &Capture,
        board: &str,
        (connection, near): (u32, SocketAddr),
        at: Stamp,
        opaque: bool,
    ) -> Self {
        let port = if opaque { MQTT_TLS } else { MQTT };
        let comment = format!("board {board}, connection {connection}, from {near}");
        let side = |name: String, description: String, client: IpAddr| {
            capture.stream(&Interface { name, description }, client, port, comment.clone(), at)
        };
        let near = side(board.to_owned(), format!("board {board} and its tap"), near.ip());
        let far = format!("the tap of board {board} and the broker");
        let far = side(format!("{board}-broker"), far, Ipv4Addr::LOCALHOST.into());
        Self { sides: [near, far], mask: capture.mask() }
    }

    /// A complete packet, or bytes that could not be decoded.
    pub(crate) fn bytes(
        &self,
        at: Stamp,
        side: TapSide,
        direction: Direction,
        raw: &[u8],
        packet: Option<&Packet>,
        protocol: u8,
    ) {
        let mut raw = raw.to_vec();
        if self.mask.is_some() {
            hide(&mut raw, packet, protocol);
        }
        self.sides[side as usize].bytes(at, direction == Direction::FromBoard, &raw);
    }

    /// One side has sent FIN; the other may still send.
    pub(crate) fn fin(&self, at: Stamp, by_board: bool) {
        self.sides.iter().for_each(|side| side.fin(at, by_board));
    }

    /// The connection is closed, with FIN or with RST.
    pub(crate) fn end(&self, at: Stamp, by_board: bool, hard: bool) {
        self.sides.iter().for_each(|side| side.end(at, by_board, hard));
    }
}

/// Passwords and authentication data are replaced by `*`; the length stays the same.
fn hide(raw: &mut [u8], packet: Option<&Packet>, protocol: u8) {
    const WITH_CREDENTIALS: [u8; 3] = [1, 2, 15];
    let may_have = raw.len() > 2 && WITH_CREDENTIALS.contains(&(raw[0] >> 4));
    if let Some(packet) = packet.filter(|_| may_have) {
        let hidden = credentials_of(raw, protocol).is_some_and(|credentials| hide_credentials(raw, &credentials));
        let properties = match packet {
            Packet::Connect { properties, .. }
            | Packet::Connack { properties, .. }
            | Packet::Auth { properties, .. } => properties.as_slice(),
            _ => &[],
        };
        let has_some = matches!(packet, Packet::Undecodable { .. } | Packet::Connect { has_password: true, .. })
            || properties.iter().any(|property| property.name == "authentication data");
        // Their position is unknown, so the whole packet is hidden.
        if has_some && !hidden {
            raw[2..].fill(b'*');
        }
    }
}

/// Returns whether all of them were found.
fn hide_credentials(raw: &mut [u8], credentials: &Credentials) -> bool {
    let length = raw.len();
    let password = match &credentials.password {
        // The password is the last field (MQTT 3.1.1 §3.1.3); invalid trailing bytes may follow it.
        Some(password) if raw.ends_with(password) => {
            raw[length - password.len()..].fill(b'*');
            true
        }
        password => password.is_none(),
    };
    credentials.data.iter().all(|data| hide_property(raw, data)) && password
}

/// A property with binary data: its identifier, its length, and the bytes (MQTT 5 §2.2.2).
fn hide_property(raw: &mut [u8], data: &[u8]) -> bool {
    const AUTHENTICATION_DATA: u8 = 0x16;
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX).to_be_bytes();
    let whole = [&[AUTHENTICATION_DATA], &length[..], data].concat();
    let places: Vec<_> = (0..raw.len()).filter(|at| raw[*at..].starts_with(&whole)).collect();
    places.iter().for_each(|at| raw[at + 3..at + whole.len()].fill(b'*'));
    !places.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The authentication data property.
    fn data(text: &[u8]) -> Vec<u8> {
        [&[0x16, 0, u8::try_from(text.len()).expect("short")], text].concat()
    }

    fn hidden(raw: &[u8], direction: Direction) -> String {
        let packets = crate::decoder::Decoder::default().push(direction, raw);
        let mut raw = raw.to_vec();
        hide(&mut raw, packets.first().and_then(|decoded| decoded.packet.as_ref()), 5);
        String::from_utf8_lossy(&raw).into_owned()
    }

    #[test]
    fn authentication_data_is_hidden_in_every_packet_that_has_it() {
        let method = b"\x15\0\x05SCRAM";
        let properties = [method.as_slice(), &data(b"c3cr3t")].concat();
        let size = u8::try_from(properties.len()).expect("short");
        let auth = [&[0xf0, size + 2, 0x18, size], properties.as_slice()].concat();
        let connack = [&[0x20, size + 3, 0, 0, size], properties.as_slice()].concat();
        let begin = [b"\0\x04MQTT\x05\xc2\0\x3c", &[size][..], &properties].concat();
        let body = [begin.as_slice(), b"\0\x02id\0\x04user\0\x06c3cr3t"].concat();
        let connect = [&[0x10, u8::try_from(body.len()).expect("short")], body.as_slice()].concat();
        use Direction::{FromBoard, ToBoard};
        for (packet, direction) in [(auth, FromBoard), (connack, ToBoard), (connect, FromBoard)] {
            let shown = hidden(&packet, direction);
            assert!(shown.contains("SCRAM") && shown.contains("******"), "{shown:?}");
            assert!(!shown.contains("c3cr3t"), "{shown:?}");
        }
    }
}
