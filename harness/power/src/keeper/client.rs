//! The client of a keeper: sends requests and receives responses.

use std::collections::BTreeMap;
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use hil_config::Rail;
use parking_lot::{Mutex, MutexGuard};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex as AsyncMutex, oneshot, watch};
use tokio::task::JoinHandle;

use super::board_worker::time_to_make_safe;
use super::launch;
use super::lock::{self, Holder};
use super::process_tree::WatchedKeeper;
use super::protocol::{Answer, Claimed, KeeperRequest, KeeperResponse, NumberedRequest, Refusal};
use super::server::RELEASE;
use crate::PowerError;

/// Why the keeper did not carry out a request.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeeperError {
    /// It can't be started.
    #[error("the power keeper can't be started: {0}")]
    NotStarted(String),
    /// It exited without being asked to: killed, most likely.
    #[error("the power keeper exited; the power state of the boards is unknown")]
    Gone,
    /// Another process holds the board.
    #[error("board `{board}` is in use{}", holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default())]
    Held {
        /// The board.
        board: String,
        /// Who holds it.
        holder: Option<Box<Holder>>,
    },
    /// Two boards of one run are the same device.
    #[error("boards `{}` and `{}` are one device: {key}", boards.0, boards.1)]
    Shared {
        /// The boards.
        boards: (String, String),
        /// The key that both claim.
        key: String,
    },
    /// The lock can't be taken.
    #[error("board `{board}` can't be locked: {reason}")]
    Lock {
        /// The board.
        board: String,
        /// The system's error.
        reason: String,
    },
    /// A rail is not in the requested state.
    #[error(transparent)]
    Power(#[from] PowerError),
    /// No process can be started that would make the rails safe if the keeper is killed.
    #[error("no standby process can be started for the rails of board `{board}`: {reason}")]
    NoStandby {
        /// The board.
        board: String,
        /// The system's error.
        reason: String,
    },
    /// A request names a board whose rails were not opened.
    #[error("the rails of board `{board}` are not open")]
    NotOpen {
        /// The board.
        board: String,
    },
    /// The keeper can't run without `hil`.
    #[error("the power keeper can't be detached: {reason}")]
    NotDetachable {
        /// Why.
        reason: String,
    },
    /// A request can't be written.
    #[error("a request to the power keeper can't be encoded: {0}")]
    Encoding(String),
}

impl From<Refusal> for KeeperError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Held { board, holder } => Self::Held { board, holder },
            Refusal::Shared { boards, key } => Self::Shared { boards, key },
            Refusal::Lock { board, reason } => Self::Lock { board, reason },
            Refusal::Power(error) => Self::Power(error),
            Refusal::NoStandby { board, reason } => Self::NoStandby { board, reason },
            Refusal::NotOpen { board } => Self::NotOpen { board },
            Refusal::NotDetachable { reason } => Self::NotDetachable { reason },
        }
    }
}

/// Called when another process holds a board and the keeper waits for it.
pub type Waiting = Arc<dyn Fn(&str, Option<&Holder>) + Send + Sync>;

/// The requests without an answer yet, by number; none once the keeper has exited.
type PendingRequests = Option<BTreeMap<u64, oneshot::Sender<Result<Answer, Refusal>>>>;
type SharedRequests = Arc<Mutex<PendingRequests>>;
/// The boards that could not be made safe, once the keeper has shut down cleanly.
type ShutdownReport = Arc<Mutex<Option<Vec<(String, String)>>>>;

/// The connection to the keeper, and the requests that it has not answered.
struct Connection {
    write: AsyncMutex<Option<OwnedWriteHalf>>,
    pending: SharedRequests,
    next_id: AtomicU64,
}

