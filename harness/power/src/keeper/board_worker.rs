//! A keeper's worker for the rails of one board.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use hil_config::{Rail, SafeState};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::held_locks::HeldLocks;
use super::protocol::{Answer, KeeperResponse, Refusal};
use crate::rails::patience;
use crate::{PowerDriver as _, PowerError, Rails};

/// How often making a rail safe is tried, and the pause between two attempts. The driver retries by itself as well.
const ATTEMPTS: u32 = 2;
const BETWEEN: Duration = Duration::from_secs(1);

/// How long a keeper may take to make some rails safe, with all attempts.
pub(super) fn time_to_make_safe(rails: &[Rail]) -> Duration {
    (patience(rails) + BETWEEN) * ATTEMPTS
}

/// A request to one board, with its number.
pub(super) enum BoardRequest {
    Switch(u64, bool),
    MakeSafe(u64),
    Measure(u64),
    State(u64),
}

impl BoardRequest {
    fn id(&self) -> u64 {
        match self {
            Self::Switch(id, _) | Self::MakeSafe(id) | Self::Measure(id) | Self::State(id) => *id,
        }
    }
}

/// A board whose rails are open.
pub(super) struct BoardHandle {
    requests: mpsc::UnboundedSender<BoardRequest>,
    task: JoinHandle<Result<(), PowerError>>,
}

impl BoardHandle {
    pub(super) fn start(board: BoardWorker, stop: watch::Receiver<bool>) -> Self {
        let (requests, received) = mpsc::unbounded_channel();
        Self { requests, task: tokio::spawn(board.run(received, stop)) }
    }

    /// False if it accepts no more requests.
    pub(super) fn send(&self, request: BoardRequest) -> bool {
        self.requests.send(request).is_ok()
    }

    /// Waits until its rails are safe, or can't be made so.
    pub(super) async fn made_safe(self) -> Result<(), String> {
        match self.task.await {
            Ok(made_safe) => made_safe.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What the task of a board works with.
pub(super) struct BoardWorker {
    pub(super) board: String,
    pub(super) rails: Rails,
    pub(super) responses: mpsc::UnboundedSender<KeeperResponse>,
    pub(super) locks: Arc<HeldLocks>,
    /// How long each request may take.
    pub(super) patience: Duration,
    /// All of its rails are off when they are safe.
    pub(super) is_safe_off: bool,
}

impl BoardWorker {
    pub(super) fn new(
        board: String,
        rails: &[Rail],
        opened: Rails,
        responses: mpsc::UnboundedSender<KeeperResponse>,
        locks: Arc<HeldLocks>,
    ) -> Self {
        let is_safe_off = rails.iter().all(|rail| rail.safe_state == SafeState::Off);
        Self { board, rails: opened, responses, locks, patience: patience(rails), is_safe_off }
    }

    /// Carries out requests until the rails must be made safe. A request under way is then cancelled: a command is
    /// killed, a plug gets another request.
    async fn run(
        self,
        mut requests: mpsc::UnboundedReceiver<BoardRequest>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), PowerError> {
        tokio::select! {
            () = self.carry_out(&mut requests) => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
        let mut made_safe = self.make_safe().await;
        for _ in 1..ATTEMPTS {
            if made_safe.is_ok() {
                break;
            }
            tokio::time::sleep(BETWEEN).await;
            made_safe = self.make_safe().await;
        }
        made_safe
    }

    /// One request after the other; a request to make the rails safe cancels the current one and all that wait.
    async fn carry_out(&self, requests: &mut mpsc::UnboundedReceiver<BoardRequest>) {
        let cancelled = || PowerError::new(self.rails.rail(), "cancelled: the rails are made safe", None);
        let mut waiting = VecDeque::new();
        loop {
            let request = match waiting.pop_front() {
                Some(request) => request,
                None => match requests.recv().await {
                    Some(request) => request,
                    None => return,
                },
            };
            let id = request.id();
            let mut work = std::pin::pin!(self.perform(&request));
            loop {
                tokio::select! {
                    result = &mut work => {
                        self.answer(id, result);
                        break;
                    }
                    more = requests.recv() => match more {
                        None => return,
                        Some(urgent @ BoardRequest::MakeSafe(_)) => {
                            self.answer(id, Err(cancelled()));
                            waiting.drain(..).for_each(|request: BoardRequest| self.answer(request.id(), Err(cancelled())));
                            waiting.push_back(urgent);
                            break;
                        }
                        Some(request) => waiting.push_back(request),
                    },
                }
            }
        }
    }

    fn answer(&self, id: u64, result: Result<Answer, PowerError>) {
        let result = result.map_err(|error| Refusal::Power(self.shown(error)));
        let _ = self.responses.send(KeeperResponse::Done { id, result });
    }

    /// An error without secrets: a rail's program may print the password of a plug.
    fn shown(&self, error: PowerError) -> PowerError {
        PowerError { reason: self.locks.shown(&error.reason), ..error }
    }

    async fn perform(&self, request: &BoardRequest) -> Result<Answer, PowerError> {
        match request {
            BoardRequest::Switch(_, on) => self.switch(*on).await.map(|()| Answer::Nothing),
            BoardRequest::MakeSafe(_) => self.make_safe().await.map(|()| Answer::Nothing),
            BoardRequest::Measure(_) => self.in_time(self.rails.measure()).await.map(Answer::Measured),
            BoardRequest::State(_) => self.in_time(self.rails.state()).await.map(Answer::Measured),
        }
    }

    /// Before a rail gets power, writes a note that it is not safe: if this process is killed, the next user of the
    /// board reads it.
    async fn switch(&self, on: bool) -> Result<(), PowerError> {
        if on || !self.is_safe_off {
            self.locks.note(&self.board, Some("it was killed while the rails were switched on"));
        }
        self.in_time(self.rails.switch(on)).await?;
        if !on && self.is_safe_off {
            self.locks.note(&self.board, None);
        }
        Ok(())
    }

    async fn make_safe(&self) -> Result<(), PowerError> {
        let made_safe = self.in_time(self.rails.make_safe()).await.map_err(|error| self.shown(error));
        let left = made_safe.as_ref().err().map(ToString::to_string);
        self.locks.note(&self.board, left.as_deref());
        made_safe
    }

    /// Bounds the time: a driver whose kernel call or program never returns must not block other requests.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, PowerError>>) -> Result<T, PowerError> {
        let failed =
            |reason: String| PowerError::new(self.rails.rail(), reason, "is the relay or its hub still attached?");
        // A driver that panics must not block them either.
        let work = std::panic::AssertUnwindSafe(work).catch_unwind();
        match tokio::time::timeout(self.patience, work).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(failed("its driver panicked; this is a bug in `hil`".to_owned())),
            Err(_) => Err(failed(format!("it did not answer within {} s", self.patience.as_secs()))),
        }
    }
}
