//! The access point: frames to those who answer them.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    DHCP_SERVER_PORT, EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, Ipv4Repr, UdpPacket, UdpRepr,
};

use crate::air::{Air, LONGEST_DATAGRAM, udp};
use crate::config::Config;
use crate::dhcp::Dhcp;
use crate::dns::Dns;
use crate::event::{Answer, Event, FlowId, QueryId};
use crate::flows::Flows;
use crate::{arp, icmp};

const NAME_SERVER_PORT: u16 = 53;

/// How many events wait for the embedder. Frames that come then are lost.
const MOST_EVENTS: usize = 256;

/// The network of one station; see the crate's documentation.
#[derive(Debug)]
pub struct AccessPoint {
    config: Config,
    air: Air,
    dhcp: Dhcp,
    dns: Dns,
    flows: Flows,
    events: VecDeque<Event>,
}

impl AccessPoint {
    /// An access point without a station: the sender of the first frame becomes it.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let mut air = Air::new(config.mac);
        let flows = Flows::new(config.network, &mut air);
        Self { config, air, dhcp: Dhcp::default(), dns: Dns::default(), flows, events: VecDeque::new() }
    }

    /// What it offers.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A frame from the station: destination, source, type (IEEE 802.3), content. What is not understood is ignored.
    pub fn receive(&mut self, frame: &[u8]) {
        let Ok(frame) = EthernetFrame::new_checked(frame) else { return };
        if self.events.len() >= MOST_EVENTS || !self.air.accepts(&frame) {
            return;
        }
        match frame.ethertype() {
            EthernetProtocol::Arp => arp::receive(&self.config, frame.payload(), &mut self.air),
            EthernetProtocol::Ipv4 => self.receive_ipv4(frame.payload()),
            _ => {}
        }
    }

    fn receive_ipv4(&mut self, packet: &[u8]) {
        let Ok(checked) = Ipv4Packet::new_checked(packet) else { return };
        // Fragments fail here: there is nothing to put them together.
        let Ok(header) = Ipv4Repr::parse(&checked, &ChecksumCapabilities::default()) else { return };
        if header.next_header == IpProtocol::Udp {
            return self.receive_udp(&header, checked.payload());
        }
        if !self.is_way(header.src_addr, header.dst_addr) {
            return;
        }
        match header.next_header {
            IpProtocol::Icmp if self.config.is_ours(header.dst_addr) => {
                icmp::receive(&header, checked.payload(), &mut self.air);
            }
            IpProtocol::Tcp => self.flows.receive(packet, &mut self.air, &mut self.events),
            _ => {}
        }
    }

    fn receive_udp(&mut self, header: &Ipv4Repr, datagram: &[u8]) {
        let Ok(datagram) = UdpPacket::new_checked(datagram) else { return };
        let (source, target) = (header.src_addr, header.dst_addr);
        let checks = ChecksumCapabilities::default();
        let Ok(ports) = UdpRepr::parse(&datagram, &source.into(), &target.into(), &checks) else { return };
        let ours = self.config.is_ours(target);
        // A station without an address sends to all, from none.
        if ports.dst_port == DHCP_SERVER_PORT && (ours || target.is_broadcast()) {
            let leased = self.dhcp.receive(&self.config, datagram.payload(), &mut self.air);
            self.events.extend(leased.map(|address| Event::Leased { address }));
            return;
        }
        if !self.is_way(source, target) {
            return;
        }
        let (from, to) = (SocketAddrV4::new(source, ports.src_port), SocketAddrV4::new(target, ports.dst_port));
        let event = if ports.dst_port == NAME_SERVER_PORT && ours {
            self.dns.receive(&self.config, from, to, datagram.payload())
        } else {
            Some(Event::Datagram { from, to, bytes: datagram.payload().to_vec() })
        };
        self.events.extend(event);
    }

    /// Whether a packet goes from an address for stations to one of another host.
    fn is_way(&self, from: Ipv4Addr, to: Ipv4Addr) -> bool {
        self.config.is_station(from) && self.config.is_destination(to) && from != to
    }

    /// Processes what was fed in, and what is due. To be called after frames and commands, and at the time that it
    /// returns; the time never goes back.
    pub fn poll(&mut self, now: Instant) -> Option<Instant> {
        self.flows.poll(now, &mut self.air, &mut self.events)
    }

    /// A frame for the station.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        self.air.next()
    }

    /// What the station did.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// The station has lost its power, or left: all of its state is dropped, and nothing is sent. The sender of the next
    /// frame is the station.
    pub fn forget_station(&mut self) {
        self.air.forget_station();
        self.dhcp = Dhcp::default();
        self.dns.forget();
        self.flows.clear();
        self.events.clear();
    }

    /// The number of connections, also those that are not accepted or wait for late segments: 0 to 64.
    #[must_use]
    pub fn flow_count(&self) -> usize {
        self.flows.count()
    }

    /// The connection asked for exists: the station gets its SYN-ACK. A flow that does not exist any more is ignored, by
    /// all commands.
    pub fn accepted(&mut self, flow: FlowId) {
        self.flows.accepted(flow);
    }

    /// The connection asked for was refused: the station gets an RST.
    pub fn refused(&mut self, flow: FlowId) {
        self.flows.refused(flow, &mut self.air);
    }

    /// The host asked for can't be reached: the station gets an ICMP message. One that ignores it asks again, as a new
    /// flow.
    pub fn unreachable(&mut self, flow: FlowId) {
        self.flows.unreachable(flow, &mut self.air);
    }

    /// Nothing answers: the station gets nothing, and asks again, as a new flow.
    pub fn ignore(&mut self, flow: FlowId) {
        self.flows.ignore(flow);
    }

    /// Bytes from the station, in order; perhaps not all, as the buffer is a ring.
    pub fn received(&mut self, flow: FlowId) -> &[u8] {
        self.flows.received(flow)
    }

    /// The first bytes of [`AccessPoint::received`] are processed, and make room for others.
    pub fn take(&mut self, flow: FlowId, count: usize) {
        self.flows.take(flow, count);
    }

    /// How many bytes [`AccessPoint::send`] takes now: 0 to 32,768, and 0 before the connection is established.
    pub fn room(&mut self, flow: FlowId) -> usize {
        self.flows.room(flow)
    }

    /// Bytes for the station; returns how many were taken. If not all, [`Event::Room`] follows.
    pub fn send(&mut self, flow: FlowId, bytes: &[u8]) -> usize {
        self.flows.send(flow, bytes)
    }

    /// There is nothing more to send: the station gets a FIN after the bytes before.
    pub fn finish(&mut self, flow: FlowId) {
        self.flows.finish(flow);
    }

    /// The connection is broken: the station gets an RST at once, and no event follows.
    pub fn reset(&mut self, flow: FlowId) {
        self.flows.reset(flow, &mut self.air);
    }

    /// A datagram for the station. Returns whether it is sent: not if it is longer than 1,472 bytes, if `to` is not an
    /// address for stations, or if 64 frames wait for the station.
    pub fn datagram(&mut self, from: SocketAddrV4, to: SocketAddrV4, bytes: &[u8]) -> bool {
        let fits = bytes.len() <= LONGEST_DATAGRAM && self.config.is_station(*to.ip()) && self.air.has_room();
        if fits {
            self.air.send_ipv4(&udp(from, to, bytes));
        }
        fits
    }

    /// Answers a question for a name.
    pub fn answer(&mut self, query: QueryId, answer: &Answer) {
        self.dns.answer(&self.config, query, answer, &mut self.air);
    }
}