impl Connection {
    async fn ask(&self, request: KeeperRequest) -> Result<Answer, KeeperError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        match &mut *lock_pending(&self.pending) {
            Some(pending) => drop(pending.insert(id, answer)),
            None => return Err(KeeperError::Gone),
        }
        let mut line = serde_json::to_vec(&NumberedRequest { id, request })
            .map_err(|error| KeeperError::Encoding(error.to_string()))?;
        line.push(b'\n');
        let written = match &mut *self.write.lock().await {
            Some(write) => write.write_all(&line).await.is_ok(),
            None => false,
        };
        if !written {
            return Err(KeeperError::Gone);
        }
        Ok(answered.await.map_err(|_| KeeperError::Gone)??)
    }
}

/// Waits until the keeper misses ten heartbeats in a row. Counted one by one: a pause of this process counts as one at
/// most. While the keeper makes its rails safe, a separate time limit applies.
async fn until_silent(connection: &Weak<Connection>, mut is_shutting_down: watch::Receiver<bool>) {
    const HEARTBEAT: Duration = Duration::from_secs(1);
    const MAX_MISSED: u32 = 10;
    let mut missed = 0;
    while missed < MAX_MISSED {
        let Some(connection) = connection.upgrade().filter(|_| !*is_shutting_down.borrow()) else {
            return std::future::pending().await;
        };
        let answered = tokio::time::timeout(HEARTBEAT, connection.ask(KeeperRequest::Ping)).await;
        drop(connection);
        match answered {
            Ok(Ok(_)) => {
                missed = 0;
                // A keeper that shuts down is not silent.
                let _ =
                    tokio::time::timeout(HEARTBEAT, is_shutting_down.wait_for(|shutting_down| *shutting_down)).await;
            }
            // It has exited, or is about to: the reader of its responses notices.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => missed += 1,
        }
    }
}

