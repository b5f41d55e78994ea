//! The keeper at work.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::lock::{self, Holder, LockFile};
use super::protocol::{Answer, Ask, Claimed, Refusal, Request, Said};
use crate::power::{PowerDriver as _, PowerError, Rails};

/// How often a rail that can't be made safe is tried, and how long after one another. Its driver asks again by itself, and
/// `hil` waits 40 s for all of it.
const ATTEMPTS: u32 = 2;
const BETWEEN: Duration = Duration::from_secs(1);

/// Keeps rails and locks until the other end is closed or `end` fires; everything is safe when it returns.
pub(super) async fn serve(stream: UnixStream, end: impl Future<Output = ()>) {
    let (read, mut write) = stream.into_split();
    let (said, mut to_say) = mpsc::unbounded_channel::<Said>();
    let writer = tokio::spawn(async move {
        while let Some(said) = to_say.recv().await {
            let Ok(mut line) = serde_json::to_vec(&said) else { continue };
            line.push(b'\n');
            // Nobody listens any more: the reader notices as well.
            if write.write_all(&line).await.is_err() {
                return;
            }
        }
    });
    let mut server = Server::new(said);
    let mut lines = BufReader::new(read).lines();
    let mut end = std::pin::pin!(end);
    let mut connected = true;
    let mut asked_by = None;
    loop {
        tokio::select! {
            () = &mut end => break,
            line = lines.next_line(), if connected => match line {
                Ok(Some(line)) => {
                    if let Ok(request) = serde_json::from_str::<Request>(&line) {
                        if matches!(request.ask, Ask::End) {
                            break;
                        }
                        server.obey(request);
                    }
                }
                Ok(None) | Err(_) => {
                    connected = false;
                    if server.detached.is_none() {
                        break;
                    }
                }
            },
            visitor = asked_to_end(&server.detached) => {
                asked_by = visitor;
                break;
            }
        }
    }
    let failures = server.make_all_safe().await;
    // Whoever asked waits for this word; without it, the keeper was killed.
    if let Some(mut visitor) = asked_by {
        let line = serde_json::to_vec(&failures).unwrap_or_default();
        let _ = visitor.write_all(&line).await;
    }
    let _ = server.said.send(Said::Farewell { failures });
    drop(server);
    // What was said last may be waited for.
    let _ = tokio::time::timeout(Duration::from_secs(1), writer).await;
}

/// A socket at which a detached keeper can be told to end.
struct Detached {
    listener: UnixListener,
    path: PathBuf,
}

