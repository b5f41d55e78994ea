//! What `hil` does when its keeper is killed: another keeper takes the locks and makes the rails safe.

use std::sync::Arc;

use hil_config::Board;
use hil_timeline::{Timeline, What};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::client::{Keeper, KeeperError};
use super::lock::Holder;
use crate::claims::claimed_by_address;

/// A keeper that is watched.
#[derive(Debug)]
pub(crate) struct GuardedKeeper {
    keeper: Arc<Keeper>,
    boards: Vec<String>,
    rescue: Mutex<Option<JoinHandle<Failures>>>,
}

/// Boards whose rails may not be safe, and why.
pub(crate) type Failures = Vec<(String, String)>;

impl GuardedKeeper {
    /// Watches a keeper that holds the locks of these boards.
    pub(crate) fn watch(keeper: Arc<Keeper>, boards: Vec<Board>, timeline: Timeline) -> Self {
        let names = boards.iter().map(|board| board.name.to_string()).collect();
        let watched = Arc::clone(&keeper);
        let rescue = tokio::spawn(async move {
            watched.gone().await;
            match watched.farewell() {
                Some(failures) => failures,
                None => make_safe(&boards, &timeline).await,
            }
        });
        Self { keeper, boards: names, rescue: Mutex::new(Some(rescue)) }
    }

    pub(crate) fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// Waits until the keeper has ended although nobody asked it to.
    pub(crate) async fn lost(&self) {
        self.keeper.gone().await;
        if self.keeper.farewell().is_some() {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the keeper; the locks are free when it returns, even if the keeper was killed. Gives back what could not be
    /// made safe.
    pub(crate) async fn end(&self) -> Failures {
        if !self.keeper.end().await {
            return self.all("its keeper did not end in time");
        }
        match self.rescue.lock().await.take() {
            Some(rescue) => rescue.await.unwrap_or_else(|error| self.all(&error.to_string())),
            None => Failures::new(),
        }
    }
}

impl GuardedKeeper {
    /// Nobody knows of any of its boards whether they are safe.
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

/// The killed keeper's locks are free and its lines released: others may have the boards already.
async fn make_safe(boards: &[Board], timeline: &Timeline) -> Failures {
    let mut failures = Failures::new();
    for board in boards {
        let name = board.name.to_string();
        let note = match make_one_safe(board).await {
            Ok(()) => "the keeper was killed; another one has made its rails safe".to_owned(),
            Err(error) => {
                failures.push((name.clone(), format!("the keeper was killed; {error}")));
                format!("the keeper was killed, and its rails may not be safe: {error}")
            }
        };
        timeline.record(None, What::Bench { board: name, note });
    }
    failures
}

async fn make_one_safe(board: &Board) -> Result<(), KeeperError> {
    let keeper = Keeper::start(Arc::new(|_, _| {}))?;
    keeper
        .lock(vec![claimed_by_address(board).await], false, Holder::this_process("hil, after its keeper was killed"))
        .await?;
    keeper.open(board.name.as_str(), &board.rails).await?;
    keeper.make_safe(board.name.as_str()).await?;
    keeper.end().await;
    Ok(())
}
