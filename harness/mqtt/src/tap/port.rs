//! The port of the tap that belongs to one board.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use hil_config::Subnet;
use hil_link::{Control, Ending, PathDirection, Peers, Port, Refusal};
use hil_timeline::{FaultPhase, Recorder};
use tokio::task::JoinHandle;

use super::accept::accept;
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
    /// What the system reports.
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
    /// When the address is not available.
    pub async fn open(board: &str, address: IpAddr, port: u16, tls: TlsMode) -> Result<Self, TapError> {
        let wanted = SocketAddr::new(address, port);
        let failed = |source| TapError { board: board.to_owned(), address: wanted, source };
        let state = Arc::new(TapState::new(board, tls));
        let port = Port::open(wanted, &state.refusal).map_err(failed)?;
        let address = port.address();
        let accepting = tokio::spawn(accept(port, Arc::clone(&state)));
        Ok(Self { address, state, accepting })
    }

    /// The address for the board to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Controls the board's network.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.state.control
    }

    /// Refuses the board's connections.
    #[must_use]
    pub fn refusal(&self) -> &Refusal {
        &self.state.refusal
    }

    /// Who may connect.
    #[must_use]
    pub fn peers(&self) -> &Peers {
        &self.state.peers
    }

    /// Whether new connections are refused.
    #[must_use]
    pub fn is_refusing(&self) -> bool {
        self.state.refusal.is_set()
    }

    /// A fault that still waits for its packet.
    #[must_use]
    pub fn pending_fault(&self) -> Option<String> {
        self.state.armed.first().map(|(action, packet)| Fault::Next(action, packet).to_string())
    }

    /// A fault whose packet was too large to keep, and passed unchanged.
    #[must_use]
    pub fn missed_fault(&self) -> Option<String> {
        self.state.missed_fault.lock().clone()
    }

    /// Accepts connections from these subnets only; if empty, from everywhere.
    pub fn expect_from(&self, addresses: &[Subnet]) {
        let addresses = addresses.to_vec();
        self.state
            .peers
            .expect(move |peer| addresses.is_empty() || addresses.iter().any(|subnet| subnet.contains(peer)));
    }

    /// Connects new connections to this broker.
    pub fn open_route(&self, route: Route) {
        self.state.route.send_replace(Some(route));
    }

    /// Resets all connections and refuses new ones; all faults end.
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
        self.state.show(None);
        self.state.requires_certificate.store(false, Ordering::Relaxed);
        self.state.refusal.set(false);
    }

    /// The board lost its power: its connections fall silent for good, even when their sockets close.
    pub fn abandon(&self) {
        self.state.control.end(Ending::Abandon);
    }

    /// The board has restarted and knows nothing of its earlier connections.
    pub fn device_restarted(&self) {
        self.state.control.device_restarted();
    }

    /// From now until the route is closed, TLS is treated in this way.
    pub fn show(&self, tls: TlsMode) {
        self.state.show(Some(tls));
    }

    /// Whether the tap passes TLS to the broker: the broker's certificate is shown to boards.
    #[must_use]
    pub fn passes_tls(&self) -> bool {
        matches!(self.state.tls(), TlsMode::PassThrough)
    }

    /// From now until the route is closed, boards must present a certificate.
    pub fn require_certificates(&self) {
        self.state.requires_certificate.store(true, Ordering::Relaxed);
    }

    /// Ends the latest silence of both directions; other faults stay active.
    pub fn end_silence(&self, recorder: &Recorder) -> Arc<hil_timeline::RunEvent> {
        let fault = Fault::Silence(PathDirection::BOTH.to_vec());
        let ended = self.state.active_faults.end_like(&fault);
        // Recorded before held bytes are delivered.
        let event = self.state.record(recorder, &fault, FaultPhase::Ends);
        if let Some(silence) = ended.and_then(|ended| ended.silence) {
            self.state.control.resume(silence);
        }
        event
    }

    /// Applies a fault and records it. It is recorded before its effects; only that connections are refused or
    /// accepted is recorded when it is in effect.
    pub async fn apply(&self, fault: &Fault, recorder: &Recorder) -> Arc<hil_timeline::RunEvent> {
        let state = &self.state;
        if matches!(fault, Fault::Refuse | Fault::Accept) {
            state.begin(fault);
            state.refusal.settled().await;
            while state.active_faults.end_like(&Fault::Refuse).is_some() {}
            if *fault == Fault::Refuse {
                state.active_faults.begin(fault, None);
                return state.record(recorder, fault, FaultPhase::Begins);
            }
            return state.record(recorder, fault, FaultPhase::Happens);
        }
        if matches!(fault, Fault::Recover) {
            // Recorded before held bytes are delivered.
            let last = state.end_faults(recorder);
            state.armed.disarm();
            state.control.clear();
            state.refusal.set(false);
            state.refusal.settled().await;
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
            // Counted first: a fault that waits for a packet may be applied at once.
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
