//! Where other processes knock at a keeper: the names that go with its locks.
//!
//! One that only wants to know who has a board reads that from the connection and leaves. One that waits for the lock holds the
//! line until it is free. A process of the same user asks a detached keeper to end.

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

/// Visitors of other users that are let in at once.
const FOREIGN: usize = 16;
/// Visitors of its own user.
const OWN: usize = 64;
/// How long a visitor waits at most once a descriptor is free again.
const FULL: Duration = Duration::from_millis(100);

/// All names of a keeper.
pub(super) struct Door {
    /// Its `hil` has let it go on alone.
    detached: Arc<AtomicBool>,
    ask: mpsc::Sender<UnixStream>,
    listening: Mutex<JoinSet<()>>,
}

impl Door {
    /// The door, and where the ones arrive that ask the keeper to end.
    pub(super) fn new() -> (Self, mpsc::Receiver<UnixStream>) {
        let (ask, asked) = mpsc::channel(1);
        (Self { detached: Arc::default(), ask, listening: Mutex::default() }, asked)
    }

    /// Listens at one more name.
    pub(super) fn open(&self, name: StdListener) -> std::io::Result<()> {
        name.set_nonblocking(true)?;
        let name = UnixListener::from_std(name)?;
        let (ask, detached) = (self.ask.clone(), Arc::clone(&self.detached));
        let mut listening = self.listening.lock();
        listening.spawn(let_in(name, ask, detached));
        Ok(())
    }

    /// From now on it ends when it is asked to.
    pub(super) fn detach(&self) {
        self.detached.store(true, Ordering::SeqCst);
    }

    /// Gives the names back; they are free when this returns.
    pub(super) async fn close(&self) {
        let mut listening = std::mem::take(&mut *self.listening.lock());
        listening.shutdown().await;
    }
}

async fn let_in(name: UnixListener, ask: mpsc::Sender<UnixStream>, detached: Arc<AtomicBool>) {
    let user = rustix::process::getuid().as_raw();
    let (mut own, mut foreign) = (JoinSet::new(), JoinSet::new());
    loop {
        let visitor = match name.accept().await {
            Ok((visitor, _)) => visitor,
            Err(_) => {
                // No descriptor is free: the visitor stays in the queue until one is.
                tokio::time::sleep(FULL).await;
                continue;
            }
        };
        let is_own = visitor.peer_cred().is_ok_and(|peer| peer.uid() == user);
        let (room, limit) = if is_own { (&mut own, OWN) } else { (&mut foreign, FOREIGN) };
        while room.try_join_next().is_some() {}
        // One that is turned away asks again.
        if room.len() < limit {
            room.spawn(hear(visitor, is_own.then(|| ask.clone()), Arc::clone(&detached)));
        }
    }
}

/// Holds the line until the visitor leaves or the lock is free.
async fn hear(visitor: UnixStream, ask: Option<mpsc::Sender<UnixStream>>, detached: Arc<AtomicBool>) {
    const LONGEST: u64 = 16;
    let mut visitor = BufReader::new(visitor);
    let mut word = String::new();
    let heard = (&mut visitor).take(LONGEST).read_line(&mut word).await;
    let is_request = heard.is_ok() && word.trim_end() == END && detached.load(Ordering::SeqCst);
    if let (true, Some(ask)) = (is_request, ask) {
        // Once it is asked, it ends.
        let _ = ask.send(visitor.into_inner()).await;
    }
}

/// What could not be made safe, for the one who asked.
pub(super) async fn answer(visitor: &mut UnixStream, failures: &[(String, String)]) {
    let line = serde_json::to_vec(failures).unwrap_or_default();
    // One who has left needs none.
    let _ = visitor.write_all(&line).await;
}
