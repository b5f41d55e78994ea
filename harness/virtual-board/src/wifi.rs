//! The network behind the Wi-Fi of a board that executes its firmware: an access point whose connections are real
//! sockets of this machine.

mod flow;

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::Poll;
use std::time::Instant;

use futures::StreamExt as _;
use futures::future::{LocalBoxFuture, poll_fn};
use futures::stream::FuturesUnordered;
use hil_access_point::{AccessPoint, Answer, Config, Event, FlowId, QueryId};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

use self::flow::{Dialled, Flow};
use crate::names::Names;
use crate::radio::Radio;

/// How many sockets for datagrams a board has at most; the oldest is closed for a new one.
const MOST_DATAGRAM_SOCKETS: usize = 16;
/// The largest datagram that fits a frame: an MTU of 1,500 bytes without the headers of IPv4 and UDP.
const LARGEST_DATAGRAM: usize = 1472;

/// The network of one board. What it holds falls silent when it is dropped, as the board's sockets do.
pub(crate) struct Network {
    access_point: AccessPoint,
    radio: Radio,
    names: Names,
    flows: BTreeMap<FlowId, Flow>,
    datagrams: VecDeque<(SocketAddrV4, UdpSocket)>,
    pending: FuturesUnordered<LocalBoxFuture<'static, Answered>>,
}

/// What this machine has found out for the board.
enum Answered {
    Dialled(FlowId, Dialled),
    /// Without an answer nothing is said.
    Resolved(QueryId, Option<Answer>),
}

enum Happened {
    Frame(Option<Vec<u8>>),
    Answered(Answered),
    Datagram {
        from: SocketAddrV4,
        to: SocketAddrV4,
        bytes: Vec<u8>,
    },
    /// A socket can be read or written, or the access point is due.
    Ready,
}

impl Network {
    pub(crate) fn new(radio: Radio, names: Names) -> Self {
        Self {
            access_point: AccessPoint::new(Config { loopback: true, ..Config::default() }),
            radio,
            names,
            flows: BTreeMap::new(),
            datagrams: VecDeque::new(),
            pending: FuturesUnordered::new(),
        }
    }

    /// Carries frames until the board sends no more.
    pub(crate) async fn run(mut self, mut from_board: mpsc::Receiver<Vec<u8>>, mut to_board: impl FnMut(Vec<u8>)) {
        loop {
            let due = self.settle(&mut to_board);
            match self.next(&mut from_board, due).await {
                Happened::Frame(None) => return,
                Happened::Frame(Some(frame)) => {
                    self.access_point.receive(&frame);
                    while let Ok(frame) = from_board.try_recv() {
                        self.access_point.receive(&frame);
                    }
                }
                Happened::Answered(Answered::Dialled(flow, dialled)) => self.dialled(flow, dialled),
                Happened::Answered(Answered::Resolved(query, Some(answer))) => self.access_point.answer(query, &answer),
                Happened::Answered(Answered::Resolved(_, None)) => {}
                Happened::Datagram { from, to, bytes } => {
                    // One that does not fit is lost, as on air.
                    let _ = self.access_point.datagram(from, to, &bytes);
                }
                Happened::Ready => {}
            }
        }
    }

