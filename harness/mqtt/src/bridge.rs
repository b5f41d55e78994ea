//! Connects the observer's client, which supports only TCP and Unix sockets, to a broker that uses TLS or WebSocket.

use std::io;
use std::sync::Arc;

use hil_scratch::Scratch;
use parking_lot::Mutex;
use tokio::net::{UnixListener, UnixStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::endpoint::Endpoint;

/// A Unix socket that no other user can open and that leads to a broker. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Bridge {
    folder: Scratch,
    failure: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

const SOCKET: &str = "broker";

impl Bridge {
    pub(crate) fn open(endpoint: Endpoint) -> io::Result<Self> {
        // Only the owner may enter the folder: each client that connects uses the observer's certificate.
        let folder = Scratch::new("observer")?;
        let listener = UnixListener::bind(folder.path().join(SOCKET))?;
        let failure = Arc::default();
        let task = tokio::spawn(serve(listener, endpoint, Arc::clone(&failure)));
        Ok(Self { folder, failure, task })
    }

    pub(crate) fn path(&self) -> String {
        self.folder.path().join(SOCKET).display().to_string()
    }

    /// Why the latest connection to the broker failed.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: UnixListener, endpoint: Endpoint, failure: Arc<Mutex<Option<String>>>) {
    // One client, one connection at a time: a new one closes the previous one, whose broker may be dead and never
    // close it.
    let mut connections = JoinSet::new();
    while let Ok((near, _)) = listener.accept().await {
        connections.shutdown().await;
        connections.spawn(carry(near, endpoint.clone(), Arc::clone(&failure)));
    }
}

async fn carry(mut near: UnixStream, endpoint: Endpoint, failure: Arc<Mutex<Option<String>>>) {
    let reached = endpoint.connect().await;
    *failure.lock() = reached.as_ref().err().cloned();
    if let Ok(far) = reached {
        // How it ends does not matter: the client notices.
        let _ = tokio::io::copy_bidirectional(&mut near, &mut far.into_stream()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::TcpListener;

    use super::*;
    use crate::endpoint::Transport;

    #[tokio::test]
    async fn a_new_connection_does_not_wait_for_a_dead_broker() {
        let broker = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let endpoint = Endpoint::at(broker.local_addr().expect("address"), Transport::WebSocket);
        let bridge = Bridge::open(endpoint).expect("open");
        // This broker neither reads nor closes the connection.
        let mut dead = Vec::new();
        for _ in 0..3 {
            let near = UnixStream::connect(bridge.path()).await.expect("connects");
            let reached = tokio::time::timeout(Duration::from_secs(20), broker.accept())
                .await
                .expect("the bridge connects to the broker");
            dead.push(crate::websocket::accept(reached.expect("accept").0).await.expect("WebSocket"));
            drop(near);
        }
    }
}
