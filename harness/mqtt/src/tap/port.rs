//! One board's door to the broker.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use hil_config::Subnet;
use hil_link::{Control, Ending, Leg, Watch, Way, relay};
use hil_timeline::{ConnectionChange, Direction, FaultPhase, Recorder, What};
use parking_lot::Mutex;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::fault::{Deed, Fault, PacketMatch};
use super::gate::Armed;
use super::lasting::Lasting;
use super::layers::{self, First, Near, TlsMode};
use super::recording::Recording;
use super::strangers::Strangers;
use crate::capture::Capture;
use crate::descriptors::Shortage;
use crate::endpoint::{Endpoint, Offers, Transport};
use crate::tls::Identity;

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

/// Where a board's connections go while a scenario owns it.
#[derive(Debug, Clone)]
pub struct Route {
    /// The broker.
    pub offers: Offers,
    /// What is shown to the broker for a board that shows a certificate itself.
    pub identity: Option<Identity>,
    /// Packets are recorded here.
    pub recorder: Recorder,
    /// And captured here.
    pub capture: Option<Capture>,
}

impl Route {
    /// To a broker without layers.
    #[must_use]
    pub fn plain(broker: SocketAddr, recorder: Recorder) -> Self {
        Self { offers: Offers::plain(broker), identity: None, recorder, capture: None }
    }
}

/// A listening port that belongs to one board. Without a route every connection is reset.
#[derive(Debug)]
pub struct TapPort {
    address: SocketAddr,
    door: Arc<Door>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
pub(super) struct Door {
    pub(super) board: String,
    tls: TlsMode,
    route: watch::Sender<Option<Route>>,
    pub(super) control: Control,
    pub(super) armed: Armed,
    /// How often a route was closed.
    closings: watch::Sender<u64>,
    /// Boards must show a certificate.
    must_show: AtomicBool,
    /// Nobody shall listen: connections are refused.
    shut: watch::Sender<bool>,
    /// Nobody listens.
    is_shut: watch::Sender<bool>,
    lasting: Lasting,
    /// A fault that could not be applied to the packet that it waited for.
    missed: Mutex<Option<String>>,
    strangers: Strangers,
    connections: AtomicU32,
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
        let door = Arc::new(Door {
            board: board.to_owned(),
            tls,
            route: watch::Sender::new(None),
            closings: watch::Sender::new(0),
            control: Control::default(),
            armed: Armed::default(),
            must_show: AtomicBool::new(false),
            shut: watch::Sender::new(false),
            is_shut: watch::Sender::new(false),
            lasting: Lasting::default(),
            missed: Mutex::default(),
            strangers: Strangers::default(),
            connections: AtomicU32::new(0),
        });
        let accepting = tokio::spawn(accept(place, address, listener, Arc::clone(&door)));
        Ok(Self { address, door, accepting })
    }

    /// Where the board shall connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Faults of this board's network.
    #[must_use]
    pub fn control(&self) -> &Control {
        &self.door.control
    }