    /// Moves frames, events and bytes until nothing moves; returns when the access point wants to be polled again.
    fn settle(&mut self, to_board: &mut impl FnMut(Vec<u8>)) -> Option<Instant> {
        loop {
            let due = self.access_point.poll(Instant::now());
            while let Some(frame) = self.access_point.next_frame() {
                to_board(frame);
            }
            let mut moved = false;
            while let Some(event) = self.access_point.next_event() {
                self.handle(event);
                moved = true;
            }
            let (access_point, radio) = (&mut self.access_point, &self.radio);
            self.flows.retain(|id, flow| {
                moved |= flow.carry(*id, access_point);
                let is_open = !flow.is_over();
                if !is_open {
                    flow.close(radio);
                }
                is_open
            });
            if !moved {
                return due;
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Connect { flow, to, .. } => {
                let (radio, to) = (self.radio.clone(), self.on_this_machine(to));
                self.pending.push(Box::pin(async move { Answered::Dialled(flow, flow::dial(&radio, to).await) }));
            }
            Event::Finished { flow } => {
                if let Some(flow) = self.flows.get_mut(&flow) {
                    flow.finished();
                }
            }
            Event::Reset { flow, rest } => {
                if let Some(mut flow) = self.flows.remove(&flow) {
                    flow.reset(&rest, &self.radio);
                }
            }
            Event::Datagram { from, to, bytes } => self.send_datagram(from, to, &bytes),
            Event::Query { query, name, asks } => {
                let names = self.names.clone();
                self.pending.push(Box::pin(async move { Answered::Resolved(query, names.resolve(name, asks).await) }));
            }
            // A flow that can be read or written is looked at in any case.
            _ => {}
        }
    }

    fn dialled(&mut self, id: FlowId, dialled: Dialled) {
        match dialled {
            Dialled::Open(stream) => {
                self.access_point.accepted(id);
                self.flows.insert(id, Flow::new(stream));
            }
            Dialled::Refused => self.access_point.refused(id),
            Dialled::Unreachable => self.access_point.unreachable(id),
        }
    }

    /// The gateway is this machine, and so is its loopback network, which a board can't mean to be itself: its packets
    /// would not be on air.
    fn on_this_machine(&self, to: SocketAddrV4) -> SocketAddrV4 {
        if *to.ip() == self.access_point.config().network.gateway() {
            return SocketAddrV4::new(Ipv4Addr::LOCALHOST, to.port());
        }
        to
    }

    /// What comes from this machine's loopback network comes from the gateway, unless the board named the address.
    fn send_datagram(&mut self, from: SocketAddrV4, to: SocketAddrV4, bytes: &[u8]) {
        let to = self.on_this_machine(to);
        if !self.datagrams.iter().any(|(known, _)| *known == from) {
            let Ok(socket) = datagram_socket() else { return };
            if self.datagrams.len() == MOST_DATAGRAM_SOCKETS {
                self.datagrams.pop_front();
            }
            self.datagrams.push_back((from, socket));
        }
        if let Some((_, socket)) = self.datagrams.iter().find(|(known, _)| *known == from) {
            // A datagram may be lost.
            let _ = socket.try_send_to(bytes, to.into());
        }
    }

    async fn next(&mut self, from_board: &mut mpsc::Receiver<Vec<u8>>, due: Option<Instant>) -> Happened {
        let gateway = self.access_point.config().network.gateway();
        let Self { access_point, flows, datagrams, pending, .. } = self;
        let mut ready = flow::Readiness::of(flows, access_point);
        let mut received = vec![0; LARGEST_DATAGRAM];
        tokio::select! {
            frame = from_board.recv() => Happened::Frame(frame),
            Some(answered) = pending.next() => Happened::Answered(answered),
            () = poll_fn(|cx| ready.poll(cx)) => Happened::Ready,
            (from, to, length) = poll_fn(|cx| receive(datagrams, gateway, &mut received, cx)) => {
                received.truncate(length);
                Happened::Datagram { from, to, bytes: received }
            }
            () = sleep_until(due) => Happened::Ready,
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn datagram_socket() -> std::io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// The next datagram for the board: who sent it, whom it is for, its length.
fn receive(
    sockets: &VecDeque<(SocketAddrV4, UdpSocket)>,
    gateway: Ipv4Addr,
    buffer: &mut [u8],
    cx: &mut std::task::Context<'_>,
) -> Poll<(SocketAddrV4, SocketAddrV4, usize)> {
    for (board, socket) in sockets {
        let mut space = tokio::io::ReadBuf::new(buffer);
        if let Poll::Ready(Ok(std::net::SocketAddr::V4(from))) = socket.poll_recv_from(cx, &mut space) {
            let ip = if from.ip().is_loopback() { gateway } else { *from.ip() };
            return Poll::Ready((SocketAddrV4::new(ip, from.port()), *board, space.filled().len()));
        }
    }
    Poll::Pending
}