/// A running keeper. When it is dropped, the keeper makes everything safe; [`Keeper::end`] waits for that.
pub struct Keeper {
    connection: Arc<Connection>,
    reader: Mutex<Option<JoinHandle<()>>>,
    is_gone: watch::Receiver<bool>,
    /// It makes its rails safe, for any reason.
    is_shutting_down: watch::Receiver<bool>,
    shutdown_report: ShutdownReport,
    asked_to_end: AtomicBool,
    /// Its process, once it has identified itself.
    process: Arc<OnceLock<WatchedKeeper>>,
    /// How long it may take to make the rails safe that it holds.
    patience: Mutex<Duration>,
    folder: PathBuf,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Keeper {
    /// Starts a keeper in a separate process.
    ///
    /// # Errors
    /// If the process can't be started.
    pub fn start(waiting: Waiting) -> Result<Self, KeeperError> {
        let started = launch::start_keeper().map_err(|error| KeeperError::NotStarted(error.to_string()))?;
        Self::on(started, waiting)
    }

    /// The same, with its locks in this folder.
    pub(super) fn with_folder(self, folder: PathBuf) -> Self {
        Self { folder, ..self }
    }

    /// The client of a keeper at the other end of a socket.
    pub(super) fn on(stream: StdStream, waiting: Waiting) -> Result<Self, KeeperError> {
        let failed = |error: std::io::Error| KeeperError::NotStarted(error.to_string());
        stream.set_nonblocking(true).map_err(failed)?;
        let (read, write) = UnixStream::from_std(stream).map_err(failed)?.into_split();
        let pending: SharedRequests = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let connection = Arc::new(Connection {
            write: AsyncMutex::new(Some(write)),
            pending: Arc::clone(&pending),
            next_id: AtomicU64::new(1),
        });
        let (gone, is_gone) = watch::channel(false);
        let (shutdown_report, process) = (ShutdownReport::default(), Arc::<OnceLock<WatchedKeeper>>::default());
        let (shutting_down, is_shutting_down) = watch::channel(false);
        let (report_received, process_received) = (Arc::clone(&shutdown_report), Arc::clone(&process));
        let responses = ResponseReader {
            pending,
            waiting,
            shutdown_report: report_received,
            process: process_received,
            shutting_down,
        };
        // A weak reference: the connection closes when the keeper's client is dropped.
        let (watched, until_shutdown) = (Arc::downgrade(&connection), is_shutting_down.clone());
        let reader = tokio::spawn(async move {
            tokio::select! {
                () = responses.listen(read) => {}
                () = until_silent(&watched, until_shutdown) => {}
            }
            // Every caller that waits for an answer gets an error.
            *lock_pending(&responses.pending) = None;
            gone.send_replace(true);
        });
        Ok(Self {
            connection,
            reader: Mutex::new(Some(reader)),
            is_gone,
            is_shutting_down,
            shutdown_report,
            asked_to_end: AtomicBool::new(false),
            process,
            patience: Mutex::default(),
            folder: lock::folder(),
        })
    }

    /// Lets the keeper make everything safe, as if this process had ended, once it has heard nothing of this process for
    /// so long. It hears something every second.
    ///
    /// # Errors
    /// If it has exited.
    pub async fn end_when_silent(&self, after: Duration) -> Result<(), KeeperError> {
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        self.connection.ask(KeeperRequest::EndWhenSilent { after_ms }).await.map(drop)
    }

    /// Hides these secrets in all that the keeper sends and writes.
    ///
    /// # Errors
    /// If it has exited.
    pub async fn hide(&self, secrets: Vec<String>) -> Result<(), KeeperError> {
        self.connection.ask(KeeperRequest::Hide { secrets }).await.map(drop)
    }

    /// Takes the locks of some boards, all or none. Returns what their last holders could not make safe.
    ///
    /// # Errors
    /// If another process holds one of them and `wait` is false.
    pub async fn lock(
        &self,
        boards: Vec<Claimed>,
        wait: bool,
        holder: Holder,
    ) -> Result<Vec<(String, String)>, KeeperError> {
        let ask = KeeperRequest::Lock { folder: self.folder.clone(), boards, wait, holder };
        match self.connection.ask(ask).await? {
            Answer::Locked { left_unsafe } => Ok(left_unsafe),
            _ => Ok(Vec::new()),
        }
    }

    /// Opens the rails of a board.
    ///
    /// # Errors
    /// If a rail can't be opened.
    pub async fn open(&self, board: &str, rails: &[Rail]) -> Result<(), KeeperError> {
        self.allow(time_to_make_safe(rails));
        let (folder, board, rails) = (self.folder.clone(), board.to_owned(), rails.to_vec());
        self.connection.ask(KeeperRequest::Open { folder, board, rails }).await.map(drop)
    }

    /// Allows its shutdown to take that long.
    fn allow(&self, patience: Duration) {
        let mut longest = self.patience.lock();
        *longest = longest.max(patience);
    }

    /// Switches the rails of a board.
    ///
    /// # Errors
    /// If a rail does not switch.
    pub async fn switch(&self, board: &str, on: bool) -> Result<(), KeeperError> {
        self.connection.ask(KeeperRequest::Switch { board: board.to_owned(), on }).await.map(drop)
    }

    /// Puts the rails of a board into their safe state.
    ///
    /// # Errors
    /// If a rail does not switch.
    pub async fn make_safe(&self, board: &str) -> Result<(), KeeperError> {
        self.connection.ask(KeeperRequest::MakeSafe { board: board.to_owned() }).await.map(drop)
    }

    /// The chip of a board is held in reset: if this process exits before it is released, the keeper runs this program,
    /// after it has made the rails safe, and its standby does if the keeper is killed. None once the chip runs.
    ///
    /// # Errors
    /// If the keeper has exited.
    pub async fn releases(&self, board: &str, program: Option<Vec<String>>) -> Result<(), KeeperError> {
        if program.is_some() {
            self.allow(RELEASE);
        }
        let (folder, board) = (self.folder.clone(), board.to_owned());
        self.connection.ask(KeeperRequest::Releases { folder, board, program }).await.map(drop)
    }

    /// Whether a board has supply; none if nothing measures it.
    ///
    /// # Errors
    /// If measuring fails.
    pub async fn measure(&self, board: &str) -> Result<Option<bool>, KeeperError> {
        match self.connection.ask(KeeperRequest::Measure { board: board.to_owned() }).await? {
            Answer::Measured(on) => Ok(on),
            _ => Ok(None),
        }
    }

    /// What the rails of a board are switched to; none if their drivers can't tell.
    ///
    /// # Errors
    /// If the query fails.
    pub async fn state(&self, board: &str) -> Result<Option<bool>, KeeperError> {
        match self.connection.ask(KeeperRequest::State { board: board.to_owned() }).await? {
            Answer::Measured(on) => Ok(on),
            _ => Ok(None),
        }
    }

    /// Keeps the keeper running after this process exits.
    ///
    /// # Errors
    /// If its locks can't be marked as detached.
    pub async fn detach(&self) -> Result<(), KeeperError> {
        self.connection.ask(KeeperRequest::Detach).await.map(drop)
    }

    /// Waits until it has exited.
    pub async fn gone(&self) {
        // A sender that is dropped without a message means the same.
        let _ = self.is_gone.clone().wait_for(|gone| *gone).await;
    }

    /// Waits until it has begun to make its rails safe, or has exited.
    pub(super) async fn shutting_down(&self) {
        let mut is_shutting_down = self.is_shutting_down.clone();
        tokio::select! {
            () = self.gone() => {}
            Ok(_) = is_shutting_down.wait_for(|shutting_down| *shutting_down) => {}
            else => {}
        }
    }

    /// Whether [`Self::shutting_down`] is over.
    pub(super) fn is_shutting_down(&self) -> bool {
        *self.is_gone.borrow() || *self.is_shutting_down.borrow()
    }

    /// Whether this process asked it to exit.
    pub(super) fn was_asked_to_end(&self) -> bool {
        self.asked_to_end.load(Ordering::SeqCst)
    }

    /// Kills its process, if it still runs, and all processes that it started. Does nothing if it runs in this process.
    pub(super) async fn kill(&self) {
        if let Some(process) = self.process.get() {
            process.end().await;
        }
    }

    /// What it could not make safe, after a clean shutdown; none while it runs and after it was killed.
    #[must_use]
    pub fn shutdown_report(&self) -> Option<Vec<(String, String)>> {
        self.shutdown_report.lock().clone()
    }

    /// Closes the connection and waits until the keeper has made everything safe and released its locks. True if it
    /// did so in time.
    pub async fn end(&self) -> bool {
        self.asked_to_end.store(true, Ordering::SeqCst);
        let patience = *self.patience.lock();
        // Dropping this half closes it: the keeper reads the end of the stream.
        *self.connection.write.lock().await = None;
        let reader = self.reader.lock().take();
        match reader {
            Some(reader) => tokio::time::timeout(LOCKS + patience, reader).await.is_ok(),
            None => true,
        }
    }
}

/// How long a keeper may take to release its locks.
const LOCKS: Duration = Duration::from_secs(5);

fn lock_pending(pending: &SharedRequests) -> MutexGuard<'_, PendingRequests> {
    pending.lock()
}

/// Reads the responses of the keeper.
struct ResponseReader {
    pending: SharedRequests,
    waiting: Waiting,
    shutdown_report: ShutdownReport,
    process: Arc<OnceLock<WatchedKeeper>>,
    shutting_down: watch::Sender<bool>,
}

impl ResponseReader {
    async fn listen(&self, read: OwnedReadHalf) {
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line) {
                Ok(KeeperResponse::Identity { keeper }) => drop(self.process.set(WatchedKeeper::of(keeper))),
                Ok(KeeperResponse::ShuttingDown) => drop(self.shutting_down.send_replace(true)),
                Ok(KeeperResponse::Done { id, result }) => {
                    let answer = lock_pending(&self.pending).as_mut().and_then(|pending| pending.remove(&id));
                    if let Some(answer) = answer {
                        let _ = answer.send(result);
                    }
                }
                Ok(KeeperResponse::ShutdownReport { failures }) => {
                    *self.shutdown_report.lock() = Some(failures);
                }
                Ok(KeeperResponse::Waiting { board, holder }) => (self.waiting)(&board, holder.as_ref()),
                Err(_) => {}
            }
        }
    }
}
