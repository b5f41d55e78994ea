//! How `hil` commands its keeper.

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

use super::kept_board::time_to_make_safe;
use super::launch;
use super::lock::{self, Holder};
use super::offspring::Watched;
use super::protocol::{Answer, Ask, Claimed, Refusal, Request, Said};
use crate::PowerError;

/// Why the keeper did not do as asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeeperError {
    /// It can't be started.
    #[error("the keeper of the rails can't be started: {0}")]
    NotStarted(String),
    /// It is gone: killed, most likely.
    #[error("the keeper of the rails has ended")]
    Gone,
    /// Somebody else has the board.
    #[error("board `{board}` is in use{}", holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default())]
    Held {
        /// The board.
        board: String,
        /// Who has it.
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
        /// What the system said.
        reason: String,
    },
    /// A rail is not what it should be.
    #[error(transparent)]
    Power(#[from] PowerError),
    /// Something else.
    #[error("{0}")]
    Other(String),
}

impl From<Refusal> for KeeperError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Held { board, holder } => Self::Held { board, holder },
            Refusal::Shared { boards, key } => Self::Shared { boards, key },
            Refusal::Lock { board, reason } => Self::Lock { board, reason },
            Refusal::Power(error) => Self::Power(error),
            Refusal::Other(reason) => Self::Other(reason),
        }
    }
}

/// Told when a board is held by somebody else and must be waited for.
pub type Waiting = Arc<dyn Fn(&str, Option<&Holder>) + Send + Sync>;

/// Who waits for which answer; none once there is nobody to answer.
type Waiters = Option<BTreeMap<u64, oneshot::Sender<Result<Answer, Refusal>>>>;
type Pending = Arc<Mutex<Waiters>>;
/// The boards that could not be made safe, once the keeper has ended in order.
type Farewell = Arc<Mutex<Option<Vec<(String, String)>>>>;

/// What is said to the keeper, and who waits for which answer.
struct Line {
    write: AsyncMutex<Option<OwnedWriteHalf>>,
    pending: Pending,
    next_id: AtomicU64,
}

impl Line {
    async fn ask(&self, ask: Ask) -> Result<Answer, KeeperError> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = oneshot::channel();
        match &mut *lock_pending(&self.pending) {
            Some(pending) => drop(pending.insert(id, answer)),
            None => return Err(KeeperError::Gone),
        }
        let mut line =
            serde_json::to_vec(&Request { id, ask }).map_err(|error| KeeperError::Other(error.to_string()))?;
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

/// Waits until the keeper has not answered for ten seconds. Counted in single seconds: where this process stood still
/// itself, it has not been silent. Nor is it while it makes its rails safe, which has a time limit of its own.
async fn silent(line: &Weak<Line>, mut is_ending: watch::Receiver<bool>) {
    const PULSE: Duration = Duration::from_secs(1);
    const MISSES: u32 = 10;
    let mut misses = 0;
    while misses < MISSES {
        let Some(line) = line.upgrade().filter(|_| !*is_ending.borrow()) else { return std::future::pending().await };
        let answered = tokio::time::timeout(PULSE, line.ask(Ask::Ping)).await;
        drop(line);
        match answered {
            Ok(Ok(_)) => {
                misses = 0;
                // Its end is no silence.
                let _ = tokio::time::timeout(PULSE, is_ending.wait_for(|ending| *ending)).await;
            }
            // It has ended, or is about to: its reader finds out.
            Ok(Err(_)) => return std::future::pending().await,
            Err(_) => misses += 1,
        }
    }
}

/// A running keeper. When it is dropped, the keeper makes everything safe; [`Keeper::end`] waits for that.
pub struct Keeper {
    line: Arc<Line>,
    reader: Mutex<Option<JoinHandle<()>>>,
    is_gone: watch::Receiver<bool>,
    /// It makes its rails safe, for whatever reason.
    is_ending: watch::Receiver<bool>,
    farewell: Farewell,
    asked_to_end: AtomicBool,
    /// Its process, once it has said which one that is.
    process: Arc<OnceLock<Watched>>,
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
    /// Starts a keeper as a process of its own.
    ///
    /// # Errors
    /// When the system gives no process.
    pub fn start(waiting: Waiting) -> Result<Self, KeeperError> {
        let started = launch::start_keeper().map_err(|error| KeeperError::NotStarted(error.to_string()))?;
        Self::on(started, waiting)
    }

