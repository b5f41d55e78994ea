//! What a tap's port, its listener and its connections share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use hil_link::{Control, Ending, PathDirection, Peers, Refusal, Shortage};
use hil_timeline::{ConnectionChange, Direction, FaultPhase, Recorder, What};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::active_faults::ActiveFaults;
use super::fault::{Fault, PacketAction, PacketMatch};
use super::gate::Armed;
use super::layers::TlsMode;
use crate::endpoint::Offers;
use hil_capture::Capture;
use hil_tls::TlsIdentity;

/// Where a board's connections go while a scenario owns it.
#[derive(Debug, Clone)]
pub struct Route {
    /// Where the broker listens.
    pub offers: Offers,
    /// The certificate presented to the broker for a board that presents one itself.
    pub identity: Option<TlsIdentity>,
    /// Records the packets.
    pub recorder: Recorder,
    /// Captures the bytes.
    pub capture: Option<Capture>,
}

impl Route {
    /// A route to a broker on plain TCP.
    #[must_use]
    pub fn plain(broker: SocketAddr, recorder: Recorder) -> Self {
        Self { offers: Offers::plain(broker), identity: None, recorder, capture: None }
    }
}

/// What a port, its listener and its connections share.
#[derive(Debug)]
pub(super) struct TapState {
    pub(super) board: String,
    tls: TlsMode,
    /// Shown instead until the route is closed.
    shown: Mutex<Option<TlsMode>>,
    pub(super) route: watch::Sender<Option<Route>>,
    pub(super) control: Control,
    pub(super) armed: Armed,
    /// How often a route was closed.
    pub(super) closings: watch::Sender<u64>,
    /// Boards must present a certificate.
    pub(super) requires_certificate: AtomicBool,
    /// Whether connections are refused.
    pub(super) refusal: Refusal,
    pub(super) active_faults: ActiveFaults,
    /// A fault that could not be applied to the packet it waited for.
    pub(super) missed_fault: Mutex<Option<String>>,
    pub(super) peers: Peers,
    connections: AtomicU32,
}

impl TapState {
    pub(super) fn new(board: &str, tls: TlsMode) -> Self {
        Self {
            board: board.to_owned(),
            tls,
            shown: Mutex::default(),
            route: watch::Sender::new(None),
            closings: watch::Sender::new(0),
            control: Control::default(),
            armed: Armed::default(),
            requires_certificate: AtomicBool::new(false),
            refusal: Refusal::default(),
            active_faults: ActiveFaults::default(),
            missed_fault: Mutex::default(),
            peers: Peers::default(),
            connections: AtomicU32::new(0),
        }
    }

    /// How TLS is treated now.
    pub(super) fn tls(&self) -> TlsMode {
        self.shown.lock().as_ref().unwrap_or(&self.tls).clone()
    }

    /// Treats TLS in another way until the route is closed; `None` as before.
    pub(super) fn show(&self, tls: Option<TlsMode>) {
        *self.shown.lock() = tls;
    }

    /// The number of a new connection.
    pub(super) fn next_connection(&self) -> u32 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn record(&self, recorder: &Recorder, fault: &Fault, phase: FaultPhase) -> Arc<hil_timeline::RunEvent> {
        recorder.record(What::Fault { board: self.board.clone(), fault: fault.to_string(), phase })
    }

    /// A fault that waited for a packet was applied to it.
    pub(super) fn fault_applied(&self, recorder: &Recorder, fault: &Fault) {
        self.active_faults.end_like(fault);
        self.record(recorder, fault, FaultPhase::Happens);
    }

    /// The packet that a fault waited for has passed unchanged.
    pub(super) fn fault_missed(&self, recorder: &Recorder, fault: &Fault) {
        self.active_faults.end_like(fault);
        self.missed_fault.lock().get_or_insert_with(|| fault.to_string());
        self.record(recorder, fault, FaultPhase::Ends);
    }

    /// Silences these directions until the fault ends; returns the fault's number.
    pub(super) fn silence(&self, fault: &Fault, ways: &[PathDirection]) -> u64 {
        let silence = self.control.silence(ways);
        self.active_faults.begin(fault, Some(silence))
    }

    /// Ends a fault, unless it has ended already together with all others.
    pub(super) fn end_fault(&self, recorder: &Recorder, number: u64) {
        let Some(ended) = self.active_faults.end(number) else { return };
        // Recorded before held bytes are delivered.
        self.record(recorder, &ended.fault, FaultPhase::Ends);
        if let Some(silence) = ended.silence {
            self.control.resume(silence);
        }
    }

    pub(super) fn begin(&self, fault: &Fault) {
        let arm = |action, name: &str, direction| {
            self.armed.arm(action, PacketMatch { name: name.to_owned(), direction, topic: None });
        };
        match fault {
            Fault::Delay { by, jitter } => self.control.delay(&PathDirection::BOTH, *by, *jitter),
            Fault::Bandwidth(rate) => self.control.limit(&PathDirection::BOTH, *rate),
            Fault::Close => self.control.end(Ending::Close),
            Fault::Reset => self.control.end(Ending::Reset),
            Fault::Refuse => self.refusal.set(true),
            Fault::Accept => self.refusal.set(false),
            Fault::HoldConnack(span) => arm(PacketAction::Hold(*span), "CONNACK", Direction::ToBoard),
            Fault::AnswerConnect(code) => arm(PacketAction::Answer(*code), "CONNECT", Direction::FromBoard),
            Fault::Next(action, packet) => self.armed.arm(*action, packet.clone()),
            Fault::Silence(_) | Fault::Recover => {}
        }
    }

    /// Waits until the current route is closed.
    pub(super) fn route_closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closings = self.closings.subscribe();
        async move {
            // An error means that the port is gone, and its route with it.
            let _ = closings.changed().await;
        }
    }

    pub(super) fn end_faults(&self, recorder: &Recorder) -> Option<Arc<hil_timeline::RunEvent>> {
        let ended = self.active_faults.end_all();
        ended.iter().map(|fault| self.record(recorder, fault, FaultPhase::Ends)).last()
    }

    /// Records a connection that did not come from the board's address.
    pub(super) fn record_unexpected_peer(&self, recorder: &Recorder, peer: SocketAddr) {
        if !self.peers.is_new(peer.ip()) {
            return;
        }
        let connection = self.next_connection();
        let reason = format!("a connection from {}, which is not the board's address", peer.ip().to_canonical());
        let (board, change) = (self.board.clone(), ConnectionChange::Rejected { reason });
        recorder.record(What::Connection { board, connection, peer: Some(peer), change });
    }

    /// Records once that a connection could not be accepted because no file descriptor was free.
    pub(super) fn record_shortage(&self, error: &std::io::Error, recorded: &mut bool) {
        let (Some(shortage), Some(route)) = (Shortage::of(error), &*self.route.borrow()) else { return };
        if !std::mem::replace(recorded, true) {
            let connection = self.next_connection();
            let change = ConnectionChange::Refused { reason: shortage.to_string(), alert: None };
            route.recorder.record(What::Connection { board: self.board.clone(), connection, peer: None, change });
        }
    }
}
