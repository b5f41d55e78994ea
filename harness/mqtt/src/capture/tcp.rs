//! TCP/IP headers that are generated around the bytes, so that programs that read captures see complete connections.

use std::net::{IpAddr, SocketAddr};

/// The maximum segment size: with headers, a segment fits an IP packet.
const SEGMENT: usize = 32 * 1024;
/// When this many bytes are unacknowledged the other side acknowledges them: the window must never look full.
const UNACKNOWLEDGED: u32 = 1 << 20;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

const TCP: u8 = 6;
const HOPS: u8 = 64;

/// The sender of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Server,
}

/// One TCP connection.
#[derive(Debug)]
pub(super) struct Flow {
    client: SocketAddr,
    server: SocketAddr,
    /// The next sequence number of each side.
    sequence: [u32; 2],
    unacknowledged: [u32; 2],
    /// Which side has sent FIN.
    finished: [bool; 2],
}

impl Flow {
    pub(super) fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self { client, server, sequence: [1000, 2000], unacknowledged: [0, 0], finished: [false, false] }
    }

    /// Call before the connection is opened.
    pub(super) fn set_server_port(&mut self, port: u16) {
        self.server.set_port(port);
    }

    /// The three packets of the handshake.
    pub(super) fn open(&mut self) -> [Vec<u8>; 3] {
        let syn = self.segment(Side::Client, SYN, &[]);
        self.sequence[0] += 1;
        let answer = self.segment(Side::Server, SYN | ACK, &[]);
        self.sequence[1] += 1;
        [syn, answer, self.segment(Side::Client, ACK, &[])]
    }

    /// Bytes that one side sends.
    pub(super) fn data(&mut self, side: Side, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut packets = Vec::new();
        if self.finished[side as usize] {
            return packets;
        }
        for chunk in bytes.chunks(SEGMENT) {
            packets.push(self.segment(side, PSH | ACK, chunk));
            let length = u32::try_from(chunk.len()).unwrap_or_default();
            let (me, other) = (side as usize, 1 - side as usize);
            self.sequence[me] = self.sequence[me].wrapping_add(length);
            self.unacknowledged[other] = 0;
            self.unacknowledged[me] += length;
            if self.unacknowledged[me] > UNACKNOWLEDGED {
                self.unacknowledged[me] = 0;
                packets.push(self.segment(opposite(side), ACK, &[]));
            }
        }
        packets
    }

    /// One side sends FIN; the other may continue.
    pub(super) fn finish(&mut self, side: Side) -> Vec<Vec<u8>> {
        if std::mem::replace(&mut self.finished[side as usize], true) {
            return Vec::new();
        }
        let fin = self.segment(side, FIN | ACK, &[]);
        self.sequence[side as usize] = self.sequence[side as usize].wrapping_add(1);
        vec![fin, self.segment(opposite(side), ACK, &[])]
    }

    /// One side sends RST.
    pub(super) fn reset(&mut self, side: Side) -> Vec<u8> {
        self.finished = [true, true];
        self.segment(side, RST | ACK, &[])
    }

    fn segment(&self, side: Side, flags: u8, data: &[u8]) -> Vec<u8> {
        let (from, to) = match side {
            Side::Client => (self.client, self.server),
            Side::Server => (self.server, self.client),
        };
        let sequence = self.sequence[side as usize];
        let acknowledged = if flags & ACK == 0 { 0 } else { self.sequence[opposite(side) as usize] };
        ip(from.ip(), to.ip(), &tcp(from, to, sequence, acknowledged, flags, data))
    }
}

fn opposite(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

/// A TCP segment (RFC 9293 §3.1).
fn tcp(from: SocketAddr, to: SocketAddr, sequence: u32, acknowledged: u32, flags: u8, data: &[u8]) -> Vec<u8> {
    // Maximum segment size, and a window scale of 14: no window ever looks full.
    let options: &[u8] = if flags & SYN == 0 { &[] } else { &[2, 4, 0x7f, 0xff, 3, 3, 14, 1] };
    let words = u8::try_from(5 + options.len() / 4).unwrap_or(5);
    let mut segment = Vec::with_capacity(28 + data.len());
    segment.extend(from.port().to_be_bytes());
    segment.extend(to.port().to_be_bytes());
    segment.extend(sequence.to_be_bytes());
    segment.extend(acknowledged.to_be_bytes());
    segment.extend([words << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(options);
    segment.extend(data);
    let length = u32::try_from(segment.len()).unwrap_or_default();
    let mut pseudo = address_bytes(from.ip());
    pseudo.extend(address_bytes(to.ip()));
    pseudo.extend(length.to_be_bytes());
    pseudo.extend(u32::from(TCP).to_be_bytes());
    let sum = checksum(&[&pseudo, &segment]);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// An IP packet of version 4 (RFC 791) or 6 (RFC 8200).
fn ip(from: IpAddr, to: IpAddr, payload: &[u8]) -> Vec<u8> {
    let mut packet = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let length = u16::try_from(20 + payload.len()).unwrap_or(u16::MAX);
            let mut header = vec![0x45, 0];
            header.extend(length.to_be_bytes());
            header.extend([0, 0, 0x40, 0, HOPS, TCP, 0, 0]);
            header.extend(from.octets());
            header.extend(to.octets());
            let sum = checksum(&[&header]);
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            header
        }
        (from, to) => {
            let length = u16::try_from(payload.len()).unwrap_or(u16::MAX);
            let mut header = vec![0x60, 0, 0, 0];
            header.extend(length.to_be_bytes());
            header.extend([TCP, HOPS]);
            header.extend(address_v6(from));
            header.extend(address_v6(to));
            header
        }
    };
    packet.extend(payload);
    packet
}

fn address_v6(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

fn address_bytes(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// The internet checksum (RFC 1071); every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |byte| u32::from(*byte));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_rfc_1071() {
        // The example of RFC 1071 §3.
        assert_eq!(checksum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), !0xddf2);
    }

    #[test]
    fn a_header_has_the_right_checksum() {
        let flow = Flow::new("10.0.0.1:50000".parse().expect("address"), "10.0.0.2:1883".parse().expect("address"));
        let packet = flow.segment(Side::Client, SYN, &[]);
        assert_eq!(checksum(&[&packet[..20]]), 0);
        assert_eq!(packet.len(), 20 + 28);
    }
}