    /// The same with its locks in this folder.
    pub(super) fn with_folder(self, folder: PathBuf) -> Self {
        Self { folder, ..self }
    }

    /// The client of a keeper at the other end of a socket.
    pub(super) fn on(stream: StdStream, waiting: Waiting) -> Result<Self, KeeperError> {
        let failed = |error: std::io::Error| KeeperError::NotStarted(error.to_string());
        stream.set_nonblocking(true).map_err(failed)?;
        let (read, write) = UnixStream::from_std(stream).map_err(failed)?.into_split();
        let pending: Pending = Arc::new(Mutex::new(Some(BTreeMap::new())));
        let line = Arc::new(Line {
            write: AsyncMutex::new(Some(write)),
            pending: Arc::clone(&pending),
            next_id: AtomicU64::new(1),
        });
        let (gone, is_gone) = watch::channel(false);
        let (farewell, process) = (Farewell::default(), Arc::<OnceLock<Watched>>::default());
        let (ending, is_ending) = watch::channel(false);
        let (farewell_heard, process_heard) = (Arc::clone(&farewell), Arc::clone(&process));
        let ear = Ear { pending, waiting, farewell: farewell_heard, process: process_heard, ending };
        // Not the line itself: it closes when the keeper is given up.
        let (pulse, until_ending) = (Arc::downgrade(&line), is_ending.clone());
        let reader = tokio::spawn(async move {
            tokio::select! {
                () = ear.listen(read) => {}
                () = silent(&pulse, until_ending) => {}
            }
            // Everybody who waits learns that nothing will answer.
            *lock_pending(&ear.pending) = None;
            gone.send_replace(true);
        });
        Ok(Self {
            line,
            reader: Mutex::new(Some(reader)),
            is_gone,
            is_ending,
            farewell,
            asked_to_end: AtomicBool::new(false),
            process,
            patience: Mutex::default(),
            folder: lock::folder(),
        })
    }

    /// Hides these in whatever the keeper says and writes.
    ///
    /// # Errors
    /// When it is gone.
    pub async fn hide(&self, secrets: Vec<String>) -> Result<(), KeeperError> {
        self.line.ask(Ask::Hide { secrets }).await.map(drop)
    }

    /// Takes the locks of some boards, all or none. Gives back what their last holders could not make safe.
    ///
    /// # Errors
    /// When somebody has one of them and `wait` is false.
    pub async fn lock(
        &self,
        boards: Vec<Claimed>,
        wait: bool,
        holder: Holder,
    ) -> Result<Vec<(String, String)>, KeeperError> {
        let ask = Ask::Lock { folder: self.folder.clone(), boards, wait, holder };
        match self.line.ask(ask).await? {
            Answer::Locked { left_unsafe } => Ok(left_unsafe),
            _ => Ok(Vec::new()),
        }
    }

    /// Opens the rails of a board.
    ///
    /// # Errors
    /// When a rail can't be had.
    pub async fn open(&self, board: &str, rails: &[Rail]) -> Result<(), KeeperError> {
        self.allow(time_to_make_safe(rails));
        let (folder, board, rails) = (self.folder.clone(), board.to_owned(), rails.to_vec());
        self.line.ask(Ask::Open { folder, board, rails }).await.map(drop)
    }

    /// Its end may take as long as that.
    fn allow(&self, patience: Duration) {
        let mut longest = self.patience.lock();
        *longest = longest.max(patience);
    }

    /// Switches the rails of a board.
    ///
    /// # Errors
    /// When a rail does not switch.
    pub async fn switch(&self, board: &str, on: bool) -> Result<(), KeeperError> {
        self.line.ask(Ask::Switch { board: board.to_owned(), on }).await.map(drop)
    }

    /// Puts the rails of a board into their safe state.
    ///
    /// # Errors
    /// When a rail does not switch.
    pub async fn make_safe(&self, board: &str) -> Result<(), KeeperError> {
        self.line.ask(Ask::MakeSafe { board: board.to_owned() }).await.map(drop)
    }