    /// Whether new connections are refused.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        *self.door.shut.borrow()
    }

    /// A fault that waits for a packet which has not come.
    #[must_use]
    pub fn unfired(&self) -> Option<String> {
        self.door.armed.first().map(|(deed, packet)| Fault::Next(deed, packet).to_string())
    }

    /// A fault whose packet was too large to be kept, and passed as it was.
    #[must_use]
    pub fn missed(&self) -> Option<String> {
        self.door.missed.lock().clone()
    }

    /// Only connections from there are the board's; without any, all are.
    pub fn expect_from(&self, addresses: &[Subnet]) {
        self.door.strangers.expect(addresses);
    }

    /// New connections go there from now on.
    pub fn open_route(&self, route: Route) {
        self.door.route.send_replace(Some(route));
    }

    /// Resets every connection and refuses new ones; faults end.
    pub fn close_route(&self) {
        if let Some(route) = self.door.route.send_replace(None) {
            self.door.end_faults(&route.recorder);
        }
        self.door.closings.send_modify(|closings| *closings += 1);
        self.door.control.end(Ending::Reset);
        self.door.control.clear();
        self.door.armed.disarm();
        self.door.missed.lock().take();
        self.door.strangers.forget();
        self.door.must_show.store(false, Ordering::Relaxed);
        self.door.shut.send_replace(false);
    }

    /// The board is gone without a word: its connections fall silent for good, however their sockets end.
    pub fn abandon(&self) {
        self.door.control.end(Ending::Abandon);
    }

    /// The board begins a new life and knows nothing of its former connections.
    pub fn owner_is_back(&self) {
        self.door.control.owner_is_back();
    }

    /// Boards must show a certificate from now on, until the route is closed.
    pub fn require_certificates(&self) {
        self.door.must_show.store(true, Ordering::Relaxed);
    }

    /// The latest silence of both ways ends; all else that was done to the network stays.
    pub fn end_silence(&self, recorder: &Recorder) -> Arc<hil_timeline::RunEvent> {
        let fault = Fault::Silence(Way::BOTH.to_vec());
        let ended = self.door.lasting.end_like(&fault);
        // Recorded first: what was held comes after it.
        let event = self.door.record(recorder, &fault, FaultPhase::Ends);
        if let Some(silence) = ended.and_then(|ended| ended.silence) {
            self.door.control.resume(silence);
        }
        event
    }

    /// Does something to the board's network, and records it: just before, so that what it causes comes after it; that
    /// nobody listens any more, or somebody again, once it is so.
    pub async fn apply(&self, fault: &Fault, recorder: &Recorder) -> Arc<hil_timeline::RunEvent> {
        let door = &self.door;
        if matches!(fault, Fault::Refuse | Fault::Accept) {
            door.begin(fault);
            door.settled().await;
            while door.lasting.end_like(&Fault::Refuse).is_some() {}
            if *fault == Fault::Refuse {
                door.lasting.begin(fault, None);
                return door.record(recorder, fault, FaultPhase::Begins);
            }
            return door.record(recorder, fault, FaultPhase::Happens);
        }
        if matches!(fault, Fault::Recover) {
            // Recorded first: what was held comes after it.
            let last = door.end_faults(recorder);
            door.armed.disarm();
            door.control.clear();
            door.shut.send_replace(false);
            door.settled().await;
            return last.unwrap_or_else(|| door.record(recorder, fault, FaultPhase::Happens));
        }
        if matches!(fault, Fault::Close | Fault::Reset) {
            let event = door.record(recorder, fault, FaultPhase::Happens);
            door.begin(fault);
            return event;
        }
        let event = door.record(recorder, fault, FaultPhase::Begins);
        if let Fault::Silence(ways) = fault {
            door.hold(fault, ways);
        } else {
            // Counted first: what waits for a packet may happen at once.
            door.lasting.begin(fault, None);
            door.begin(fault);
        }
        event
    }
}

impl Door {
    fn record(&self, recorder: &Recorder, fault: &Fault, phase: FaultPhase) -> Arc<hil_timeline::RunEvent> {
        recorder.record(What::Fault { board: self.board.clone(), fault: fault.to_string(), phase })
    }

    /// What waited for a packet has happened.
    pub(super) fn happened(&self, recorder: &Recorder, fault: &Fault) {
        self.lasting.end_like(fault);
        self.record(recorder, fault, FaultPhase::Happens);
    }

    /// The packet that a fault waited for has passed as it was.
    pub(super) fn missed(&self, recorder: &Recorder, fault: &Fault) {
        self.lasting.end_like(fault);
        self.missed.lock().get_or_insert_with(|| fault.to_string());
        self.record(recorder, fault, FaultPhase::Ends);
    }

    /// These ways are silent until the fault ends; gives back its number.
    pub(super) fn hold(&self, fault: &Fault, ways: &[Way]) -> u64 {
        let silence = self.control.silence(ways);
        self.lasting.begin(fault, Some(silence))
    }

    /// A fault ends, unless it has ended already with all others.
    pub(super) fn release(&self, recorder: &Recorder, number: u64) {
        let Some(ended) = self.lasting.end(number) else { return };
        // Recorded first: what was held comes after it.
        self.record(recorder, &ended.fault, FaultPhase::Ends);
        if let Some(silence) = ended.silence {
            self.control.resume(silence);
        }
    }

