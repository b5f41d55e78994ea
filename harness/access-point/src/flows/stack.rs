//! smoltcp, with one socket for each connection.

use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

use smoltcp::iface::{Config, Interface, PollIngressSingleResult, PollResult, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::time::Instant as StackTime;
use smoltcp::wire::{EthernetProtocol, HardwareAddress, IpCidr};

use crate::air::{Air, MTU};
use crate::config::Network;

/// What is buffered in each direction of a connection, in bytes. A window of 64 KiB would need window scaling.
pub(crate) const BUFFER: usize = 32 * 1024;

/// The stack at the network's end of all connections.
pub(crate) struct Stack {
    interface: Interface,
    sockets: SocketSet<'static>,
    /// The stack's time 0: the first time that it was given.
    epoch: Option<Instant>,
}

impl Stack {
    pub(crate) fn new(network: Network, air: &mut Air) -> Self {
        let mut wire = Wire { packet: None, air };
        let mut interface = Interface::new(Config::new(HardwareAddress::Ip), &mut wire, StackTime::ZERO);
        interface.update_ip_addrs(|addresses| {
            // There is room for one in any build of smoltcp.
            let _ = addresses.push(IpCidr::new(network.gateway().into(), network.prefix()));
        });
        interface.set_any_ip(true);
        Self { interface, sockets: SocketSet::new(Vec::new()), epoch: None }
    }

    /// Makes the socket for a connection, and gives it the packet with the SYN. Without a socket that listens there
    /// before or after, no other SYN can take its place.
    pub(crate) fn open(&mut self, now: Instant, to: SocketAddrV4, syn: Vec<u8>, air: &mut Air) -> Option<SocketHandle> {
        let buffer = || SocketBuffer::new(vec![0; BUFFER]);
        let mut socket = Socket::new(buffer(), buffer());
        // The peer behind the embedder has decided when to send.
        socket.set_nagle_enabled(false);
        socket.listen((*to.ip(), to.port())).ok()?;
        let handle = self.sockets.add(socket);
        self.receive(now, syn, air);
        if self.socket(handle).state() == State::SynReceived {
            return Some(handle);
        }
        self.close(handle);
        None
    }

    pub(crate) fn socket(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }

    /// Drops a socket without sending anything.
    pub(crate) fn close(&mut self, handle: SocketHandle) {
        self.sockets.remove(handle);
    }

    /// Drops all sockets without sending anything.
    pub(crate) fn clear(&mut self) {
        self.sockets = SocketSet::new(Vec::new());
    }

    /// Processes an IP packet of the station.
    pub(crate) fn receive(&mut self, now: Instant, packet: Vec<u8>, air: &mut Air) {
        let time = self.time(now);
        let mut wire = Wire { packet: Some(packet), air };
        let result = self.interface.poll_ingress_single(time, &mut wire, &mut self.sockets);
        debug_assert!(!matches!(result, PollIngressSingleResult::None), "the packet was taken");
    }

    /// Sends what is due, as far as there is room on air.
    pub(crate) fn transmit(&mut self, now: Instant, air: &mut Air) {
        let time = self.time(now);
        let mut wire = Wire { packet: None, air };
        while self.interface.poll_egress(time, &mut wire, &mut self.sockets) == PollResult::SocketStateChanged {}
    }

    /// When something is due, if nothing else happens before.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Instant> {
        let time = self.time(now);
        let due = self.interface.poll_at(time, &self.sockets)?;
        let delay = if due > time { Duration::from(due - time) } else { Duration::ZERO };
        now.checked_add(delay)
    }

    fn time(&mut self, now: Instant) -> StackTime {
        let since = now.saturating_duration_since(*self.epoch.get_or_insert(now));
        StackTime::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 2))
    }
}

/// The stack's device: at most one packet in, frames out.
struct Wire<'a> {
    packet: Option<Vec<u8>>,
    air: &'a mut Air,
}

struct Packet(Vec<u8>);

struct Frame<'a>(&'a mut Air);

impl Device for Wire<'_> {
    type RxToken<'b>
        = Packet
    where
        Self: 'b;
    type TxToken<'b>
        = Frame<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: StackTime) -> Option<(Packet, Frame<'_>)> {
        self.packet.take().map(|packet| (Packet(packet), Frame(self.air)))
    }

    fn transmit(&mut self, _: StackTime) -> Option<Frame<'_>> {
        self.air.has_room().then_some(Frame(self.air))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = MTU;
        capabilities
    }
}

impl RxToken for Packet {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Frame<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut packet = vec![0; length];
        let result = write(&mut packet);
        self.0.push(EthernetProtocol::Ipv4, length, |buffer| buffer.copy_from_slice(&packet));
        result
    }
}
