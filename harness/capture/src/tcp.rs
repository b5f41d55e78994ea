//! TCP connections with generated headers.

use std::net::SocketAddr;

use crate::ip::{self, TCP};

/// The maximum segment size: with headers, a segment fits an IP packet.
const SEGMENT: usize = 32 * 1024;
/// When this many bytes are unacknowledged the other side acknowledges them: the window must never look full.
const UNACKNOWLEDGED: u32 = 1 << 20;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

/// The sender of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// One TCP connection.
#[derive(Debug)]
pub(crate) struct Flow {
    client: SocketAddr,
    server: SocketAddr,
    /// The next sequence number of each side.
    sequence: [u32; 2],
    unacknowledged: [u32; 2],
    /// Which side has sent FIN.
    finished: [bool; 2],
}

impl Flow {
    pub(crate) fn new(client: SocketAddr, server: SocketAddr) -> Self {
        Self { client, server, sequence: [1000, 2000], unacknowledged: [0, 0], finished: [false, false] }
    }

    /// The three packets of the handshake.
    pub(crate) fn open(&mut self) -> [Vec<u8>; 3] {
        let syn = self.segment(Side::Client, SYN, &[]);
        self.sequence[0] += 1;
        let answer = self.segment(Side::Server, SYN | ACK, &[]);
        self.sequence[1] += 1;
        [syn, answer, self.segment(Side::Client, ACK, &[])]
    }

    /// Bytes that one side sends.
    pub(crate) fn data(&mut self, side: Side, bytes: &[u8]) -> Vec<Vec<u8>> {
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
    pub(crate) fn finish(&mut self, side: Side) -> Vec<Vec<u8>> {
        if std::mem::replace(&mut self.finished[side as usize], true) {
            return Vec::new();
        }
        let fin = self.segment(side, FIN | ACK, &[]);
        self.sequence[side as usize] = self.sequence[side as usize].wrapping_add(1);
        vec![fin, self.segment(opposite(side), ACK, &[])]
    }

    /// One side sends RST.
    pub(crate) fn reset(&mut self, side: Side) -> Vec<u8> {
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
        ip::packet(from.ip(), to.ip(), TCP, &tcp(from, to, sequence, acknowledged, flags, data))
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
    let sum = ip::transport_checksum(from.ip(), to.ip(), TCP, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_right_checksum() {
        let flow = Flow::new("10.0.0.1:50000".parse().expect("address"), "10.0.0.2:1883".parse().expect("address"));
        let packet = flow.segment(Side::Client, SYN, &[]);
        assert_eq!(ip::checksum(&[&packet[..20]]), 0);
        assert_eq!(packet.len(), 20 + 28);
    }
}