impl Drop for Detached {
    fn drop(&mut self) {
        // Left over, it would only be in the way.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whoever may connect may end it.
async fn asked_to_end(detached: &Option<Detached>) -> Option<UnixStream> {
    match detached {
        Some(detached) => detached.listener.accept().await.ok().map(|(visitor, _)| visitor),
        None => std::future::pending().await,
    }
}

/// What is asked of one board.
enum BoardAsk {
    Switch(u64, bool),
    MakeSafe(u64),
    Measure(u64),
    State(u64),
}

impl BoardAsk {
    fn id(&self) -> u64 {
        match self {
            Self::Switch(id, _) | Self::MakeSafe(id) | Self::Measure(id) | Self::State(id) => *id,
        }
    }
}

struct KeptBoard {
    asks: mpsc::UnboundedSender<BoardAsk>,
    task: JoinHandle<Result<(), PowerError>>,
}

/// A lock that is held for a board.
struct Held {
    board: String,
    key: String,
    lock: LockFile,
}

struct Server {
    said: mpsc::UnboundedSender<Said>,
    boards: BTreeMap<String, KeptBoard>,
    locks: Arc<std::sync::Mutex<Vec<Held>>>,
    stop: watch::Sender<bool>,
    detached: Option<Detached>,
}

impl Server {
    fn new(said: mpsc::UnboundedSender<Said>) -> Self {
        let (stop, _) = watch::channel(false);
        Self { said, boards: BTreeMap::new(), locks: Arc::default(), stop, detached: None }
    }

    fn obey(&mut self, Request { id, ask }: Request) {
        let said = self.said.clone();
        let done = move |result| drop(said.send(Said::Done { id, result }));
        match ask {
            Ask::Lock { folder, boards, wait, holder } => {
                let (locks, said) = (Arc::clone(&self.locks), self.said.clone());
                // Blocks while it waits; a keeper that ends does not wait for it.
                tokio::task::spawn_blocking(move || {
                    let before: Vec<_> =
                        guard(&locks).iter().map(|held| (held.key.clone(), held.board.clone())).collect();
                    let taken = take(&folder, before, &boards, wait, &holder, &said);
                    done(taken.map(|(taken, left_unsafe)| {
                        guard(&locks).extend(taken);
                        Answer::Locked { left_unsafe }
                    }));
                });
            }
            Ask::Open { board, rails } => match Rails::open(&rails, Path::new("/sys")) {
                Ok(rails) => {
                    let (asks, asked) = mpsc::unbounded_channel();
                    let task = tokio::spawn(keep(rails, asked, self.said.clone(), self.stop.subscribe()));
                    self.boards.insert(board, KeptBoard { asks, task });
                    done(Ok(Answer::Nothing));
                }
                Err(error) => done(Err(Refusal::Power(error))),
            },
            Ask::Switch { board, on } => self.pass(&board, BoardAsk::Switch(id, on), done),
            Ask::MakeSafe { board } => self.pass(&board, BoardAsk::MakeSafe(id), done),
            Ask::Measure { board } => self.pass(&board, BoardAsk::Measure(id), done),
            Ask::State { board } => self.pass(&board, BoardAsk::State(id), done),
            Ask::Detach { socket } => done(self.detach(socket).map(|()| Answer::Nothing)),
            Ask::End => {}
        }
    }

    fn pass(&self, board: &str, ask: BoardAsk, done: impl FnOnce(Result<Answer, Refusal>)) {
        let passed = self.boards.get(board).is_some_and(|kept| kept.asks.send(ask).is_ok());
        if !passed {
            done(Err(Refusal::Other(format!("the rails of `{board}` are not open"))));
        }
    }

    fn detach(&mut self, socket: PathBuf) -> Result<(), Refusal> {
        let failed = |error: std::io::Error| Refusal::Other(format!("`{}`: {error}", socket.display()));
        let listener = UnixListener::bind(&socket).map_err(failed)?;
        for Held { lock, .. } in guard(&self.locks).iter() {
            if let Some(holder) = lock.holder() {
                lock.write(&Holder { socket: Some(socket.clone()), ..holder }).map_err(failed)?;
            }
        }
        self.detached = Some(Detached { listener, path: socket });
        Ok(())
    }

    /// Rails first, then the locks. What could not be made safe is written where the next holder finds it.
    async fn make_all_safe(&mut self) -> Vec<(String, String)> {
        self.stop.send_replace(true);
        let mut failures = Vec::new();
        for (board, kept) in std::mem::take(&mut self.boards) {
            let failure = match kept.task.await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(error) => Some(error.to_string()),
            };
            failures.extend(failure.clone().map(|failure| (board.clone(), failure)));
            let locks = guard(&self.locks);
            for Held { lock, .. } in locks.iter().filter(|held| held.board == board) {
                if let (Some(holder), Some(failure)) = (lock.holder(), &failure) {
                    // The rail is worse than a missing note of it.
                    let _ = lock.write(&Holder { left_unsafe: Some(failure.clone()), ..holder });
                }
            }
        }
        guard(&self.locks).clear();
        self.detached = None;
        failures
    }
}

type Taken = (Vec<Held>, Vec<(String, String)>);

fn guard(locks: &std::sync::Mutex<Vec<Held>>) -> std::sync::MutexGuard<'_, Vec<Held>> {
    locks.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The keys that are still to be locked, with their boards, in the order in which every keeper takes them. Two keys with
/// one file are one lock: a second one on it would wait for the first for ever. Two boards of one run on one key are one
/// device, which must not be merged in silence.
fn wanted(before: Vec<(String, String)>, boards: &[Claimed]) -> Result<Vec<(String, String)>, Refusal> {
    let mut users: BTreeMap<String, String> =
        before.into_iter().map(|(key, board)| (lock::file_name(&key), board)).collect();
    let mut wanted = BTreeMap::new();
    for claimed in boards {
        for key in &claimed.keys {
            match users.insert(lock::file_name(key), claimed.board.clone()) {
                Some(other) if other != claimed.board => {
                    return Err(Refusal::Shared { boards: (other, claimed.board.clone()), key: key.clone() });
                }
                Some(_) => {}
                None => drop(wanted.insert(lock::file_name(key), (key.clone(), claimed.board.clone()))),
            }
        }
    }
    Ok(wanted.into_values().collect())
}

/// Takes the locks in the order of their files, so that no two keepers wait for each other.
fn take(
    folder: &Path,
    before: Vec<(String, String)>,
    boards: &[Claimed],
    wait: bool,
    holder: &Holder,
    said: &mpsc::UnboundedSender<Said>,
) -> Result<Taken, Refusal> {
    let (mut taken, mut left_unsafe) = (Vec::<Held>::new(), Vec::new());
    for (key, board) in wanted(before, boards)? {
        let failed = |error: std::io::Error| Refusal::Lock {
            board: board.clone(),
            reason: format!("`{}`: {error}", folder.display()),
        };
        let lock = LockFile::open(folder, &key).map_err(failed)?;
        if !lock.try_lock().map_err(failed)? {
            let (board, holder) = (board.clone(), lock.holder());
            if !wait {
                return Err(Refusal::Held { board, holder: holder.map(Box::new) });
            }
            let _ = said.send(Said::Waiting { board, holder });
            lock.lock().map_err(failed)?;
        }
        let left = lock.holder().and_then(|last| last.left_unsafe);
        left_unsafe.extend(left.map(|left| (board.clone(), left)));
        taken.push(Held { board, key, lock });
    }
    // Each lock of a board has the note.
    left_unsafe.dedup();
    // Only now: what the last holder left behind must not be lost to one who then does not get all.
    let holder = Holder { keeper: Some(std::process::id()), ..holder.clone() };
    for Held { board, lock, .. } in &taken {
        lock.write(&holder).map_err(|error| Refusal::Lock { board: board.clone(), reason: error.to_string() })?;
    }
    Ok((taken, left_unsafe))
}

/// Switches one board's rails as asked, until it is time to make them safe. What is going on then is given up: a
/// command is killed, a plug is told anew.
async fn keep(
    rails: Rails,
    mut asked: mpsc::UnboundedReceiver<BoardAsk>,
    said: mpsc::UnboundedSender<Said>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), PowerError> {
    tokio::select! {
        () = obey(&rails, &mut asked, &said) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
    let mut made_safe = rails.make_safe().await;
    for _ in 1..ATTEMPTS {
        if made_safe.is_ok() {
            break;
        }
        tokio::time::sleep(BETWEEN).await;
        made_safe = rails.make_safe().await;
    }
    made_safe
}

/// One after the other; but to make the rails safe, whatever is under way and whatever waits is given up.
async fn obey(rails: &Rails, asked: &mut mpsc::UnboundedReceiver<BoardAsk>, said: &mpsc::UnboundedSender<Said>) {
    let answer = |id, result: Result<Answer, PowerError>| {
        let _ = said.send(Said::Done { id, result: result.map_err(Refusal::Power) });
    };
    let given_up = || PowerError::new(rails.rail(), "given up: the rails are made safe", None);
    let mut waiting = VecDeque::new();
    loop {
        let ask = match waiting.pop_front() {
            Some(ask) => ask,
            None => match asked.recv().await {
                Some(ask) => ask,
                None => return,
            },
        };
        let id = ask.id();
        let mut work = std::pin::pin!(perform(rails, &ask));
        loop {
            tokio::select! {
                result = &mut work => {
                    answer(id, result);
                    break;
                }
                more = asked.recv() => match more {
                    None => return,
                    Some(urgent @ BoardAsk::MakeSafe(_)) => {
                        answer(id, Err(given_up()));
                        waiting.drain(..).for_each(|ask: BoardAsk| answer(ask.id(), Err(given_up())));
                        waiting.push_back(urgent);
                        break;
                    }
                    Some(ask) => waiting.push_back(ask),
                },
            }
        }
    }
}

async fn perform(rails: &Rails, ask: &BoardAsk) -> Result<Answer, PowerError> {
    match ask {
        BoardAsk::Switch(_, on) => rails.switch(*on).await.map(|()| Answer::Nothing),
        BoardAsk::MakeSafe(_) => rails.make_safe().await.map(|()| Answer::Nothing),
        BoardAsk::Measure(_) => rails.measure().await.map(Answer::Measured),
        BoardAsk::State(_) => rails.state().await.map(Answer::Measured),
    }
}
