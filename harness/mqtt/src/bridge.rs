//! Leads the observer's client, which knows TCP and local sockets only, to a broker behind TLS or WebSocket.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

use crate::endpoint::Endpoint;

/// A local socket that nobody else can reach, and what lies behind it. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Bridge {
    folder: TempDir,
    failure: Arc<Mutex<Option<String>>>,
    task: JoinHandle<()>,
}

const SOCKET: &str = "broker";

impl Bridge {
    pub(crate) fn open(endpoint: Endpoint) -> io::Result<Self> {
        // Only its owner may enter: the socket lends a certificate to whoever connects.
        let folder = tempfile::Builder::new().prefix("hil-observer-").tempdir()?;
        let listener = UnixListener::bind(folder.path().join(SOCKET))?;
        let failure = Arc::default();
        let task = tokio::spawn(serve(listener, endpoint, Arc::clone(&failure)));
        Ok(Self { folder, failure, task })
    }

    pub(crate) fn path(&self) -> String {
        self.folder.path().join(SOCKET).display().to_string()
    }

    /// Why the latest connection did not get through.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: UnixListener, endpoint: Endpoint, failure: Arc<Mutex<Option<String>>>) {
    // One client, one connection at a time.
    while let Ok((mut near, _)) = listener.accept().await {
        let reached = endpoint.connect().await;
        *failure.lock().unwrap_or_else(PoisonError::into_inner) = reached.as_ref().err().cloned();
        if let Ok(far) = reached {
            // However it ends: the client notices.
            let _ = tokio::io::copy_bidirectional(&mut near, &mut far.into_stream()).await;
        }
    }
}
