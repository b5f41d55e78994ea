//! Reading a TCP segment before the stack sees it, and answering one that it never sees.

use std::net::SocketAddrV4;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv4Repr, TcpControl, TcpPacket, TcpRepr, TcpSeqNumber};

use crate::air::{Air, ipv4};

/// The ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    pub(crate) station: SocketAddrV4,
    pub(crate) target: SocketAddrV4,
}

/// What matters of a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment {
    pub(crate) ends: Ends,
    pub(crate) kind: SegmentKind,
    pub(crate) sequence: TcpSeqNumber,
    acknowledged: Option<TcpSeqNumber>,
    length: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SegmentKind {
    /// A request for a connection.
    Syn,
    Rst,
    Other,
}

impl Segment {
    /// Reads an IP packet with a valid segment.
    pub(crate) fn read(packet: &[u8]) -> Option<Self> {
        let packet = Ipv4Packet::new_checked(packet).ok()?;
        let header = Ipv4Repr::parse(&packet, &ChecksumCapabilities::default()).ok()?;
        let segment = TcpPacket::new_checked(packet.payload()).ok()?;
        let (from, to) = (header.src_addr, header.dst_addr);
        let segment = TcpRepr::parse(&segment, &from.into(), &to.into(), &ChecksumCapabilities::default()).ok()?;
        let kind = match (segment.control, segment.ack_number) {
            (TcpControl::Syn, None) => SegmentKind::Syn,
            (TcpControl::Rst, _) => SegmentKind::Rst,
            _ => SegmentKind::Other,
        };
        let ends = Ends {
            station: SocketAddrV4::new(from, segment.src_port),
            target: SocketAddrV4::new(to, segment.dst_port),
        };
        let length = segment.segment_len();
        Some(Self { ends, kind, sequence: segment.seq_number, acknowledged: segment.ack_number, length })
    }

    /// Refuses a segment of no connection (RFC 9293, 3.10.7.1).
    pub(crate) fn refuse(&self, air: &mut Air) {
        if self.kind == SegmentKind::Rst {
            return;
        }
        let (seq_number, ack_number) = match self.acknowledged {
            Some(acknowledged) => (acknowledged, None),
            None => (TcpSeqNumber(0), Some(self.sequence + self.length)),
        };
        let reset = TcpRepr {
            src_port: self.ends.target.port(),
            dst_port: self.ends.station.port(),
            control: TcpControl::Rst,
            seq_number,
            ack_number,
            window_len: 0,
            window_scale: None,
            max_seg_size: None,
            sack_permitted: false,
            sack_ranges: [None; 3],
            timestamp: None,
            payload: &[],
        };
        let (from, to) = (*self.ends.target.ip(), *self.ends.station.ip());
        let packet = ipv4(from, to, IpProtocol::Tcp, reset.buffer_len(), |buffer| {
            let mut segment = TcpPacket::new_unchecked(buffer);
            reset.emit(&mut segment, &from.into(), &to.into(), &ChecksumCapabilities::default());
        });
        air.send_ipv4(&packet);
    }
}