    fn begin(&self, fault: &Fault) {
        let arm = |deed, name: &str, direction| {
            self.armed.arm(deed, PacketMatch { name: name.to_owned(), direction, topic: None });
        };
        match fault {
            Fault::Delay { by, jitter } => self.control.delay(&hil_link::Way::BOTH, *by, *jitter),
            Fault::Bandwidth(rate) => self.control.limit(&hil_link::Way::BOTH, *rate),
            Fault::Close => self.control.end(Ending::Close),
            Fault::Reset => self.control.end(Ending::Reset),
            Fault::Refuse => {
                self.shut.send_replace(true);
            }
            Fault::Accept => {
                self.shut.send_replace(false);
            }
            Fault::HoldConnack(span) => arm(Deed::Hold(*span), "CONNACK", Direction::ToBoard),
            Fault::AnswerConnect(code) => arm(Deed::Answer(*code), "CONNECT", Direction::FromBoard),
            Fault::Next(deed, packet) => self.armed.arm(*deed, packet.clone()),
            Fault::Silence(_) | Fault::Recover => {}
        }
    }

    /// Waits until the route that is open now is closed.
    pub(super) fn route_closed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut closings = self.closings.subscribe();
        async move {
            // Without a sender there is no door any more.
            let _ = closings.changed().await;
        }
    }

    /// Waits until the door is as it shall be.
    async fn settled(&self) {
        let wanted = *self.shut.borrow();
        /// It takes microseconds; a system without descriptors may keep a door shut for longer.
        const PATIENCE: Duration = Duration::from_secs(5);
        let mut is_shut = self.is_shut.subscribe();
        let settled = is_shut.wait_for(|is_shut| *is_shut == wanted);
        let _ = tokio::time::timeout(PATIENCE, settled).await;
    }

    fn end_faults(&self, recorder: &Recorder) -> Option<Arc<hil_timeline::RunEvent>> {
        let ended = self.lasting.end_all();
        ended.iter().map(|fault| self.record(recorder, fault, FaultPhase::Ends)).last()
    }
}

impl Drop for TapPort {
    fn drop(&mut self) {
        self.accepting.abort();
        self.door.control.end(Ending::Reset);
    }
}

impl Door {
    /// A connection did not come from the board.
    fn turn_away(&self, recorder: &Recorder, peer: SocketAddr) {
        if !self.strangers.is_new(peer.ip()) {
            return;
        }
        let connection = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let reason = format!("a connection from {}, which is not the board's address", peer.ip().to_canonical());
        let (board, change) = (self.board.clone(), ConnectionChange::TurnedAway { reason });
        recorder.record(What::Connection { board, connection, peer: Some(peer), change });
    }

    /// A connection could not be accepted; where that is for want of a descriptor, it is recorded once.
    fn without_descriptors(&self, error: &std::io::Error, said: &mut bool) {
        let (Some(shortage), Some(route)) = (Shortage::of(error), &*self.route.borrow()) else { return };
        if !std::mem::replace(said, true) {
            let connection = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
            let change = ConnectionChange::Refused { reason: shortage.to_string() };
            route.recorder.record(What::Connection { board: self.board.clone(), connection, peer: None, change });
        }
    }
}

fn bind(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    bind(address)?.listen(1024)
}

