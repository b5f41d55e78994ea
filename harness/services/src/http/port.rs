//! The port at which one board gets its files.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hil_capture::{Capture, Interface};
use hil_link::{ConnectionHandle, Ending, Gated, Port, RelayConnection, Shortage, Watch, relay};
use hil_timeline::{Exchange, Recorder};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ProtocolVersion, ServerConfig};

use super::answer::{Reached, answer};
use super::body::{FarEnd, Finish, ServerEnd};
use super::offer::Files;
use super::recorder::ConnectionRecorder;
use crate::BoardNetwork;
use crate::error::ServiceError;

/// The registered port of HTTP: so captures are read as HTTP, whatever the real port is.
const HTTP: u16 = 80;

/// What a board gets while a scenario owns it.
#[derive(Debug, Clone)]
pub struct HttpRoute {
    /// The files.
    pub files: Files,
    /// The certificate for HTTPS; without one, TLS is refused.
    pub tls: Option<Arc<ServerConfig>>,
    /// Records what happens.
    pub recorder: Recorder,
    /// Captures the bytes.
    pub capture: Option<Capture>,
}

/// A listening port that belongs to one board, for HTTP and HTTPS alike: the first byte tells them apart. Without a route
/// every connection is reset.
#[derive(Debug)]
pub struct HttpPort {
    address: SocketAddr,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    board: String,
    network: BoardNetwork,
    route: watch::Sender<Option<HttpRoute>>,
    connections: AtomicU32,
}

impl HttpPort {
    /// Opens a board's port; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is not available.
    pub fn open(board: &str, wanted: SocketAddr, network: BoardNetwork) -> Result<Self, ServiceError> {
        let failed = |source| ServiceError::new("http", board, wanted, source);
        let port = Port::open(wanted, &network.refusal).map_err(failed)?;
        let (address, board) = (port.address(), board.to_owned());
        let state = State { board, network, route: watch::Sender::new(None), connections: AtomicU32::new(0) };
        let state = Arc::new(state);
        let accepting = tokio::spawn(accept(port, Arc::clone(&state)));
        Ok(Self { address, state, accepting })
    }

    /// The address for the board to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What new connections get from now on.
    pub fn open_route(&self, route: HttpRoute) {
        self.state.route.send_replace(Some(route));
    }

    /// From now on new connections are reset. The end of open ones is ordered by the board's [`hil_link::Control`].
    pub fn close_route(&self) {
        self.state.route.send_replace(None);
    }
}

impl Drop for HttpPort {
    fn drop(&mut self) {
        self.accepting.abort();
        self.state.network.control.end(Ending::Reset);
    }
}

async fn accept(mut port: Port, state: Arc<State>) {
    loop {
        match port.accept().await {
            Ok((near, from)) => drop(tokio::spawn(serve(near, from, Arc::clone(&state)))),
            // Counted, and tried again: the tap's port reports the shortage.
            Err(error) => drop(Shortage::of(&error)),
        }
    }
}

async fn serve(near: TcpStream, from: SocketAddr, state: Arc<State>) {
    let mut routes = state.route.subscribe();
    let route = routes.borrow_and_update().clone();
    let Some(route) = route.filter(|_| state.network.peers.is_expected(from.ip())) else {
        hil_link::reset(near);
        return;
    };
    let connection = state.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let stream = route.capture.as_ref().map(|capture| {
        let board = &state.board;
        let description = format!("board {board} and the files that it is offered");
        let interface = Interface { name: format!("{board}-http"), description };
        let comment = format!("board {board}, HTTP connection {connection}, from {from}");
        capture.stream(&interface, from.ip(), HTTP, comment, route.recorder.now())
    });
    let recorder =
        ConnectionRecorder::new(&state.board, connection, route.recorder.clone(), route.files.clone(), stream);
    let recorder = Arc::new(recorder);
    recorder.record(Exchange::Opened { peer: from });
    let _ = Shortage::look();
    // What the board has not acknowledged is at most this much more than what is recorded as sent.
    const QUEUED: usize = 16 * 1024;
    let _ = socket2::SockRef::from(&near).set_send_buffer_size(QUEUED);
    let handle = ConnectionHandle::of(&near);
    let port = near.local_addr().map_or(HTTP, |address| address.port());
    let layered = tokio::select! {
        biased;
        // The scenario has ended.
        _ = routes.changed() => Err((Ending::Reset, None)),
        ending = state.network.control.next_ending() => Err((ending, None)),
        layered = layer(near, &route, &state) => layered.map_err(|reason| (Ending::Reset, Some(reason))),
    };
    match layered {
        Ok((near, layer)) => {
            let scheme = if layer.is_some() { "https" } else { "http" };
            if let Some(layer) = layer {
                recorder.record(Exchange::Upgraded { layer });
            }
            let (far, server) = connect(route.files, Reached { scheme, port });
            let watch = Arc::clone(&recorder) as Arc<dyn Watch>;
            recorder.finish(relay(near, far, &state.network.control, watch).await);
            server.abort();
        }
        Err((ending, None)) => {
            match ending {
                Ending::Reset => handle.close_with_reset(),
                Ending::Close => handle.close_in_order(),
                Ending::Abandon => {}
            }
            let how = if ending == Ending::Reset { "reset by the bench" } else { "closed by the bench" };
            recorder.record(Exchange::Closed { how: how.to_owned() });
        }
        Err((_, Some(Refused { reason, alert }))) => {
            recorder.record(Exchange::Refused { reason, alert });
            // A reset does not get through a silence.
            state.network.control.audible().await;
            handle.close_with_reset();
        }
    }
}

