//! The keeper at work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hil_config::Rail;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};

use super::door;
use super::held::{Locks, Wish};
use super::kept_board::{BoardAsk, KeptBoard, Work};
use super::lock::Holder;
use super::offspring::Offspring;
use super::protocol::{Answer, Ask, Refusal, Request, Said};
use super::standby_link::{KeptRails, StandbyLink};
use crate::Rails;

/// Keeps rails and locks until the other end is closed or `end` fires; everything is safe when it returns. without a
/// process of its own, it has no standby.
pub(super) async fn serve(stream: UnixStream, itself: Option<Offspring>, end: impl Future<Output = ()>) {
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
    let mut server = Server::new(said, itself);
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
            visitor = server.asked_to_end.recv() => {
                asked_by = visitor;
                break;
            }
            () = Server::standby_lost(&mut server.standby) => {
                server.standby = None;
                // Where there is no process left, the keeper goes on alone.
                let _ = server.start_standby();
            }
        }
    }
    let _ = server.said.send(Said::Ending);
    let failures = server.make_all_safe().await;
    // Whoever asked waits for this word; without it, the keeper was killed.
    if let Some(mut visitor) = asked_by {
        door::answer(&mut visitor, &failures).await;
    }
    let _ = server.said.send(Said::Farewell { failures });
    drop(server);
    // What was said last may be waited for.
    let _ = tokio::time::timeout(Duration::from_secs(1), writer).await;
}

struct Server {
    said: mpsc::UnboundedSender<Said>,
    boards: BTreeMap<String, KeptBoard>,
    locks: Arc<Locks>,
    stop: watch::Sender<bool>,
    detached: bool,
    /// Processes of its user that want it to end once it is detached.
    asked_to_end: mpsc::Receiver<UnixStream>,
    itself: Option<Offspring>,
    /// There once a board has rails.
    standby: Option<StandbyLink>,
    /// What the standby was given.
    kept: Vec<KeptRails>,
}

impl Server {
    fn new(said: mpsc::UnboundedSender<Said>, itself: Option<Offspring>) -> Self {
        if let Some(keeper) = itself.clone() {
            let _ = said.send(Said::Keeper { keeper });
        }
        let (stop, _) = watch::channel(false);
        let (locks, asked_to_end) = Locks::new();
        let (boards, locks) = (BTreeMap::new(), Arc::new(locks));
        Self { said, boards, locks, stop, detached: false, asked_to_end, itself, standby: None, kept: Vec::new() }
    }

    fn carry_out(&mut self, Request { id, ask }: Request) {
        let said = self.said.clone();
        let done = move |result| drop(said.send(Said::Done { id, result }));
        match ask {
            Ask::Lock { folder, boards, wait, holder } => {
                let (locks, said) = (Arc::clone(&self.locks), self.said.clone());
                // Blocks while it waits; a keeper that ends does not wait for it.
                tokio::task::spawn_blocking(move || {
                    let wish = Wish { folder: &folder, boards: &boards, wait, holder: &holder };
                    done(locks.take(&wish, &said).map(|left_unsafe| Answer::Locked { left_unsafe }));
                });
            }
            Ask::Open { folder, board, rails } => done(self.open(folder, board, rails).map(|()| Answer::Nothing)),
            Ask::Switch { board, on } => self.pass(&board, BoardAsk::Switch(id, on), done),
            Ask::MakeSafe { board } => self.pass(&board, BoardAsk::MakeSafe(id), done),
            Ask::Measure { board } => self.pass(&board, BoardAsk::Measure(id), done),
            Ask::State { board } => self.pass(&board, BoardAsk::State(id), done),
            Ask::Detach => done(self.detach().map(|()| Answer::Nothing)),
            Ask::Hide { secrets } => {
                self.locks.hide(secrets);
                done(Ok(Answer::Nothing));
            }
            Ask::Ping => done(Ok(Answer::Nothing)),
            Ask::End => {}
        }
    }

    /// The standby knows of the rails before they can be switched.
    fn open(&mut self, folder: PathBuf, board: String, rails: Vec<Rail>) -> Result<(), Refusal> {
        let what = self.locks.what();
        self.kept.push(KeptRails { claimed: self.locks.claimed(&board), rails: rails.clone(), folder, what });
        match (&self.standby, self.kept.last()) {
            (Some(standby), Some(kept)) => standby.board(kept),
            _ => self.start_standby().map_err(|error| {
                Refusal::Other(format!("nothing can watch over the rails of `{board}`: no process: {error}"))
            })?,
        }
        let opened = Rails::open(&rails, Path::new("/sys")).map_err(Refusal::Power)?;
        let work = Work::new(board.clone(), &rails, opened, self.said.clone(), Arc::clone(&self.locks));
        self.boards.insert(board, KeptBoard::start(work, self.stop.subscribe()));
        Ok(())
    }

    fn start_standby(&mut self) -> std::io::Result<()> {
        if let Some(itself) = &self.itself {
            self.standby = Some(StandbyLink::start(itself, &self.kept)?);
        }
        Ok(())
    }

    /// Waits until its standby has ended by itself: it was killed.
    async fn standby_lost(standby: &mut Option<StandbyLink>) {
        match standby {
            Some(standby) => standby.ended().await,
            None => std::future::pending().await,
        }
    }

    fn pass(&self, board: &str, ask: BoardAsk, done: impl FnOnce(Result<Answer, Refusal>)) {
        let passed = self.boards.get(board).is_some_and(|kept| kept.ask(ask));
        if !passed {
            done(Err(Refusal::Other(format!("the rails of `{board}` are not open"))));
        }
    }

    fn detach(&mut self) -> Result<(), Refusal> {
        let failed = |error: std::io::Error| Refusal::Other(format!("the keeper can't go on alone: {error}"));
        self.locks.rewrite(|holder| Holder { detached: true, ..holder }).map_err(failed)?;
        self.locks.door().detach();
        self.detached = true;
        Ok(())
    }

    /// Rails first, then the locks. What could not be made safe is written where the next holder finds it.
    async fn make_all_safe(&mut self) -> Vec<(String, String)> {
        self.stop.send_replace(true);
        let mut failures = Vec::new();
        for (board, kept) in std::mem::take(&mut self.boards) {
            if let Err(failure) = kept.made_safe().await {
                let failure = self.locks.shown(&failure);
                self.locks.note(&board, Some(&failure));
                failures.push((board, failure));
            }
        }
        if let Some(standby) = self.standby.take() {
            standby.dismiss().await;
        }
        // Nothing is left that the next holder would have to end.
        let _ = self.locks.rewrite(|holder| Holder { token: None, ..holder });
        // A name that is still held would look like a board that is in use.
        self.locks.door().close().await;
        self.locks.release();
        failures
    }
}
