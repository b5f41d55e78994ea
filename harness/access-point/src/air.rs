//! Frames for the station, and the packets in them.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ETHERNET_HEADER_LEN, EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IPV4_HEADER_LEN, IpProtocol,
    Ipv4Packet, Ipv4Repr, UDP_HEADER_LEN, UdpPacket, UdpRepr,
};

/// The longest IP packet, in bytes: the MTU of Wi-Fi stations is Ethernet's (RFC 894).
pub(crate) const MTU: usize = 1500;

/// The longest datagram without its headers, in bytes: nothing is fragmented.
pub(crate) const LONGEST_DATAGRAM: usize = MTU - IPV4_HEADER_LEN - UDP_HEADER_LEN;

/// How many frames wait for the station. What would be sent beyond is lost or, for TCP, waits.
const MOST_FRAMES: usize = 64;

/// The way to the station.
#[derive(Debug)]
pub(crate) struct Air {
    mac: EthernetAddress,
    /// The station, once it has sent something.
    station: Option<EthernetAddress>,
    frames: VecDeque<Vec<u8>>,
}

impl Air {
    pub(crate) fn new(mac: [u8; 6]) -> Self {
        Self { mac: EthernetAddress(mac), station: None, frames: VecDeque::new() }
    }

    pub(crate) fn mac(&self) -> EthernetAddress {
        self.mac
    }

    /// Whether a frame is from the station and for the access point. The first one says which station there is.
    pub(crate) fn accepts(&mut self, frame: &EthernetFrame<&[u8]>) -> bool {
        let (from, to) = (frame.src_addr(), frame.dst_addr());
        if !from.is_unicast() || from == self.mac || !(to == self.mac || to.is_broadcast()) {
            return false;
        }
        *self.station.get_or_insert(from) == from
    }

    pub(crate) fn station(&self) -> Option<EthernetAddress> {
        self.station
    }

    pub(crate) fn forget_station(&mut self) {
        self.station = None;
        self.frames.clear();
    }

    pub(crate) fn has_room(&self) -> bool {
        self.frames.len() < MOST_FRAMES
    }

    pub(crate) fn next(&mut self) -> Option<Vec<u8>> {
        self.frames.pop_front()
    }

    /// Sends a packet to the station, whatever waits already: for what answers a segment.
    pub(crate) fn push(&mut self, protocol: EthernetProtocol, length: usize, write: impl FnOnce(&mut [u8])) {
        if let Some(station) = self.station {
            self.push_to(station, protocol, length, write);
        }
    }

    /// Sends a packet, if there is room.
    pub(crate) fn send(&mut self, to: EthernetAddress, protocol: EthernetProtocol, packet: &[u8]) {
        if self.has_room() {
            self.push_to(to, protocol, packet.len(), |buffer| buffer.copy_from_slice(packet));
        }
    }

    /// Sends an IP packet to the station, if there is room.
    pub(crate) fn send_ipv4(&mut self, packet: &[u8]) {
        if let Some(station) = self.station {
            self.send(station, EthernetProtocol::Ipv4, packet);
        }
    }

    fn push_to(
        &mut self,
        to: EthernetAddress,
        protocol: EthernetProtocol,
        length: usize,
        write: impl FnOnce(&mut [u8]),
    ) {
        let mut frame = vec![0; ETHERNET_HEADER_LEN + length];
        let header = EthernetRepr { src_addr: self.mac, dst_addr: to, ethertype: protocol };
        header.emit(&mut EthernetFrame::new_unchecked(frame.as_mut_slice()));
        write(&mut frame[ETHERNET_HEADER_LEN..]);
        self.frames.push_back(frame);
    }
}

/// An IP packet whose content is written by `write`.
pub(crate) fn ipv4(
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: IpProtocol,
    length: usize,
    write: impl FnOnce(&mut [u8]),
) -> Vec<u8> {
    let header = Ipv4Repr { src_addr: from, dst_addr: to, next_header: protocol, payload_len: length, hop_limit: 64 };
    let mut packet = vec![0; IPV4_HEADER_LEN + length];
    header.emit(&mut Ipv4Packet::new_unchecked(packet.as_mut_slice()), &ChecksumCapabilities::default());
    write(&mut packet[IPV4_HEADER_LEN..]);
    packet
}

/// A datagram of at most [`LONGEST_DATAGRAM`] bytes as an IP packet.
pub(crate) fn udp(from: SocketAddrV4, to: SocketAddrV4, bytes: &[u8]) -> Vec<u8> {
    let ports = UdpRepr { src_port: from.port(), dst_port: to.port() };
    let (source, target) = (*from.ip(), *to.ip());
    ipv4(source, target, IpProtocol::Udp, UDP_HEADER_LEN + bytes.len(), |buffer| {
        ports.emit(
            &mut UdpPacket::new_unchecked(buffer),
            &source.into(),
            &target.into(),
            bytes.len(),
            |payload| payload.copy_from_slice(bytes),
            &ChecksumCapabilities::default(),
        );
    })
}