    /// Whether a board has supply; none where nothing measures it.
    ///
    /// # Errors
    /// When measuring fails.
    pub async fn measure(&self, board: &str) -> Result<Option<bool>, KeeperError> {
        match self.line.ask(Ask::Measure { board: board.to_owned() }).await? {
            Answer::Measured(on) => Ok(on),
            _ => Ok(None),
        }
    }

    /// What the rails of a board are switched to; none where their drivers can't tell.
    ///
    /// # Errors
    /// When asking fails.
    pub async fn state(&self, board: &str) -> Result<Option<bool>, KeeperError> {
        match self.line.ask(Ask::State { board: board.to_owned() }).await? {
            Answer::Measured(on) => Ok(on),
            _ => Ok(None),
        }
    }

    /// Lets the keeper go on when this process ends.
    ///
    /// # Errors
    /// When it can't listen for the request to end.
    pub async fn detach(&self) -> Result<(), KeeperError> {
        self.line.ask(Ask::Detach).await.map(drop)
    }

    /// Waits until it has ended.
    pub async fn gone(&self) {
        // The sender says so before it is dropped; dropped without a word, it is gone as well.
        let _ = self.is_gone.clone().wait_for(|gone| *gone).await;
    }

    /// Waits until it has begun to make its rails safe, or has ended.
    pub(super) async fn ending(&self) {
        let mut is_ending = self.is_ending.clone();
        tokio::select! {
            () = self.gone() => {}
            Ok(_) = is_ending.wait_for(|ending| *ending) => {}
            else => {}
        }
    }

    /// Whether [`Self::ending`] is over.
    pub(super) fn is_ending(&self) -> bool {
        *self.is_gone.borrow() || *self.is_ending.borrow()
    }

    /// Whether it has ended because this process asked it to.
    pub(super) fn was_asked_to_end(&self) -> bool {
        self.asked_to_end.load(Ordering::SeqCst)
    }

    /// Kills it, if it still runs, and what it has started; nothing where it runs in this process.
    pub(super) async fn kill(&self) {
        if let Some(process) = self.process.get() {
            process.end().await;
        }
    }

    /// What it could not make safe, if it has ended in order; none while it is there and after it was killed.
    #[must_use]
    pub fn farewell(&self) -> Option<Vec<(String, String)>> {
        self.farewell.lock().clone()
    }

    /// Closes the connection and waits until the keeper has made everything safe and released its locks. True if it
    /// did so in time.
    pub async fn end(&self) -> bool {
        self.asked_to_end.store(true, Ordering::SeqCst);
        let patience = *self.patience.lock();
        // Dropping the half shuts it down: the keeper reads the end.
        *self.line.write.lock().await = None;
        let reader = self.reader.lock().take();
        match reader {
            Some(reader) => tokio::time::timeout(LOCKS + patience, reader).await.is_ok(),
            None => true,
        }
    }
}

/// How long a keeper may take to release its locks.
const LOCKS: Duration = Duration::from_secs(5);

fn lock_pending(pending: &Pending) -> MutexGuard<'_, Waiters> {
    pending.lock()
}

/// Hears what the keeper says.
struct Ear {
    pending: Pending,
    waiting: Waiting,
    farewell: Farewell,
    process: Arc<OnceLock<Watched>>,
    ending: watch::Sender<bool>,
}

impl Ear {
    async fn listen(&self, read: OwnedReadHalf) {
        let mut lines = BufReader::new(read).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line) {
                Ok(Said::Keeper { keeper }) => drop(self.process.set(Watched::of(keeper))),
                Ok(Said::Ending) => drop(self.ending.send_replace(true)),
                Ok(Said::Done { id, result }) => {
                    let answer = lock_pending(&self.pending).as_mut().and_then(|pending| pending.remove(&id));
                    if let Some(answer) = answer {
                        let _ = answer.send(result);
                    }
                }
                Ok(Said::Farewell { failures }) => {
                    *self.farewell.lock() = Some(failures);
                }
                Ok(Said::Waiting { board, holder }) => (self.waiting)(&board, holder.as_ref()),
                Err(_) => {}
            }
        }
    }
}
