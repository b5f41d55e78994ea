//! The sockets at which other processes reach a keeper: one for each of its locks.
//!
//! A process that only wants to know who holds a board reads the peer's credentials and disconnects. A process that
//! waits for the lock stays connected until it is free. A process of the same user can ask a detached keeper to exit.

use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::lock::END;

/// Most connections of other users at once.
const MAX_FOREIGN: usize = 16;
/// Most connections of the keeper's own user at once.
const MAX_OWN: usize = 64;
/// How often accepting is tried again if no descriptor is free.
const RETRY: Duration = Duration::from_millis(100);

/// All sockets of a keeper.
pub(super) struct ControlSockets {
    /// It runs without its `hil`.
    detached: Arc<AtomicBool>,
    exit_requests: mpsc::Sender<UnixStream>,
    listening: Mutex<JoinSet<()>>,
}

impl ControlSockets {
    /// No sockets yet, and the connections that ask the keeper to exit.
    pub(super) fn new() -> (Self, mpsc::Receiver<UnixStream>) {
        let (exit_requests, received) = mpsc::channel(1);
        (Self { detached: Arc::default(), exit_requests, listening: Mutex::default() }, received)
    }

    /// Serves one more socket.
    pub(super) fn listen(&self, socket: StdListener) -> std::io::Result<()> {
        socket.set_nonblocking(true)?;
        let socket = UnixListener::from_std(socket)?;
        let (exit_requests, detached) = (self.exit_requests.clone(), Arc::clone(&self.detached));
        let mut listening = self.listening.lock();
        listening.spawn(accept_clients(socket, exit_requests, detached));
        Ok(())
    }

    /// Honors requests to exit from now on.
    pub(super) fn detach(&self) {
        self.detached.store(true, Ordering::SeqCst);
    }

    /// Closes all sockets; their names are free when this returns.
    pub(super) async fn close(&self) {
        let mut listening = std::mem::take(&mut *self.listening.lock());
        listening.shutdown().await;
    }
}

async fn accept_clients(socket: UnixListener, exit_requests: mpsc::Sender<UnixStream>, detached: Arc<AtomicBool>) {
    let user = rustix::process::getuid().as_raw();
    let (mut own, mut foreign) = (JoinSet::new(), JoinSet::new());
    loop {
        let client = match socket.accept().await {
            Ok((client, _)) => client,
            Err(_) => {
                // No descriptor is free: the client stays in the queue until one is.
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        let is_own = client.peer_cred().is_ok_and(|peer| peer.uid() == user);
        let (clients, limit) = if is_own { (&mut own, MAX_OWN) } else { (&mut foreign, MAX_FOREIGN) };
        while clients.try_join_next().is_some() {}
        // A client that is disconnected connects again.
        if clients.len() < limit {
            clients.spawn(serve_client(client, is_own.then(|| exit_requests.clone()), Arc::clone(&detached)));
        }
    }
}

/// Keeps the connection open until the client disconnects or the lock is free.
async fn serve_client(client: UnixStream, exit_requests: Option<mpsc::Sender<UnixStream>>, detached: Arc<AtomicBool>) {
    const LONGEST: u64 = 16;
    let mut client = BufReader::new(client);
    let mut word = String::new();
    let read = (&mut client).take(LONGEST).read_line(&mut word).await;
    let is_request = read.is_ok() && word.trim_end() == END && detached.load(Ordering::SeqCst);
    if let (true, Some(exit_requests)) = (is_request, exit_requests) {
        // The first request is enough: the keeper exits.
        let _ = exit_requests.send(client.into_inner()).await;
    }
}

/// Sends what could not be made safe to the client that asked the keeper to exit.
pub(super) async fn report(client: &mut UnixStream, failures: &[(String, String)]) {
    let line = serde_json::to_vec(failures).unwrap_or_default();
    // A client that has disconnected needs no report.
    let _ = client.write_all(&line).await;
}
