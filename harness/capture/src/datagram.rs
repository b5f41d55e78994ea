//! UDP datagrams with generated headers.

use std::net::SocketAddr;

use crate::ip::{self, UDP};

/// A datagram (RFC 768) in an IP packet.
pub(crate) fn packet(from: SocketAddr, to: SocketAddr, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + data.len()).unwrap_or(u16::MAX);
    let mut datagram = Vec::with_capacity(8 + data.len());
    datagram.extend(from.port().to_be_bytes());
    datagram.extend(to.port().to_be_bytes());
    datagram.extend(length.to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(data);
    // Zero means that there is none.
    let sum = match ip::transport_checksum(from.ip(), to.ip(), UDP, &datagram) {
        0 => 0xffff,
        sum => sum,
    };
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    ip::packet(from.ip(), to.ip(), UDP, &datagram)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_has_the_right_length_and_checksum() {
        let (from, to): (SocketAddr, SocketAddr) =
            ("10.0.0.1:50000".parse().expect("address"), "10.0.0.2:123".parse().expect("address"));
        let packet = packet(from, to, b"odd");
        assert_eq!((packet.len(), &packet[24..26]), (31, &[0, 11][..]));
        assert_eq!(ip::transport_checksum(from.ip(), to.ip(), UDP, &packet[20..]), 0);
    }
}
