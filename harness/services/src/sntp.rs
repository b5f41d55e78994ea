//! The time, over SNTP (RFC 4330).

mod message;

use std::net::SocketAddr;
use std::sync::Arc;

use hil_capture::{Capture, Interface};
use hil_link::PathDirection;
use hil_timeline::{Exchange, Recorder, Service, What};
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::BoardNetwork;
use crate::clock::{NetworkClock, text};
use crate::error::ServiceError;

/// For the fuzz target: whatever a board sends is read.
#[cfg(test)]
pub(crate) fn any_bytes(bytes: &[u8]) {
    let _ = message::Question::read(bytes).map(|question| question.answer(0));
}

/// The registered port of NTP, as in captures.
const NTP: u16 = 123;

/// What a board gets while a scenario owns it.
#[derive(Debug, Clone)]
pub struct SntpRoute {
    /// The clock.
    pub clock: NetworkClock,
    /// Records what is asked.
    pub recorder: Recorder,
    /// Captures the datagrams.
    pub capture: Option<Capture>,
}

/// A UDP port at which one board gets the time. Without a route nothing is answered.
#[derive(Debug)]
pub struct SntpPort {
    address: SocketAddr,
    route: watch::Sender<Option<SntpRoute>>,
    answering: JoinHandle<()>,
}

impl SntpPort {
    /// Opens a board's port; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is not available.
    pub async fn open(board: &str, wanted: SocketAddr, network: BoardNetwork) -> Result<Self, ServiceError> {
        let failed = |source| ServiceError::new("sntp", board, wanted, source);
        let socket = UdpSocket::bind(wanted).await.map_err(failed)?;
        let address = socket.local_addr().map_err(failed)?;
        let route = watch::Sender::new(None);
        let server = Server { board: board.to_owned(), network, socket, route: route.subscribe() };
        let answering = tokio::spawn(Arc::new(server).run());
        Ok(Self { address, route, answering })
    }

    /// The address for the board to ask.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is answered from now on.
    pub fn open_route(&self, route: SntpRoute) {
        self.route.send_replace(Some(route));
    }

    /// From now on nothing is answered.
    pub fn close_route(&self) {
        self.route.send_replace(None);
    }
}

impl Drop for SntpPort {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

struct Server {
    board: String,
    network: BoardNetwork,
    socket: UdpSocket,
    route: watch::Receiver<Option<SntpRoute>>,
}

impl Server {
    async fn run(self: Arc<Self>) {
        /// So many answers may be on their way at once; more questions are lost.
        const MOST: usize = 64;
        /// A request may have a key and a digest after its 48 bytes.
        const LARGEST: usize = 256;
        let on_the_way = Arc::new(Semaphore::new(MOST));
        let mut buffer = [0; LARGEST];
        loop {
            // An error is one of an earlier answer: its receiver is gone.
            let Ok((length, from)) = self.socket.recv_from(&mut buffer).await else { continue };
            let Ok(place) = Arc::clone(&on_the_way).try_acquire_owned() else { continue };
            if !self.network.peers.is_expected(from.ip()) {
                continue;
            }
            // It belongs to the scenario in which it was sent.
            let route = self.route.borrow().clone();
            let Some(route) = route else { continue };
            let (server, request) = (Arc::clone(&self), buffer[..length].to_vec());
            tokio::spawn(async move {
                server.answer(&request, from, &route).await;
                drop(place);
            });
        }
    }

    /// A silent network loses datagrams; nothing sends them again.
    async fn answer(&self, request: &[u8], from: SocketAddr, route: &SntpRoute) {
        let Some(late) = self.network.control.carries(PathDirection::Upstream) else { return };
        tokio::time::sleep(late).await;
        let Some(question) = message::Question::read(request) else { return };
        let now = route.clock.micros();
        let (board, exchange) = (self.board.clone(), Exchange::Time { answer: now.map(text) });
        let at = route.recorder.record(What::Service { board, service: Service::Sntp, connection: None, exchange }).at;
        let captured = |by_board, bytes: &[u8]| {
            if let Some(capture) = &route.capture {
                let description = format!("board {} and its time server", self.board);
                let interface = Interface { name: format!("{}-sntp", self.board), description };
                capture.datagram(&interface, from, NTP, at, by_board, bytes);
            }
        };
        captured(true, request);
        let Some(now) = now else { return };
        let reply = question.answer(now);
        let Some(late) = self.network.control.carries(PathDirection::Downstream) else { return };
        tokio::time::sleep(late).await;
        captured(false, &reply);
        // A datagram may be lost.
        let _ = self.socket.send_to(&reply, from).await;
    }
}
