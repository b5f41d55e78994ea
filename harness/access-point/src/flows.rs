//! The station's TCP connections.

mod flow;
mod segment;
mod stack;

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use self::flow::{Flow, Open};
use self::segment::{Ends, Segment, SegmentKind};
use self::stack::Stack;
use crate::air::Air;
use crate::config::Network;
use crate::event::{Event, FlowId};
use crate::icmp;

/// How many connections there are at a time, those that wait to be accepted included.
const MOST_FLOWS: usize = 64;

/// How many segments wait for the next poll.
const MOST_SEGMENTS: usize = 256;

/// All connections, and the stack that carries them.
pub(crate) struct Flows {
    table: BTreeMap<FlowId, Flow>,
    stack: Stack,
    inbound: VecDeque<Inbound>,
    router: Ipv4Addr,
    next: u64,
}

/// What the next poll does, in this order.
enum Inbound {
    Segment(Vec<u8>),
    Accepted(FlowId),
}

impl Flows {
    pub(crate) fn new(network: Network, air: &mut Air) -> Self {
        Self {
            table: BTreeMap::new(),
            stack: Stack::new(network, air),
            inbound: VecDeque::new(),
            router: network.gateway(),
            next: 0,
        }
    }

    /// An IP packet of the station with TCP in it.
    pub(crate) fn receive(&mut self, packet: &[u8], air: &mut Air, events: &mut VecDeque<Event>) {
        let Some(segment) = Segment::read(packet) else { return };
        let found = self.table.iter_mut().find(|(_, flow)| flow.ends() == segment.ends);
        let Some((id, flow)) = found.map(|(id, flow)| (*id, flow)) else {
            events.extend(self.receive_of_none(&segment, packet, air));
            return;
        };
        match (flow, segment.kind) {
            // Asked again, perhaps by another attempt from the same port: the newest counts.
            (Flow::Asked { syn, .. }, SegmentKind::Syn) => *syn = packet.to_vec(),
            (Flow::Asked { .. }, SegmentKind::Rst) => {
                self.forget(id);
                events.push_back(Event::Reset { flow: id, rest: Vec::new() });
            }
            (Flow::Asked { .. }, SegmentKind::Other) => {}
            (Flow::Open(open), SegmentKind::Syn) if !open.was_asked_by(&segment) => {
                events.extend(open.replaced(id, &mut self.stack));
                self.forget(id);
                events.extend(self.receive_of_none(&segment, packet, air));
            }
            (Flow::Open(_), _) => {
                if self.inbound.len() < MOST_SEGMENTS {
                    self.inbound.push_back(Inbound::Segment(packet.to_vec()));
                }
            }
        }
    }

    /// A segment of no connection: a SYN asks for one, others are refused.
    fn receive_of_none(&mut self, segment: &Segment, packet: &[u8], air: &mut Air) -> Option<Event> {
        if segment.kind != SegmentKind::Syn || !self.has_room() {
            segment.refuse(air);
            return None;
        }
        let flow = FlowId(self.next);
        self.next += 1;
        let Ends { station: from, target: to } = segment.ends;
        self.table.insert(flow, Flow::Asked { ends: segment.ends, syn: packet.to_vec(), accepted: false });
        Some(Event::Connect { flow, from, to })
    }

    /// Whether there is room for a connection, after dropping the oldest that is only kept for late segments.
    fn has_room(&mut self) -> bool {
        if self.table.len() < MOST_FLOWS {
            return true;
        }
        let stack = &mut self.stack;
        let over = self.table.iter().find(|(_, flow)| matches!(flow, Flow::Open(open) if open.is_over(stack)));
        let Some(over) = over.map(|(id, _)| *id) else { return false };
        self.forget(over);
        true
    }

    fn forget(&mut self, flow: FlowId) {
        if let Some(Flow::Open(open)) = self.table.remove(&flow) {
            self.stack.close(open.handle);
        }
    }

    /// Drops everything without a word.
    pub(crate) fn clear(&mut self) {
        self.table.clear();
        self.inbound.clear();
        self.stack.clear();
    }

