//! An embedder that sends back what it receives, and a client that checks it.

use std::collections::BTreeSet;

use hil_access_point::{AccessPoint, Event, FlowId};
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::Socket;

/// Accepts every connection, and sends its bytes back.
pub(crate) struct Echo {
    /// How many bytes are moved for each event at most.
    pub(crate) speed: usize,
    /// How many connections were reset that had carried something. A SYN whose double arrives after the connection's end
    /// asks for another one, which the station resets.
    pub(crate) resets: usize,
    pub(crate) carried: BTreeSet<FlowId>,
}

impl Echo {
    pub(crate) fn new() -> Self {
        Self { speed: usize::MAX, resets: 0, carried: BTreeSet::new() }
    }

    pub(crate) fn serve(&mut self, ap: &mut AccessPoint, event: &Event) {
        match *event {
            Event::Connect { flow, .. } => ap.accepted(flow),
            Event::Readable { flow } | Event::Room { flow } => self.carry(ap, flow),
            Event::Finished { flow } => ap.finish(flow),
            Event::Reset { flow, .. } => self.resets += usize::from(self.carried.contains(&flow)),
            _ => {}
        }
    }

    fn carry(&mut self, ap: &mut AccessPoint, flow: FlowId) {
        self.carried.insert(flow);
        let mut left = self.speed;
        loop {
            let bytes = ap.received(flow);
            let bytes = bytes[..bytes.len().min(left)].to_vec();
            let sent = ap.send(flow, &bytes);
            if sent == 0 {
                return;
            }
            ap.take(flow, sent);
            left -= sent;
        }
    }
}

/// The byte at a place of the stream with this number: no two neighbouring segments look the same.
pub(crate) fn pattern(stream: u64, at: usize) -> u8 {
    let mixed = (at as u64 ^ stream << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed.to_be_bytes()[0]
}

/// A client of the echo: sends so many bytes, expects them back, then closes.
pub(crate) struct Client {
    pub(crate) handle: SocketHandle,
    stream: u64,
    length: usize,
    sent: usize,
    received: usize,
    closed: bool,
}

impl Client {
    pub(crate) fn new(handle: SocketHandle, stream: u64, length: usize) -> Self {
        Self { handle, stream, length, sent: 0, received: 0, closed: false }
    }

    /// Goes on; whether all is sent and came back, and the server has closed.
    pub(crate) fn work(&mut self, socket: &mut Socket<'_>) -> bool {
        if socket.can_send() && !self.closed {
            let piece: Vec<_> =
                (self.sent..self.length.min(self.sent + 4096)).map(|at| pattern(self.stream, at)).collect();
            self.sent += socket.send_slice(&piece).expect("an open connection");
            if self.sent == self.length {
                self.closed = true;
                socket.close();
            }
        }
        let mut bytes = [0; 4096];
        while let Ok(length @ 1..) = socket.recv_slice(&mut bytes) {
            for byte in &bytes[..length] {
                assert_eq!(*byte, pattern(self.stream, self.received), "byte {} of {}", self.received, self.stream);
                self.received += 1;
            }
        }
        self.received == self.length && self.closed && !socket.may_recv()
    }
}
