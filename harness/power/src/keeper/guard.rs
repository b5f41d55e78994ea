//! What `hil` does if its keeper exits without being asked to.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hil_config::Rail;
use hil_timeline::{Timeline, What};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::client::{Keeper, KeeperError};
use super::lock::Holder;
use super::protocol::Claimed;

/// A keeper that is watched.
#[derive(Debug)]
pub struct GuardedKeeper {
    keeper: Arc<Keeper>,
    boards: Vec<String>,
    rescue: Mutex<Option<JoinHandle<Failures>>>,
}

/// A board of the keeper: what a process that takes over from it must lock and make safe.
#[derive(Debug, Clone)]
pub struct Guarded {
    /// The board's rails.
    pub rails: Vec<Rail>,
    /// What is locked for it.
    pub claimed: Claimed,
}

impl Guarded {
    fn name(&self) -> &str {
        &self.claimed.board
    }
}

/// Boards whose rails may not be safe, and why.
pub type Failures = Vec<(String, String)>;

impl GuardedKeeper {
    /// Watches a keeper that holds the locks of these boards.
    /// What takes over from it hides these secrets as well.
    pub fn watch(keeper: Arc<Keeper>, boards: Vec<Guarded>, secrets: Vec<String>, timeline: Timeline) -> Self {
        let names = boards.iter().map(|board| board.name().to_owned()).collect();
        let watched = Arc::clone(&keeper);
        let rescue = tokio::spawn(async move {
            watched.gone().await;
            match watched.shutdown_report() {
                Some(failures) => {
                    if !watched.was_asked_to_end() {
                        note_end(&boards, &failures, &timeline);
                    }
                    failures
                }
                None => {
                    // A keeper that was only stopped would switch a rail when it continues.
                    watched.kill().await;
                    make_safe(&boards, &secrets, &timeline).await
                }
            }
        });
        Self { keeper, boards: names, rescue: Mutex::new(Some(rescue)) }
    }

    /// The keeper.
    pub fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// Waits until the keeper exits although this process did not ask it to: from then on the rails go off and the
    /// locks become free.
    pub async fn lost(&self) {
        self.keeper.shutting_down().await;
        if self.keeper.was_asked_to_end() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether [`Self::lost`] is over.
    pub fn is_lost(&self) -> bool {
        self.keeper.is_shutting_down() && !self.keeper.was_asked_to_end()
    }

    /// Shuts the keeper down; the locks are free when this returns, even if the keeper was killed. Returns what could
    /// not be made safe.
    pub async fn end(&self) -> Failures {
        if !self.keeper.end().await {
            self.keeper.kill().await;
            return self.all("its keeper did not exit in time and was killed");
        }
        match self.rescue.lock().await.take() {
            Some(rescue) => rescue.await.unwrap_or_else(|error| self.all(&error.to_string())),
            None => Failures::new(),
        }
    }

    /// All of its boards: the state of none of them is known.
    fn all(&self, reason: &str) -> Failures {
        self.boards.iter().map(|board| (board.clone(), reason.to_owned())).collect()
    }
}

impl Drop for GuardedKeeper {
    fn drop(&mut self) {
        // The watcher keeps the connection open, and with it the keeper.
        if let Some(rescue) = self.rescue.get_mut().take() {
            rescue.abort();
        }
    }
}

/// Records the exit of a keeper that got SIGTERM: it has made its rails safe by itself.
fn note_end(boards: &[Guarded], failures: &Failures, timeline: &Timeline) {
    for board in boards {
        let name = board.name().to_owned();
        let note = match failures.iter().find(|(failed, _)| *failed == name) {
            None => "the keeper exited on a signal; it has made its rails safe".to_owned(),
            Some((_, error)) => format!("the keeper exited on a signal, and its rails may not be safe: {error}"),
        };
        timeline.record(None, What::Bench { board: name, note });
    }
}

/// Makes the rails safe after the keeper was killed: its locks are free and its lines released. Its standby does the
/// same, so the work is done twice, one after the other. All boards at once: one that does not answer must not delay
/// another.
async fn make_safe(boards: &[Guarded], secrets: &[String], timeline: &Timeline) -> Failures {
    let made = boards.iter().map(async |board| {
        let name = board.name().to_owned();
        let (failure, note) = match make_one_safe(board, secrets).await {
            Ok(()) => (None, "the keeper was killed; another keeper has made its rails safe".to_owned()),
            Err(error) => (
                Some((name.clone(), format!("the keeper was killed; {error}"))),
                format!("the keeper was killed, and its rails may not be safe: {error}"),
            ),
        };
        timeline.record(None, What::Bench { board: name, note });
        failure
    });
    join_all(made).await.into_iter().flatten().collect()
}

async fn make_one_safe(board: &Guarded, secrets: &[String]) -> Result<(), KeeperError> {
    let keeper = Keeper::start(Arc::new(|_, _| {}))?;
    keeper.hide(secrets.to_vec()).await?;
    let made_safe = take_and_make_safe(&keeper, board).await;
    // Also after a failure: it tries again, and releases the lock.
    keeper.end().await;
    made_safe
}

async fn take_and_make_safe(keeper: &Keeper, board: &Guarded) -> Result<(), KeeperError> {
    /// The standby holds the lock while it works. If another user holds it for longer, that user's keeper is
    /// responsible for the rails.
    const PATIENCE: Duration = Duration::from_secs(45);
    let holder = || Holder::this_process("hil, after its keeper was killed");
    let waited = tokio::time::timeout(PATIENCE, keeper.lock(vec![board.claimed.clone()], true, holder())).await;
    match waited {
        Ok(locked) => drop(locked?),
        // Its error names the holder.
        Err(_) => drop(keeper.lock(vec![board.claimed.clone()], false, holder()).await?),
    }
    keeper.open(board.name(), &board.rails).await?;
    keeper.make_safe(board.name()).await
}
