//! A station: smoltcp with an Ethernet interface, as on a board.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::{AnySocket, tcp};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

/// The station's MAC.
pub(crate) const MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 1];

/// Its buffers, in bytes in each direction.
const BUFFER: usize = 16 * 1024;

pub(crate) struct Station {
    interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    wire: Wire,
    next_port: u16,
}

/// The station's device.
#[derive(Default)]
struct Wire {
    inbound: VecDeque<Vec<u8>>,
    outbound: VecDeque<Vec<u8>>,
}

impl Station {
    /// A station with this address, and a route to all others.
    pub(crate) fn new(address: Ipv4Addr) -> Self {
        let mut wire = Wire::default();
        let mut config = Config::new(EthernetAddress(MAC).into());
        config.random_seed = 7;
        let interface = Interface::new(config, &mut wire, Instant::ZERO);
        let mut station = Self { interface, sockets: SocketSet::new(Vec::new()), wire, next_port: 49_152 };
        station.address(address, Ipv4Addr::new(10, 0, 2, 2));
        station
    }

    pub(crate) fn address(&mut self, address: Ipv4Addr, router: Ipv4Addr) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            addresses.push(IpCidr::new(address.into(), 24)).expect("room for one");
        });
        self.interface.routes_mut().add_default_ipv4_route(router).expect("room for one");
    }

    pub(crate) fn add<T: AnySocket<'static>>(&mut self, socket: T) -> SocketHandle {
        self.sockets.add(socket)
    }

    /// A connection attempt, from the next port.
    pub(crate) fn connect(&mut self, to: SocketAddrV4) -> SocketHandle {
        self.next_port += 1;
        self.connect_from(self.next_port, to)
    }

    pub(crate) fn connect_from(&mut self, port: u16, to: SocketAddrV4) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; BUFFER]);
        let handle = self.sockets.add(tcp::Socket::new(buffer(), buffer()));
        self.reconnect(handle, port, to);
        handle
    }

    pub(crate) fn reconnect(&mut self, handle: SocketHandle, port: u16, to: SocketAddrV4) {
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.connect(self.interface.context(), (*to.ip(), to.port()), port).expect("a closed socket");
    }

    pub(crate) fn socket(&mut self, handle: SocketHandle) -> &mut tcp::Socket<'static> {
        self.sockets.get_mut(handle)
    }

    pub(crate) fn interface(&mut self) -> (&mut Interface, &mut SocketSet<'static>) {
        (&mut self.interface, &mut self.sockets)
    }

    pub(crate) fn receive(&mut self, frame: Vec<u8>) {
        self.wire.inbound.push_back(frame);
    }

    pub(crate) fn next_frame(&mut self) -> Option<Vec<u8>> {
        self.wire.outbound.pop_front()
    }

    /// Does what is due after this time; returns when something else is.
    pub(crate) fn poll(&mut self, elapsed: Duration) -> Option<Duration> {
        let now = Instant::from_micros(i64::try_from(elapsed.as_micros()).expect("a small number"));
        self.interface.poll(now, &mut self.wire, &mut self.sockets);
        let next = self.interface.poll_at(now, &self.sockets)?;
        Some(Duration::from_micros(u64::try_from(next.total_micros()).expect("a small number")).max(elapsed))
    }
}

struct Received(Vec<u8>);

struct Sent<'a>(&'a mut VecDeque<Vec<u8>>);

impl Device for Wire {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sent<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sent<'_>)> {
        let frame = self.inbound.pop_front()?;
        Some((Received(frame), Sent(&mut self.outbound)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sent<'_>> {
        Some(Sent(&mut self.outbound))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        read(&self.0)
    }
}

impl TxToken for Sent<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, write: F) -> R {
        let mut frame = vec![0; length];
        let result = write(&mut frame);
        self.0.push_back(frame);
        result
    }
}