/// Why a connection was refused.
struct Refused {
    reason: String,
    /// The TLS alert of the board, if the board ended the handshake.
    alert: Option<String>,
}

impl Refused {
    fn new(reason: &str) -> Self {
        Self { reason: reason.to_owned(), alert: None }
    }
}

/// The board's end, with TLS if the board begins with it. While the network is silent nothing is answered.
async fn layer(
    near: TcpStream,
    route: &HttpRoute,
    state: &State,
) -> Result<(RelayConnection, Option<String>), Refused> {
    /// How long a board may take for its handshake.
    const PATIENCE: Duration = Duration::from_secs(20);
    /// The first byte of a TLS handshake (RFC 8446 §5.1).
    const HANDSHAKE: u8 = 0x16;
    state.network.control.audible().await;
    let mut first = [0];
    let begins = near.peek(&mut first).await;
    if !matches!(begins, Ok(1)) || first[0] != HANDSHAKE {
        return Ok((RelayConnection::plain(near), None));
    }
    let Some(config) = &route.tls else {
        return Err(Refused::new("the board starts TLS, but there is no certificate"));
    };
    let handle = ConnectionHandle::of(&near);
    let (near, gate) = Gated::new(near, &state.network.control);
    let accepting = TlsAcceptor::from(Arc::clone(config)).accept(near);
    let secured = state.network.control.within(PATIENCE, accepting).await;
    let secured = secured.ok_or_else(|| Refused::new("the board did not complete its handshake"))?;
    let stream = secured.map_err(|error| Refused {
        reason: format!("the TLS handshake with the board failed: {error}"),
        alert: hil_tls::ended_by_client(&error),
    })?;
    let version = match stream.get_ref().1.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS",
    };
    gate.open();
    Ok((RelayConnection::layered(stream, handle), Some(version.to_owned())))
}

/// A server of its own for one connection, in this process.
fn connect(files: Files, reached: Reached) -> (RelayConnection, JoinHandle<()>) {
    /// Little is on the way between the server and the link.
    const BUFFER: usize = 8 * 1024;
    let (far, server) = tokio::io::duplex(BUFFER);
    let finish = Arc::new(Finish::default());
    let far = FarEnd { stream: far, finish: Arc::clone(&finish) };
    let server = ServerEnd { stream: server, finish: Arc::clone(&finish) };
    let serving = tokio::spawn(async move {
        let service = service_fn(move |request| {
            let response = answer(&files, &request, reached, &finish);
            async move { Ok::<_, std::convert::Infallible>(response) }
        });
        // It ends with an error when a response stops before its end, or the board sends something else than HTTP.
        let _ = http1::Builder::new()
            .half_close(true)
            // As most servers write them: clients of devices, such as MicroPython's `requests`, look for `Location:`.
            .title_case_headers(true)
            .max_buf_size(2 * BUFFER)
            .serve_connection(TokioIo::new(server), service)
            .await;
    });
    (RelayConnection::inside(far), serving)
}