    pub(crate) fn poll(&mut self, now: Instant, air: &mut Air, events: &mut VecDeque<Event>) -> Option<Instant> {
        while air.has_room() {
            match self.inbound.pop_front() {
                Some(Inbound::Segment(packet)) => self.stack.receive(now, packet, air),
                Some(Inbound::Accepted(flow)) => self.establish(now, flow, air, events),
                None => break,
            }
        }
        self.stack.transmit(now, air);
        let stack = &mut self.stack;
        self.table.retain(|id, flow| match flow {
            Flow::Asked { .. } => true,
            Flow::Open(open) => {
                let stays = open.observe(*id, stack, events);
                if !stays {
                    stack.close(open.handle);
                }
                stays
            }
        });
        if self.inbound.is_empty() { self.stack.due(now) } else { Some(now) }
    }

    fn establish(&mut self, now: Instant, flow: FlowId, air: &mut Air, events: &mut VecDeque<Event>) {
        let Some(Flow::Asked { ends, syn, .. }) = self.table.remove(&flow) else { return };
        let asked = Segment::read(&syn);
        match asked.zip(self.stack.open(now, ends.target, syn, air)) {
            Some((asked, handle)) => drop(self.table.insert(flow, Flow::Open(Open::new(&asked, handle)))),
            None => events.push_back(Event::Reset { flow, rest: Vec::new() }),
        }
    }

    pub(crate) fn accepted(&mut self, flow: FlowId) {
        if let Some(Flow::Asked { accepted: accepted @ false, .. }) = self.table.get_mut(&flow) {
            *accepted = true;
            self.inbound.push_back(Inbound::Accepted(flow));
        }
    }

    pub(crate) fn refused(&mut self, flow: FlowId, air: &mut Air) {
        let syn = self.take_syn(flow);
        if let Some(segment) = syn.as_deref().and_then(Segment::read) {
            segment.refuse(air);
        }
    }

    pub(crate) fn unreachable(&mut self, flow: FlowId, air: &mut Air) {
        if let Some(syn) = self.take_syn(flow) {
            icmp::host_unreachable(self.router, &syn, air);
        }
    }

    pub(crate) fn ignore(&mut self, flow: FlowId) {
        self.take_syn(flow);
    }

    /// Ends a flow that is not accepted, with the SYN that asked for it.
    fn take_syn(&mut self, flow: FlowId) -> Option<Vec<u8>> {
        let Some(Flow::Asked { .. }) = self.table.get(&flow) else { return None };
        match self.table.remove(&flow) {
            Some(Flow::Asked { syn, .. }) => Some(syn),
            _ => None,
        }
    }

    pub(crate) fn received(&mut self, flow: FlowId) -> &[u8] {
        match self.table.get_mut(&flow) {
            Some(Flow::Open(open)) => open.received(&mut self.stack),
            _ => &[],
        }
    }

    pub(crate) fn take(&mut self, flow: FlowId, count: usize) {
        if let Some(Flow::Open(open)) = self.table.get_mut(&flow) {
            open.take(&mut self.stack, count);
        }
    }

    pub(crate) fn room(&mut self, flow: FlowId) -> usize {
        match self.table.get_mut(&flow) {
            Some(Flow::Open(open)) => open.room(&mut self.stack),
            _ => 0,
        }
    }

    pub(crate) fn send(&mut self, flow: FlowId, bytes: &[u8]) -> usize {
        match self.table.get_mut(&flow) {
            Some(Flow::Open(open)) => open.send(&mut self.stack, bytes),
            _ => 0,
        }
    }

    pub(crate) fn finish(&mut self, flow: FlowId) {
        if let Some(Flow::Open(open)) = self.table.get_mut(&flow) {
            open.finish(&mut self.stack);
        }
    }

    pub(crate) fn reset(&mut self, flow: FlowId, air: &mut Air) {
        match self.table.get_mut(&flow) {
            Some(Flow::Open(open)) => open.reset(&mut self.stack),
            Some(Flow::Asked { .. }) => self.refused(flow, air),
            None => {}
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.table.len()
    }
}

/// The station's end and the other one, for messages of tests.
impl std::fmt::Debug for Flows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ends = |flow: &Flow| -> (SocketAddrV4, SocketAddrV4) { (flow.ends().station, flow.ends().target) };
        f.debug_map().entries(self.table.iter().map(|(id, flow)| (id, ends(flow)))).finish()
    }
}
