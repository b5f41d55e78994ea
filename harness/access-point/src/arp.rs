//! ARP (RFC 826): MACs for the addresses of the access point's own hosts.

use smoltcp::wire::{ArpOperation, ArpPacket, ArpRepr, EthernetProtocol};

use crate::air::Air;
use crate::config::Config;

/// Answers a request for an address of ours. Announcements and probes of the station's own address (RFC 5227) are for
/// others, and an answer would say that the address is taken.
pub(crate) fn receive(config: &Config, packet: &[u8], air: &mut Air) {
    let Ok(request) = ArpPacket::new_checked(packet).and_then(|packet| ArpRepr::parse(&packet)) else { return };
    let ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr,
        source_protocol_addr,
        target_protocol_addr,
        ..
    } = request
    else {
        return;
    };
    if !config.is_ours(target_protocol_addr) || Some(source_hardware_addr) != air.station() {
        return;
    }
    let reply = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: air.mac(),
        source_protocol_addr: target_protocol_addr,
        target_hardware_addr: source_hardware_addr,
        target_protocol_addr: source_protocol_addr,
    };
    let mut buffer = vec![0; reply.buffer_len()];
    reply.emit(&mut ArpPacket::new_unchecked(buffer.as_mut_slice()));
    air.send(source_hardware_addr, EthernetProtocol::Arp, &buffer);
}
