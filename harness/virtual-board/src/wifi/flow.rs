//! One TCP connection of the board, and the real socket that it is.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddrV4;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hil_access_point::{AccessPoint, FlowId};
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::radio::Radio;

/// How much is read from a socket at once.
const CHUNK: usize = 4096;

/// What came of a connection that the board asked for.
pub(super) enum Dialled {
    Open(Rc<TcpStream>),
    Refused,
    Unreachable,
}

pub(super) async fn dial(radio: &Radio, to: SocketAddrV4) -> Dialled {
    match radio.open(&to.ip().to_string(), to.port()).await {
        Ok((stream, _)) => Dialled::Open(stream),
        Err(error) => match error.kind() {
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::TimedOut => {
                Dialled::Unreachable
            }
            // Someone answered: that it ended at once shows as a reset here, before the board has its connection.
            _ => Dialled::Refused,
        },
    }
}

/// Which ends have sent their last byte.
pub(super) struct Flow {
    stream: Rc<TcpStream>,
    board_ended: bool,
    peer_ended: bool,
}

impl Flow {
    pub(super) fn new(stream: Rc<TcpStream>) -> Self {
        Self { stream, board_ended: false, peer_ended: false }
    }

    /// Both ends are done.
    pub(super) fn is_over(&self) -> bool {
        self.board_ended && self.peer_ended
    }

    /// Carries bytes both ways as far as there is room; returns whether anything moved.
    pub(super) fn carry(&mut self, id: FlowId, access_point: &mut AccessPoint) -> bool {
        let carried = self.carry_out(id, access_point).and_then(|out| Ok(out | self.carry_in(id, access_point)?));
        carried.unwrap_or_else(|_| {
            // The peer has broken the connection off.
            access_point.reset(id);
            (self.board_ended, self.peer_ended) = (true, true);
            true
        })
    }

    fn carry_out(&self, id: FlowId, access_point: &mut AccessPoint) -> io::Result<bool> {
        let mut moved = false;
        loop {
            let bytes = access_point.received(id);
            if bytes.is_empty() {
                return Ok(moved);
            }
            match self.stream.try_write(bytes) {
                Ok(sent) => access_point.take(id, sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(moved),
                Err(error) => return Err(error),
            }
            moved = true;
        }
    }

    fn carry_in(&mut self, id: FlowId, access_point: &mut AccessPoint) -> io::Result<bool> {
        let mut moved = false;
        let mut buffer = [0; CHUNK];
        while !self.peer_ended {
            let room = access_point.room(id).min(CHUNK);
            if room == 0 {
                break;
            }
            match self.stream.try_read(&mut buffer[..room]) {
                Ok(0) => {
                    self.peer_ended = true;
                    access_point.finish(id);
                }
                Ok(length) => {
                    access_point.send(id, &buffer[..length]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            moved = true;
        }
        Ok(moved)
    }

    /// The board sends nothing more: FIN.
    pub(super) fn finished(&mut self) {
        self.board_ended = true;
        // A peer that has gone already is found by reading.
        let _ = SockRef::from(&*self.stream).shutdown(std::net::Shutdown::Write);
    }

    /// The board has reset its connection: what it had sent before is delivered as far as it fits, then RST.
    pub(super) fn reset(&mut self, rest: &[u8], radio: &Radio) {
        let _ = self.stream.try_write(rest);
        let _ = SockRef::from(&*self.stream).set_linger(Some(Duration::ZERO));
        self.close(radio);
    }

    /// Drops the socket when this is dropped, instead of keeping it silent.
    pub(super) fn close(&self, radio: &Radio) {
        radio.hang_up(&self.stream);
    }
}

/// The sockets that can carry something if they become ready.
pub(super) struct Readiness(Vec<Waiting>);

struct Waiting {
    stream: Rc<TcpStream>,
    reads: bool,
    writes: bool,
}

impl Readiness {
    pub(super) fn of(flows: &BTreeMap<FlowId, Flow>, access_point: &mut AccessPoint) -> Self {
        let waiting = flows.iter().map(|(id, flow)| Waiting {
            stream: Rc::clone(&flow.stream),
            reads: !flow.peer_ended && access_point.room(*id) > 0,
            writes: !access_point.received(*id).is_empty(),
        });
        Self(waiting.collect())
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let is_ready = |waiting: &Waiting, cx: &mut Context<'_>| {
            let reads = waiting.reads && waiting.stream.poll_read_ready(cx).is_ready();
            let writes = waiting.writes && waiting.stream.poll_write_ready(cx).is_ready();
            reads || writes
        };
        if self.0.iter().any(|waiting| is_ready(waiting, cx)) { Poll::Ready(()) } else { Poll::Pending }
    }
}
