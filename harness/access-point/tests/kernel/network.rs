//! An access point at a TAP interface, with a server of a few ports.

use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Instant;

use hil_access_point::{AccessPoint, Config, Event, FlowId};
use smoltcp::phy::{Device, Medium, RxToken, TunTapInterface, TxToken, wait};
use smoltcp::time::Instant as StackTime;

/// Bytes and datagrams come back.
pub(crate) const ECHO: u16 = 7;
/// The same, but every 23rd frame is lost while a connection to it is open.
pub(crate) const THIN_ECHO: u16 = 8;
/// Nothing listens here.
pub(crate) const REFUSED: u16 = 9;
/// This can't be reached.
pub(crate) const UNREACHABLE: u16 = 10;
/// The first bytes are answered with a reset.
pub(crate) const RESET: u16 = 11;
/// Says good night, and listens on.
pub(crate) const FAREWELL: u16 = 12;
/// A datagram to here ends the network.
const STOP: u16 = 13;

/// A port of the server: a host that is not on the network.
pub(crate) fn at(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 7), port)
}

/// The network, served by a thread.
pub(crate) struct Network(JoinHandle<usize>);

impl Network {
    /// Makes the interface `tap0`.
    pub(crate) fn start() -> Self {
        let (ready, is_ready) = channel();
        let network = std::thread::spawn(move || {
            let tap = TunTapInterface::new("tap0", Medium::Ethernet).expect("a TAP interface");
            ready.send(()).expect("the test waits");
            Server { tap, ap: AccessPoint::new(Config::default()), ports: Vec::new(), frames: 0, resets: 0 }.serve()
        });
        is_ready.recv().expect("an interface");
        Self(network)
    }

    /// How many connections the station has reset.
    pub(crate) fn stop(self) -> usize {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        socket.send_to(b"stop", at(STOP)).expect("a route");
        self.0.join().expect("a server without panic")
    }
}

struct Server {
    tap: TunTapInterface,
    ap: AccessPoint,
    ports: Vec<(FlowId, u16)>,
    frames: usize,
    resets: usize,
}

impl Server {
    fn serve(mut self) -> usize {
        loop {
            let due = self.ap.poll(Instant::now());
            if self.send() {
                continue;
            }
            if let Some(event) = self.ap.next_event() {
                if matches!(event, Event::Datagram { to, .. } if to.port() == STOP) {
                    return self.resets;
                }
                self.answer(&event);
                // What was answered is due now.
                continue;
            }
            let delay = due.map(|due| due.saturating_duration_since(Instant::now()).into());
            wait(self.tap.as_raw_fd(), delay).expect("an open interface");
            let received = self.tap.receive(StackTime::ZERO).map(|(frame, _)| frame.consume(<[u8]>::to_vec));
            if let Some(frame) = received.filter(|_| self.arrives()) {
                self.ap.receive(&frame);
            }
        }
    }

    /// Hands frames to the kernel; whether there were any.
    fn send(&mut self) -> bool {
        let mut any = false;
        while let Some(frame) = self.ap.next_frame() {
            any = true;
            if self.arrives()
                && let Some(token) = self.tap.transmit(StackTime::ZERO)
            {
                token.consume(frame.len(), |buffer| buffer.copy_from_slice(&frame));
            }
        }
        any
    }

    fn arrives(&mut self) -> bool {
        self.frames += 1;
        !self.frames.is_multiple_of(23) || !self.ports.iter().any(|(_, port)| *port == THIN_ECHO)
    }

    fn answer(&mut self, event: &Event) {
        let ap = &mut self.ap;
        match event {
            Event::Connect { flow, to, .. } => {
                self.ports.push((*flow, to.port()));
                match to.port() {
                    REFUSED => ap.refused(*flow),
                    UNREACHABLE => ap.unreachable(*flow),
                    _ => ap.accepted(*flow),
                }
            }
            Event::Readable { flow } | Event::Room { flow } => self.carry(*flow),
            Event::Finished { flow } => {
                ap.finish(*flow);
                self.ports.retain(|(open, _)| open != flow);
            }
            Event::Reset { .. } => self.resets += 1,
            Event::Datagram { from, to, bytes } => assert!(ap.datagram(*to, *from, bytes)),
            _ => {}
        }
    }

    fn carry(&mut self, flow: FlowId) {
        let ap = &mut self.ap;
        let port = self.ports.iter().find(|(open, _)| *open == flow).map(|(_, port)| *port);
        match port {
            Some(FAREWELL) if ap.room(flow) > 0 => {
                ap.send(flow, b"good night");
                ap.finish(flow);
            }
            Some(FAREWELL) => {
                assert_eq!(ap.received(flow), b"sleep well");
                ap.take(flow, 10);
            }
            Some(RESET) if !ap.received(flow).is_empty() => ap.reset(flow),
            _ => loop {
                let bytes = ap.received(flow).to_vec();
                let sent = ap.send(flow, &bytes);
                if sent == 0 {
                    break;
                }
                ap.take(flow, sent);
            },
        }
    }
}
