//! The port of the tap that belongs to one board.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hil_config::Subnet;
use hil_link::{Control, Ending, PathDirection};
use hil_timeline::{FaultPhase, Recorder};
use tokio::task::JoinHandle;

use super::accept::{accept, bind, listen};
use super::fault::Fault;
use super::layers::TlsMode;
use super::state::{Route, TapState};

/// Why a tap can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("the tap of board `{board}` can't listen on {address}: {source}")]
pub struct TapError {
    /// The board.
    pub board: String,
    /// The address.
    pub address: SocketAddr,
    source: std::io::Error,
}

impl TapError {
    /// What the system said.
    #[must_use]
    pub fn reason(&self) -> String {
        self.source.to_string()
    }
}

/// A listening port that belongs to one board. Without a route every connection is reset.
#[derive(Debug)]
pub struct TapPort {
    address: SocketAddr,
    state: Arc<TapState>,
    accepting: JoinHandle<()>,
}

impl TapPort {
    /// Opens a board's port; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address can't be had.
    pub async fn open(board: &str, address: IpAddr, port: u16, tls: TlsMode) -> Result<Self, TapError> {
        let wanted = SocketAddr::new(address, port);
        let failed = |source| TapError { board: board.to_owned(), address: wanted, source };
        // Keeps the port while nobody listens on it.
        let place = bind(wanted).map_err(failed)?;
        let address = place.local_addr().map_err(failed)?;
        let listener = listen(address).map_err(failed)?;
        let state = Arc::new(TapState::new(board, tls));
        let accepting = tokio::spawn(accept(place, address, listener, Arc::clone(&state)));
        Ok(Self { address, state, accepting })
    }

    /// Where the board shall connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Faults of this board's network.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.state.control
    }

    /// Whether new connections are refused.
    #[must_use]
    pub fn is_refusing(&self) -> bool {
        *self.state.refuse.borrow()
    }

    /// A fault that waits for a packet which has not come.
    #[must_use]
    pub fn pending_fault(&self) -> Option<String> {
        self.state.armed.first().map(|(action, packet)| Fault::Next(action, packet).to_string())
    }

    /// A fault whose packet was too large to be kept, and passed as it was.
    #[must_use]
    pub fn missed_fault(&self) -> Option<String> {
        self.state.missed_fault.lock().clone()
    }

    /// Only connections from there are the board's; without any, all are.
    pub fn expect_from(&self, addresses: &[Subnet]) {
        self.state.peers.expect(addresses);
    }

    /// New connections go there from now on.
    pub fn open_route(&self, route: Route) {
        self.state.route.send_replace(Some(route));
    }

    /// Resets every connection and refuses new ones; faults end.
    pub fn close_route(&self) {
        if let Some(route) = self.state.route.send_replace(None) {
            self.state.end_faults(&route.recorder);
        }
        self.state.closings.send_modify(|closings| *closings += 1);
        self.state.control.end(Ending::Reset);
        self.state.control.clear();
        self.state.armed.disarm();
        self.state.missed_fault.lock().take();
        self.state.peers.forget();
        self.state.requires_certificate.store(false, Ordering::Relaxed);
        self.state.refuse.send_replace(false);
    }

    /// The board is gone without a word: its connections fall silent for good, however their sockets end.
    pub fn abandon(&self) {
        self.state.control.end(Ending::Abandon);
    }

    /// The board begins a new life and knows nothing of its former connections.
    pub fn device_restarted(&self) {
        self.state.control.device_restarted();
    }

    /// Boards must show a certificate from now on, until the route is closed.
    pub fn require_certificates(&self) {
        self.state.requires_certificate.store(true, Ordering::Relaxed);
    }

    /// The latest silence of both ways ends; all else that was done to the network stays.
    pub fn end_silence(&self, recorder: &Recorder) -> Arc<hil_timeline::RunEvent> {
        let fault = Fault::Silence(PathDirection::BOTH.to_vec());
        let ended = self.state.active_faults.end_like(&fault);
        // Recorded first: what was held comes after it.
        let event = self.state.record(recorder, &fault, FaultPhase::Ends);
        if let Some(silence) = ended.and_then(|ended| ended.silence) {
            self.state.control.resume(silence);
        }
        event
    }

    /// Does something to the board's network, and records it: just before, so that what it causes comes after it; that
    /// nobody listens any more, or somebody again, once it is so.
    pub async fn apply(&self, fault: &Fault, recorder: &Recorder) -> Arc<hil_timeline::RunEvent> {
        let state = &self.state;
        if matches!(fault, Fault::Refuse | Fault::Accept) {
            state.begin(fault);
            state.settled().await;
            while state.active_faults.end_like(&Fault::Refuse).is_some() {}
            if *fault == Fault::Refuse {
                state.active_faults.begin(fault, None);
                return state.record(recorder, fault, FaultPhase::Begins);
            }
            return state.record(recorder, fault, FaultPhase::Happens);
        }
        if matches!(fault, Fault::Recover) {
            // Recorded first: what was held comes after it.
            let last = state.end_faults(recorder);
            state.armed.disarm();
            state.control.clear();
            state.refuse.send_replace(false);
            state.settled().await;
            return last.unwrap_or_else(|| state.record(recorder, fault, FaultPhase::Happens));
        }
        if matches!(fault, Fault::Close | Fault::Reset) {
            let event = state.record(recorder, fault, FaultPhase::Happens);
            state.begin(fault);
            return event;
        }
        let event = state.record(recorder, fault, FaultPhase::Begins);
        if let Fault::Silence(ways) = fault {
            state.silence(fault, ways);
        } else {
            // Counted first: what waits for a packet may happen at once.
            state.active_faults.begin(fault, None);
            state.begin(fault);
        }
        event
    }
}

impl Drop for TapPort {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.control.end(Ending::Reset);
    }
}
