//! Frames of a station, written by hand.

use std::net::SocketAddrV4;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    EthernetAddress, EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl,
    TcpPacket, TcpRepr, TcpSeqNumber, UdpPacket, UdpRepr,
};

use super::MAC;

/// The MAC of an access point by default.
pub(crate) const AP: [u8; 6] = [0x52, 0x55, 10, 0, 2, 2];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    Syn,
    Ack,
    Rst,
}

/// A frame to the access point, or to all.
pub(crate) fn ethernet(to: [u8; 6], kind: EthernetProtocol, content: &[u8]) -> Vec<u8> {
    let mut frame = vec![0; 14 + content.len()];
    let header = EthernetRepr { src_addr: EthernetAddress(MAC), dst_addr: EthernetAddress(to), ethertype: kind };
    header.emit(&mut EthernetFrame::new_unchecked(frame.as_mut_slice()));
    frame[14..].copy_from_slice(content);
    frame
}

pub(crate) fn ipv4(from: SocketAddrV4, to: SocketAddrV4, protocol: IpProtocol, content: &[u8]) -> Vec<u8> {
    let header = Ipv4Repr {
        src_addr: *from.ip(),
        dst_addr: *to.ip(),
        next_header: protocol,
        payload_len: content.len(),
        hop_limit: 64,
    };
    let mut packet = vec![0; 20 + content.len()];
    header.emit(&mut Ipv4Packet::new_unchecked(packet.as_mut_slice()), &ChecksumCapabilities::default());
    packet[20..].copy_from_slice(content);
    let to = if to.ip().is_broadcast() { [0xff; 6] } else { AP };
    ethernet(to, EthernetProtocol::Ipv4, &packet)
}

pub(crate) fn udp(from: SocketAddrV4, to: SocketAddrV4, bytes: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0; 8 + bytes.len()];
    UdpRepr { src_port: from.port(), dst_port: to.port() }.emit(
        &mut UdpPacket::new_unchecked(datagram.as_mut_slice()),
        &(*from.ip()).into(),
        &(*to.ip()).into(),
        bytes.len(),
        |payload| payload.copy_from_slice(bytes),
        &ChecksumCapabilities::default(),
    );
    ipv4(from, to, IpProtocol::Udp, &datagram)
}

pub(crate) fn tcp(from: SocketAddrV4, to: SocketAddrV4, flag: Flag, sequence: i32) -> Vec<u8> {
    let segment = TcpRepr {
        src_port: from.port(),
        dst_port: to.port(),
        control: match flag {
            Flag::Syn => TcpControl::Syn,
            Flag::Ack => TcpControl::None,
            Flag::Rst => TcpControl::Rst,
        },
        seq_number: TcpSeqNumber(sequence),
        ack_number: (flag == Flag::Ack).then_some(TcpSeqNumber(1)),
        window_len: 1000,
        window_scale: None,
        max_seg_size: None,
        sack_permitted: false,
        sack_ranges: [None; 3],
        timestamp: None,
        payload: &[],
    };
    let mut bytes = vec![0; segment.buffer_len()];
    segment.emit(
        &mut TcpPacket::new_unchecked(bytes.as_mut_slice()),
        &(*from.ip()).into(),
        &(*to.ip()).into(),
        &ChecksumCapabilities::default(),
    );
    ipv4(from, to, IpProtocol::Tcp, &bytes)
}
