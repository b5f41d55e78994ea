//! The keeper itself: serves the requests of `hil`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hil_config::Rail;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::board_worker::{BoardHandle, BoardRequest, BoardWorker};
use super::control_sockets;
use super::held_locks::{HeldLocks, LockRequest};
use super::lock::Holder;
use super::process_tree::KeeperIdentity;
use super::protocol::{Answer, KeeperRequest, KeeperResponse, NumberedRequest, Refusal};
use super::standby_link::{StandbyBoard, StandbyLink};
use crate::{Rails, subprocess};

/// Holds rails and locks until the other end closes or `end` completes; all rails are safe when it returns. Without a
/// process of its own (`itself`), it has no standby.
pub(super) async fn serve(stream: UnixStream, itself: Option<KeeperIdentity>, end: impl Future<Output = ()>) {
    let (read, mut write) = stream.into_split();
    let (responses, mut to_send) = mpsc::unbounded_channel::<KeeperResponse>();
    let writer = tokio::spawn(async move {
        while let Some(response) = to_send.recv().await {
            let Ok(mut line) = serde_json::to_vec(&response) else { continue };
            line.push(b'\n');
            // The other end is closed: the reader notices as well.
            if write.write_all(&line).await.is_err() {
                return;
            }
        }
    });
    let mut server = Server::new(responses, itself);
    let mut lines = BufReader::new(read).lines();
    let mut end = std::pin::pin!(end);
    let mut connected = true;
    let mut exit_client = None;
    let mut heard = Instant::now();
    loop {
        let silence = server.silence.filter(|_| connected && !server.detached);
        tokio::select! {
            () = &mut end => break,
            () = tokio::time::sleep_until(heard + silence.unwrap_or_default()), if silence.is_some() => break,
            line = lines.next_line(), if connected => match line {
                Ok(Some(line)) => {
                    heard = Instant::now();
                    if let Ok(request) = serde_json::from_str::<NumberedRequest>(&line) {
                        if matches!(request.request, KeeperRequest::End) {
                            break;
                        }
                        server.carry_out(request);
                    }
                }
                Ok(None) | Err(_) => {
                    connected = false;
                    if !server.detached {
                        break;
                    }
                }
            },
            client = server.exit_requests.recv() => {
                exit_client = client;
                break;
            }
            () = Server::standby_lost(&mut server.standby) => {
                server.standby = None;
                // If no process can be started, the keeper continues without one.
                let _ = server.start_standby();
            }
        }
    }
    let _ = server.responses.send(KeeperResponse::ShuttingDown);
    let failures = server.make_all_safe().await;
    // The client waits for this report; without one, it takes the keeper for killed.
    if let Some(mut client) = exit_client {
        control_sockets::report(&mut client, &failures).await;
    }
    let _ = server.responses.send(KeeperResponse::ShutdownReport { failures });
    drop(server);
    // The client may wait for the last response.
    let _ = tokio::time::timeout(Duration::from_secs(1), writer).await;
}

/// How long a program that releases a chip may take.
pub(super) const RELEASE: Duration = Duration::from_secs(10);

struct Server {
    responses: mpsc::UnboundedSender<KeeperResponse>,
    boards: BTreeMap<String, BoardHandle>,
    /// Programs that release the chips that are held in reset.
    releases: BTreeMap<String, Vec<String>>,
    locks: Arc<HeldLocks>,
    secrets: Vec<String>,
    stop: watch::Sender<bool>,
    detached: bool,
    /// How long the client may say nothing; any time if there is no limit.
    silence: Option<Duration>,
    /// Connections of its user's processes that ask it to exit once it is detached.
    exit_requests: mpsc::Receiver<UnixStream>,
    itself: Option<KeeperIdentity>,
    /// Present once a board has rails, or a program holds its chip in reset.
    standby: Option<StandbyLink>,
    /// The boards that the standby watches.
    watched: BTreeMap<String, StandbyBoard>,
}

impl Server {
    fn new(responses: mpsc::UnboundedSender<KeeperResponse>, itself: Option<KeeperIdentity>) -> Self {
        if let Some(keeper) = itself.clone() {
            let _ = responses.send(KeeperResponse::Identity { keeper });
        }
        let (stop, _) = watch::channel(false);
        let (locks, exit_requests) = HeldLocks::new();
        let (boards, locks) = (BTreeMap::new(), Arc::new(locks));
        Self {
            responses,
            boards,
            releases: BTreeMap::new(),
            locks,
            secrets: Vec::new(),
            stop,
            detached: false,
            silence: None,
            exit_requests,
            itself,
            standby: None,
            watched: BTreeMap::new(),
        }
    }

