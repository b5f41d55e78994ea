//! One board's door to the broker.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hil_link::{Control, Ended, Ending, Watch, Way, relay};
use hil_timeline::{ConnectionChange, Direction, Recorder, What};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::decoder::Decoder;

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

/// Where a board's connections go while a scenario owns it.
#[derive(Debug, Clone)]
pub struct Route {
    /// The broker.
    pub broker: SocketAddr,
    /// Packets are recorded here.
    pub recorder: Recorder,
}

/// A listening port that belongs to one board. Without a route every connection is reset.
#[derive(Debug)]
pub struct TapPort {
    address: SocketAddr,
    door: Arc<Door>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Door {
    board: String,
    route: watch::Sender<Option<Route>>,
    control: Control,
    connections: AtomicU32,
}

impl TapPort {
    /// Opens a board's port; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address can't be had.
    pub async fn open(board: &str, address: IpAddr, port: u16) -> Result<Self, TapError> {
        let wanted = SocketAddr::new(address, port);
        let failed = |source| TapError { board: board.to_owned(), address: wanted, source };
        let listener = TcpListener::bind(wanted).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let door = Arc::new(Door {
            board: board.to_owned(),
            route: watch::Sender::new(None),
            control: Control::default(),
            connections: AtomicU32::new(0),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&door)));
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

    /// New connections go there from now on.
    pub fn open_route(&self, route: Route) {
        self.door.route.send_replace(Some(route));
    }

    /// Resets every connection and refuses new ones; faults end.
    pub fn close_route(&self) {
        self.door.route.send_replace(None);
        self.door.control.end(Ending::Reset);
        self.door.control.clear();
    }
}

impl Drop for TapPort {
    fn drop(&mut self) {
        self.accepting.abort();
        self.door.control.end(Ending::Reset);
    }
}

async fn accept(listener: TcpListener, door: Arc<Door>) {
    loop {
        match listener.accept().await {
            Ok((board, _)) => {
                tokio::spawn(serve(board, Arc::clone(&door)));
            }
            // Out of descriptors: the next connection may find one free.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(near: TcpStream, door: Arc<Door>) {
    let mut route = door.route.subscribe();
    let Some(Route { broker, recorder }) = route.borrow_and_update().clone() else {
        hil_link::reset(near);
        return;
    };
    let connection = door.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let tell = |change| recorder.record(What::Connection { board: door.board.clone(), connection, change });
    tell(ConnectionChange::Opened);
    let far = tokio::select! {
        biased;
        _ = route.changed() => Err("the scenario ended".to_owned()),
        far = connect(broker, &door.control) => far,
    };
    let far = match far {
        Ok(far) => far,
        Err(reason) => {
            tell(ConnectionChange::Refused { reason });
            hil_link::reset(near);
            return;
        }
    };
    let watch = Recording { board: door.board.clone(), connection, recorder, decoder: Mutex::default() };
    relay(near, far, &door.control, Arc::new(watch)).await;
}

/// While the network is silent, not even the broker hears of a new connection.
async fn connect(broker: SocketAddr, control: &Control) -> Result<TcpStream, String> {
    const PATIENCE: Duration = Duration::from_secs(5);
    control.audible().await;
    match tokio::time::timeout(PATIENCE, TcpStream::connect(broker)).await {
        Ok(connected) => connected.map_err(|error| format!("the broker does not answer: {error}")),
        Err(_) => Err("the broker does not answer".to_owned()),
    }
}

/// Decodes what is forwarded and records it just before it is written.
struct Recording {
    board: String,
    connection: u32,
    recorder: Recorder,
    decoder: Mutex<Decoder>,
}

impl Watch for Recording {
    fn forwarding(&self, way: Way, bytes: &[u8]) {
        let direction = match way {
            Way::Up => Direction::FromBoard,
            Way::Down => Direction::ToBoard,
        };
        let packets = self.decoder.lock().unwrap_or_else(PoisonError::into_inner).push(direction, bytes);
        for (packet, bytes) in packets {
            let (board, connection) = (self.board.clone(), self.connection);
            self.recorder.record(What::Packet { board, connection, direction, bytes, packet });
        }
    }

    fn ending(&self, ended: Ended) {
        let change = ConnectionChange::Closed { how: describe(ended).to_owned() };
        self.recorder.record(What::Connection { board: self.board.clone(), connection: self.connection, change });
    }
}

fn describe(ended: Ended) -> &'static str {
    match ended {
        Ended::Closed(Way::Up) => "closed by the board",
        Ended::Closed(Way::Down) => "closed by the broker",
        Ended::Broken(Way::Up) => "reset by the board",
        Ended::Broken(Way::Down) => "reset by the broker",
        Ended::Ordered(Ending::Close) => "closed by the bench",
        Ended::Ordered(Ending::Reset) => "reset by the bench",
    }
}