/// Accepts connections; while the door is shut nobody listens, so that the system itself refuses.
async fn accept(_place: TcpSocket, address: SocketAddr, listener: TcpListener, door: Arc<Door>) {
    /// How soon the system is asked again for what it refused: it does not say when a descriptor is free.
    const AGAIN: Duration = Duration::from_millis(100);
    let mut shut = door.shut.subscribe();
    let mut listener = Some(listener);
    // The latest refusal is recorded already.
    let mut said = false;
    loop {
        if *shut.borrow_and_update() {
            listener = None;
        } else if listener.is_none() {
            // Its place was kept: no other connection can have it.
            match listen(address) {
                Ok(open) => listener = Some(open),
                Err(error) => {
                    door.without_descriptors(&error, &mut said);
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            }
        }
        door.is_shut.send_replace(listener.is_none());
        let Some(open) = &listener else {
            if shut.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            biased;
            _ = shut.changed() => {}
            accepted = open.accept() => match accepted {
                Ok((board, from)) => {
                    said = false;
                    tokio::spawn(serve(board, from, Arc::clone(&door)));
                }
                Err(error) => {
                    door.without_descriptors(&error, &mut said);
                    tokio::time::sleep(AGAIN).await;
                }
            },
        }
    }
}

async fn serve(near: TcpStream, from: SocketAddr, door: Arc<Door>) {
    let mut route_now = door.route.subscribe();
    let Some(route) = route_now.borrow_and_update().clone() else {
        hil_link::reset(near);
        return;
    };
    if !door.strangers.is_expected(from.ip()) {
        hil_link::reset(near);
        door.turn_away(&route.recorder, from);
        return;
    }
    let connection = door.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let (board, peer) = (door.board.clone(), Some(from));
    let tell = |change| route.recorder.record(What::Connection { board: board.clone(), connection, peer, change });
    let opened = tell(ConnectionChange::Opened).at;
    // What is refused within libraries shows as nothing but silence.
    let _ = Shortage::look();
    let grip = hil_link::Grip::on(&near);
    let path = tokio::select! {
        biased;
        // The scenario ended, or the broker was started anew: nobody refused anything.
        _ = route_now.changed() => {
            grip.make_hard();
            tell(ConnectionChange::Closed { how: "reset by the bench".to_owned() });
            return;
        }
        ending = door.control.next_ending() => {
            if ending == Ending::Reset {
                grip.make_hard();
            }
            let how = if ending == Ending::Reset { "reset by the bench" } else { "closed by the bench" };
            tell(ConnectionChange::Closed { how: how.to_owned() });
            return;
        }
        path = lay_path(near, &route, &door) => path,
    };
    match path {
        Ok((near, far)) => {
            for layer in near.layers {
                tell(ConnectionChange::Upgraded { layer });
            }
            let opaque = matches!(door.tls, TlsMode::PassThrough) && near.transport == Transport::Tls;
            let wire = route.capture.as_ref().map(|capture| capture.connection(&door.board, connection, from, opened));
            let wire = wire.map(|wire| if opaque { wire.opaque() } else { wire });
            let watch = Recording::new(Arc::clone(&door), (connection, from), route.recorder.clone(), wire, opaque);
            let watch = Arc::new(watch);
            let ended = relay(near.leg, far, &door.control, Arc::clone(&watch) as Arc<dyn Watch>).await;
            watch.over(ended);
        }
        Err(reason) => {
            grip.make_hard();
            tell(ConnectionChange::Refused { reason });
        }
    }
}

/// Both sides of a path. While the network is silent, not even the broker hears of a new connection.
async fn lay_path(near: TcpStream, route: &Route, door: &Door) -> Result<(Near, Leg), String> {
    door.control.audible().await;
    let early = match &route.offers.boards[..] {
        // The broker hears of the connection before its first byte.
        [only @ Endpoint { transport: Transport::Tcp, .. }] => Some((only, only.connect_tcp().await?)),
        _ => None,
    };
    let first = tokio::select! {
        biased;
        first = layers::sniff(&near) => first,
        // It closes the connection, or speaks first: the board hears of that at once.
        () = speaks(early.as_ref().map(|(_, far)| far)) => First::Mqtt,
    };
    let opaque = first == First::Tls && matches!(door.tls, TlsMode::PassThrough);
    let near = layers::accept(near, first, &door.tls, door.must_show.load(Ordering::Relaxed)).await?;
    let endpoint = route.offers.for_boards(near.transport);
    let endpoint = endpoint.ok_or_else(|| "the broker offers no way to reach it".to_owned())?;
    if opaque {
        if endpoint.transport != Transport::Tls {
            return Err("the board begins TLS, but the broker offers none to pass it through to".to_owned());
        }
        return Ok((near, Leg::plain(endpoint.connect_tcp().await?)));
    }
    if let Some((endpoint, far)) = early {
        return Ok((near, endpoint.plain(far)));
    }
    let identity = route.identity.clone().filter(|_| near.has_certificate);
    let far = endpoint.showing(identity).connect().await?;
    Ok((near, far))
}

/// Waits until there is something to read from a broker, were it the end of its connection.
async fn speaks(far: Option<&TcpStream>) {
    let Some(far) = far else { return std::future::pending().await };
    // An end is left to the relay: reading a reset would take it away.
    if far.ready(Interest::READABLE).await.is_ok_and(|ready| !ready.is_read_closed()) {
        let _ = far.peek(&mut [0]).await;
    }
}
