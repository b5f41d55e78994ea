//! ICMP (RFC 792): echo replies of the access point's own hosts, and "host unreachable".

use std::net::Ipv4Addr;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, IpProtocol, Ipv4Packet, Ipv4Repr};

use crate::air::{Air, ipv4};

/// Answers a ping.
pub(crate) fn receive(header: &Ipv4Repr, message: &[u8], air: &mut Air) {
    let Ok(message) = Icmpv4Packet::new_checked(message) else { return };
    if let Ok(Icmpv4Repr::EchoRequest { ident, seq_no, data }) =
        Icmpv4Repr::parse(&message, &ChecksumCapabilities::default())
    {
        send(header.dst_addr, header.src_addr, &Icmpv4Repr::EchoReply { ident, seq_no, data }, air);
    }
}

/// Says that the destination of a packet of the station can't be reached, with the packet's header and its first 8
/// bytes, by which the station finds the connection.
pub(crate) fn host_unreachable(router: Ipv4Addr, packet: &[u8], air: &mut Air) {
    let Ok(packet) = Ipv4Packet::new_checked(packet) else { return };
    let Ok(header) = Ipv4Repr::parse(&packet, &ChecksumCapabilities::default()) else { return };
    let data = packet.payload().get(..8).unwrap_or_default();
    let reason = Icmpv4DstUnreachable::HostUnreachable;
    send(router, header.src_addr, &Icmpv4Repr::DstUnreachable { reason, header, data }, air);
}

fn send(from: Ipv4Addr, to: Ipv4Addr, message: &Icmpv4Repr<'_>, air: &mut Air) {
    let packet = ipv4(from, to, IpProtocol::Icmp, message.buffer_len(), |buffer| {
        message.emit(&mut Icmpv4Packet::new_unchecked(buffer), &ChecksumCapabilities::default());
    });
    air.send_ipv4(&packet);
}
