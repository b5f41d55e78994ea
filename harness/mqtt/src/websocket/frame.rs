//! The header of a frame (RFC 6455 §5.2).

use std::io;

pub(super) const CONTINUATION: u8 = 0x0;
pub(super) const TEXT: u8 = 0x1;
pub(super) const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
/// The maximum payload of a control frame (§5.5).
pub(super) const LARGEST_CONTROL: u64 = 125;

/// A header and what it says about its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) opcode: u8,
    /// The last frame of its message.
    pub(super) fin: bool,
    pub(super) length: u64,
    pub(super) mask: Option<[u8; 4]>,
}

impl Header {
    /// The length of the header that begins with these bytes.
    pub(super) fn size(begins: &[u8]) -> usize {
        let Some(second) = begins.get(1) else { return 2 };
        let length = match second & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if second & MASKED == 0 { 0 } else { 4 }
    }

    /// Reads a complete header.
    pub(super) fn read(bytes: &[u8]) -> io::Result<Self> {
        let (first, second) = (bytes[0], bytes[1]);
        if first & RESERVED != 0 {
            return Err(broken("a WebSocket frame has a reserved bit set"));
        }
        let masked = second & MASKED != 0;
        let (length, mask) = bytes[2..].split_at(bytes.len() - 2 - if masked { 4 } else { 0 });
        let length = match length {
            [] => u64::from(second & !MASKED),
            length => length.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)),
        };
        let mask = <[u8; 4]>::try_from(mask).ok();
        let header = Self { opcode: first & 0x0f, fin: first & FIN != 0, length, mask };
        match header.opcode {
            CONTINUATION | TEXT | BINARY => Ok(header),
            CLOSE | PING | PONG if header.fin && length <= LARGEST_CONTROL => Ok(header),
            CLOSE | PING | PONG => Err(broken("a WebSocket control frame is too long or in parts")),
            _ => Err(broken("a WebSocket frame has an unknown opcode")),
        }
    }

    /// Appends the header, and the payload as it is on the wire.
    pub(super) fn write(self, payload: &[u8], out: &mut Vec<u8>) {
        out.push(self.opcode | if self.fin { FIN } else { 0 });
        let masked = if self.mask.is_some() { MASKED } else { 0 };
        match (u8::try_from(self.length), u16::try_from(self.length)) {
            (Ok(length @ 0..126), _) => out.push(length | masked),
            (_, Ok(length)) => {
                out.push(126 | masked);
                out.extend(length.to_be_bytes());
            }
            _ => {
                out.push(127 | masked);
                out.extend(self.length.to_be_bytes());
            }
        }
        out.extend(self.mask.iter().flatten());
        let at = out.len();
        out.extend(payload);
        if let Some(mask) = self.mask {
            unmask(&mut out[at..], mask, 0);
        }
    }

    pub(super) fn is_control(self) -> bool {
        self.opcode & CLOSE != 0
    }
}

/// Masks or unmasks a part of a payload that begins at this offset (§5.3).
pub(super) fn unmask(bytes: &mut [u8], mut mask: [u8; 4], at: u64) {
    mask.rotate_left((at % 4) as usize);
    let [a, b, c, d] = mask;
    let twice = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ twice).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
}

pub(super) fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}