    fn carry_out(&mut self, NumberedRequest { id, request }: NumberedRequest) {
        let responses = self.responses.clone();
        let done = move |result| drop(responses.send(KeeperResponse::Done { id, result }));
        match request {
            KeeperRequest::Lock { folder, boards, wait, holder } => {
                let (locks, responses) = (Arc::clone(&self.locks), self.responses.clone());
                // Blocks while it waits; the shutdown does not wait for it.
                tokio::task::spawn_blocking(move || {
                    let request = LockRequest { folder: &folder, boards: &boards, wait, holder: &holder };
                    done(locks.take(&request, &responses).map(|left_unsafe| Answer::Locked { left_unsafe }));
                });
            }
            KeeperRequest::Open { folder, board, rails } => {
                done(self.open(folder, board, rails).map(|()| Answer::Nothing))
            }
            KeeperRequest::Switch { board, on } => self.pass(&board, BoardRequest::Switch(id, on), done),
            KeeperRequest::MakeSafe { board } => self.pass(&board, BoardRequest::MakeSafe(id), done),
            KeeperRequest::Measure { board } => self.pass(&board, BoardRequest::Measure(id), done),
            KeeperRequest::State { board } => self.pass(&board, BoardRequest::State(id), done),
            KeeperRequest::Releases { folder, board, program } => {
                done(self.note_release(folder, board, program).map(|()| Answer::Nothing));
            }
            KeeperRequest::Detach => done(self.detach().map(|()| Answer::Nothing)),
            KeeperRequest::Hide { secrets } => {
                if let Some(standby) = &self.standby {
                    standby.hide(&secrets);
                }
                self.secrets.clone_from(&secrets);
                self.locks.hide(secrets);
                done(Ok(Answer::Nothing));
            }
            KeeperRequest::Ping => done(Ok(Answer::Nothing)),
            KeeperRequest::EndWhenSilent { after_ms } => {
                self.silence = Some(Duration::from_millis(after_ms));
                done(Ok(Answer::Nothing));
            }
            KeeperRequest::End => {}
        }
    }

    /// Sends the rails to the standby before they can be switched.
    fn open(&mut self, folder: PathBuf, board: String, rails: Vec<Rail>) -> Result<(), Refusal> {
        self.watch(folder, &board, |watched| watched.rails.clone_from(&rails))?;
        let opened = Rails::open(&rails, Path::new("/sys")).map_err(Refusal::Power)?;
        let work = BoardWorker::new(board.clone(), &rails, opened, self.responses.clone(), Arc::clone(&self.locks));
        self.boards.insert(board, BoardHandle::start(work, self.stop.subscribe()));
        Ok(())
    }

    /// Sends the program to the standby before the chip is held.
    fn note_release(&mut self, folder: PathBuf, board: String, program: Option<Vec<String>>) -> Result<(), Refusal> {
        // Known here first: without a standby, this process still lets the chip run.
        match &program {
            Some(program) => drop(self.releases.insert(board.clone(), program.clone())),
            None => drop(self.releases.remove(&board)),
        }
        self.watch(folder, &board, |watched| watched.release = program)
    }

    /// Changes what the standby knows of a board; the first board starts it.
    fn watch(&mut self, folder: PathBuf, board: &str, change: impl FnOnce(&mut StandbyBoard)) -> Result<(), Refusal> {
        let (claimed, what) = (self.locks.claimed(board), self.locks.what());
        let watched = self.watched.entry(board.to_owned());
        let watched = watched.or_insert(StandbyBoard { claimed, rails: Vec::new(), folder, what, release: None });
        change(watched);
        if let Some(standby) = &self.standby {
            standby.board(watched);
            return Ok(());
        }
        let failed = |error: std::io::Error| Refusal::NoStandby { board: board.to_owned(), reason: error.to_string() };
        self.start_standby().map_err(failed)
    }

    fn start_standby(&mut self) -> std::io::Result<()> {
        if let Some(itself) = &self.itself {
            self.standby = Some(StandbyLink::start(itself, &self.secrets, self.watched.values())?);
        }
        Ok(())
    }

    /// Waits until its standby has exited by itself: it was killed.
    async fn standby_lost(standby: &mut Option<StandbyLink>) {
        match standby {
            Some(standby) => standby.ended().await,
            None => std::future::pending().await,
        }
    }

    fn pass(&self, board: &str, request: BoardRequest, done: impl FnOnce(Result<Answer, Refusal>)) {
        let passed = self.boards.get(board).is_some_and(|open| open.send(request));
        if !passed {
            done(Err(Refusal::NotOpen { board: board.to_owned() }));
        }
    }

    fn detach(&mut self) -> Result<(), Refusal> {
        let failed = |error: std::io::Error| Refusal::NotDetachable { reason: error.to_string() };
        self.locks.rewrite(|holder| Holder { detached: true, ..holder }).map_err(failed)?;
        self.locks.control_sockets().detach();
        self.detached = true;
        Ok(())
    }

    /// Rails first, then chips that are held in reset, then the locks. What could not be made safe is written to the notes, for the next holder.
    async fn make_all_safe(&mut self) -> Vec<(String, String)> {
        self.stop.send_replace(true);
        let mut failures = Vec::new();
        for (board, open) in std::mem::take(&mut self.boards) {
            if let Err(failure) = open.made_safe().await {
                let failure = self.locks.shown(&failure);
                self.locks.note(&board, Some(&failure));
                failures.push((board, failure));
            }
        }
        for (board, program) in std::mem::take(&mut self.releases) {
            if let Err(error) = subprocess::run(&program, RELEASE).await {
                let failure = self.locks.shown(&format!("it may be held in reset: {error}"));
                self.locks.note(&board, Some(&failure));
                failures.push((board, failure));
            }
        }
        if let Some(standby) = self.standby.take() {
            standby.dismiss().await;
        }
        // No process is left that the next holder would have to kill.
        let _ = self.locks.rewrite(|holder| Holder { token: None, ..holder });
        // A socket that is still open would look like a board that is in use.
        self.locks.control_sockets().close().await;
        self.locks.release();
        failures
    }
}
