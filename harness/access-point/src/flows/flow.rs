//! One TCP connection.

use std::collections::VecDeque;

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::{Socket, State};
use smoltcp::wire::TcpSeqNumber;

use super::segment::{Ends, Segment};
use super::stack::{BUFFER, Stack};
use crate::event::{Event, FlowId};

/// A connection from its SYN on.
pub(crate) enum Flow {
    /// The station has sent a SYN, which is kept until the embedder has decided.
    Asked { ends: Ends, syn: Vec<u8>, accepted: bool },
    /// The embedder has accepted.
    Open(Open),
}

impl Flow {
    pub(crate) fn ends(&self) -> Ends {
        match self {
            Self::Asked { ends, .. } => *ends,
            Self::Open(open) => open.ends,
        }
    }
}

/// A connection of the stack, and what was said about it.
pub(crate) struct Open {
    ends: Ends,
    /// The sequence number of the station's SYN.
    asked_by: TcpSeqNumber,
    pub(crate) handle: SocketHandle,
    /// What is not taken when the stack's connection is over: the stack soon drops its buffer.
    rest: Vec<u8>,
    /// `Readable` was said, and nothing was taken since.
    said_readable: bool,
    /// The station's FIN has arrived.
    station_finished: bool,
    said_finished: bool,
    /// The embedder has finished.
    finished: bool,
    /// The embedder has reset the connection: only the RST remains to be sent.
    reset: bool,
    /// `Room` is to be said when there is some.
    wants_room: bool,
}

impl Open {
    pub(crate) fn new(asked: &Segment, handle: SocketHandle) -> Self {
        Self {
            ends: asked.ends,
            asked_by: asked.sequence,
            handle,
            rest: Vec::new(),
            said_readable: false,
            station_finished: false,
            said_finished: false,
            finished: false,
            reset: false,
            wants_room: true,
        }
    }

    /// Whether the connection only waits for late segments.
    pub(crate) fn is_over(&self, stack: &mut Stack) -> bool {
        self.said_finished && stack.socket(self.handle).state() == State::TimeWait
    }

    /// Whether a SYN is the one that asked for this connection, again.
    pub(crate) fn was_asked_by(&self, syn: &Segment) -> bool {
        self.asked_by == syn.sequence
    }

    /// The station asks for a new connection from the same port: it has ended this one, or lost it by a restart.
    ///
    /// A host among many would send a "challenge ACK", in case that someone else has forged the SYN (RFC 9293,
    /// 3.10.7.4), and the restarted station would answer that with an RST. Here there is no one else.
    pub(crate) fn replaced(&mut self, id: FlowId, stack: &mut Stack) -> Option<Event> {
        if self.reset || self.is_over(stack) {
            return None;
        }
        self.rest.extend(remaining(stack.socket(self.handle)));
        Some(Event::Reset { flow: id, rest: std::mem::take(&mut self.rest) })
    }

    pub(crate) fn received<'a>(&'a self, stack: &'a mut Stack) -> &'a [u8] {
        if self.reset {
            return &[];
        }
        if self.rest.is_empty() {
            return stack.socket(self.handle).peek(BUFFER).unwrap_or_default();
        }
        &self.rest
    }

    pub(crate) fn take(&mut self, stack: &mut Stack, count: usize) {
        if self.rest.is_empty() {
            // An error says that there is nothing to take.
            let _ = stack.socket(self.handle).recv(|buffer| (count.min(buffer.len()), ()));
        } else {
            self.rest.drain(..count.min(self.rest.len()));
        }
        self.said_readable = false;
    }

    pub(crate) fn room(&mut self, stack: &mut Stack) -> usize {
        let socket = stack.socket(self.handle);
        if self.finished || !socket.may_send() { 0 } else { socket.send_capacity() - socket.send_queue() }
    }

    pub(crate) fn send(&mut self, stack: &mut Stack, bytes: &[u8]) -> usize {
        let sent = stack.socket(self.handle).send_slice(bytes).unwrap_or(0);
        self.wants_room |= sent < bytes.len();
        sent
    }

    pub(crate) fn finish(&mut self, stack: &mut Stack) {
        self.finished = true;
        stack.socket(self.handle).close();
    }

    pub(crate) fn reset(&mut self, stack: &mut Stack) {
        self.reset = true;
        stack.socket(self.handle).abort();
    }

    /// Says what has changed; returns whether the connection still exists.
    pub(crate) fn observe(&mut self, id: FlowId, stack: &mut Stack, events: &mut VecDeque<Event>) -> bool {
        let socket = stack.socket(self.handle);
        if self.reset {
            // The stack forgets the station's end once it has sent the RST.
            return socket.remote_endpoint().is_some();
        }
        let state = socket.state();
        self.station_finished |= is_after_fin(state);
        if has_ended(state) || state == State::TimeWait {
            self.rest.extend(remaining(socket));
        }
        if has_ended(state) && !(self.station_finished && self.finished) {
            events.push_back(Event::Reset { flow: id, rest: std::mem::take(&mut self.rest) });
            return false;
        }
        let unread = self.rest.len() + socket.recv_queue();
        self.say(id, unread, stack, events);
        !(has_ended(state) && self.said_finished)
    }

    fn say(&mut self, flow: FlowId, unread: usize, stack: &mut Stack, events: &mut VecDeque<Event>) {
        if unread > 0 && !self.said_readable {
            self.said_readable = true;
            events.push_back(Event::Readable { flow });
        }
        if unread == 0 && self.station_finished && !self.said_finished {
            self.said_finished = true;
            events.push_back(Event::Finished { flow });
        }
        // Half of the buffer at once: neither side is woken for each segment.
        if self.wants_room && self.room(stack) >= BUFFER / 2 {
            self.wants_room = false;
            events.push_back(Event::Room { flow });
        }
    }
}

/// Takes what a stack's connection has received: at most two pieces, as the buffer is a ring.
fn remaining(socket: &mut Socket<'_>) -> Vec<u8> {
    let mut rest = Vec::new();
    let mut take = |piece: &mut [u8]| {
        rest.extend_from_slice(piece);
        (piece.len(), piece.len())
    };
    while socket.recv(&mut take).is_ok_and(|length| length > 0) {}
    rest
}

/// Whether a stack's connection has ended without one of the closing states to wait in.
fn has_ended(state: State) -> bool {
    // A reset of a connection that is not established yet makes its socket listen again.
    matches!(state, State::Closed | State::Listen)
}

/// Whether a state is reached only by the peer's FIN.
fn is_after_fin(state: State) -> bool {
    matches!(state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait)
}
