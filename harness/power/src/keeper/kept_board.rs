//! The rails of one board in the hands of a keeper.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use hil_config::{Rail, SafeState};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::held::Locks;
use super::protocol::{Answer, Refusal, Said};
use crate::rails::patience;
use crate::{PowerDriver as _, PowerError, Rails};

/// How often a rail that can't be made safe is tried, and how long after one another. Its driver asks again by itself.
const ATTEMPTS: u32 = 2;
const BETWEEN: Duration = Duration::from_secs(1);

/// How long a keeper may take to make some rails safe, all attempts together.
pub(super) fn time_to_make_safe(rails: &[Rail]) -> Duration {
    (patience(rails) + BETWEEN) * ATTEMPTS
}

/// What is asked of one board.
pub(super) enum BoardAsk {
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

/// A board whose rails are open.
pub(super) struct KeptBoard {
    asks: mpsc::UnboundedSender<BoardAsk>,
    task: JoinHandle<Result<(), PowerError>>,
}

impl KeptBoard {
    pub(super) fn start(board: Work, stop: watch::Receiver<bool>) -> Self {
        let (asks, asked) = mpsc::unbounded_channel();
        Self { asks, task: tokio::spawn(board.keep(asked, stop)) }
    }

    /// False where it takes no more.
    pub(super) fn ask(&self, ask: BoardAsk) -> bool {
        self.asks.send(ask).is_ok()
    }

    /// Waits until its rails are safe, or can't be made so.
    pub(super) async fn made_safe(self) -> Result<(), String> {
        match self.task.await {
            Ok(made_safe) => made_safe.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What a board's task works with.
pub(super) struct Work {
    pub(super) board: String,
    pub(super) rails: Rails,
    pub(super) said: mpsc::UnboundedSender<Said>,
    pub(super) locks: Arc<Locks>,
    /// How long each thing that is asked may take.
    pub(super) patience: Duration,
    /// All of its rails are off when they are safe.
    pub(super) is_safe_off: bool,
}

impl Work {
    pub(super) fn new(
        board: String,
        rails: &[Rail],
        opened: Rails,
        said: mpsc::UnboundedSender<Said>,
        locks: Arc<Locks>,
    ) -> Self {
        let is_safe_off = rails.iter().all(|rail| rail.safe_state == SafeState::Off);
        Self { board, rails: opened, said, locks, patience: patience(rails), is_safe_off }
    }

    /// Switches the rails as asked, until it is time to make them safe. What is going on then is given up: a command is
    /// killed, a plug is asked once more.
    async fn keep(
        self,
        mut asked: mpsc::UnboundedReceiver<BoardAsk>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), PowerError> {
        tokio::select! {
            () = self.carry_out(&mut asked) => {}
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

    /// One after the other; but to make the rails safe, whatever is under way and whatever waits is given up.
    async fn carry_out(&self, asked: &mut mpsc::UnboundedReceiver<BoardAsk>) {
        let given_up = || PowerError::new(self.rails.rail(), "given up: the rails are made safe", None);
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
            let mut work = std::pin::pin!(self.perform(&ask));
            loop {
                tokio::select! {
                    result = &mut work => {
                        self.answer(id, result);
                        break;
                    }
                    more = asked.recv() => match more {
                        None => return,
                        Some(urgent @ BoardAsk::MakeSafe(_)) => {
                            self.answer(id, Err(given_up()));
                            waiting.drain(..).for_each(|ask: BoardAsk| self.answer(ask.id(), Err(given_up())));
                            waiting.push_back(urgent);
                            break;
                        }
                        Some(ask) => waiting.push_back(ask),
                    },
                }
            }
        }
    }

    fn answer(&self, id: u64, result: Result<Answer, PowerError>) {
        let result = result.map_err(|error| Refusal::Power(self.shown(error)));
        let _ = self.said.send(Said::Done { id, result });
    }

    /// An error without what may be shown nowhere: a rail's program may print the password of a plug.
    fn shown(&self, error: PowerError) -> PowerError {
        PowerError { reason: self.locks.shown(&error.reason), ..error }
    }

    async fn perform(&self, ask: &BoardAsk) -> Result<Answer, PowerError> {
        match ask {
            BoardAsk::Switch(_, on) => self.switch(*on).await.map(|()| Answer::Nothing),
            BoardAsk::MakeSafe(_) => self.make_safe().await.map(|()| Answer::Nothing),
            BoardAsk::Measure(_) => self.in_time(self.rails.measure()).await.map(Answer::Measured),
            BoardAsk::State(_) => self.in_time(self.rails.state()).await.map(Answer::Measured),
        }
    }

    /// Notes before a rail gets power that it is not safe: whatever is killed then, the next user of the board reads it.
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

    /// A driver whose kernel call or program never returns must not hold up everything behind it.
    async fn in_time<T>(&self, work: impl Future<Output = Result<T, PowerError>>) -> Result<T, PowerError> {
        let failed =
            |reason: String| PowerError::new(self.rails.rail(), reason, "is the relay or its hub still attached?");
        // One that panics is not waited for either.
        let work = std::panic::AssertUnwindSafe(work).catch_unwind();
        match tokio::time::timeout(self.patience, work).await {
            Ok(Ok(done)) => done,
            Ok(Err(_)) => Err(failed("its driver panicked: that is a fault of `hil`".to_owned())),
            Err(_) => Err(failed(format!("it did not answer within {} s", self.patience.as_secs()))),
        }
    }
}
