//! What `hil` does when its keeper is killed: another keeper takes the locks and makes the rails safe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hil_config::Board;
use hil_timeline::{Timeline, What};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::client::{Keeper, KeeperError};
use super::lock::Holder;
use crate::bench::claimed;

/// A keeper that is watched.
#[derive(Debug)]
pub(crate) struct GuardedKeeper {
    keeper: Arc<Keeper>,
    ending: Arc<AtomicBool>,
    rescue: Mutex<Option<JoinHandle<()>>>,
}

impl GuardedKeeper {
    /// Watches a keeper that holds the locks of these boards.
    pub(crate) fn watch(keeper: Arc<Keeper>, boards: Vec<Board>, timeline: Timeline) -> Self {
        let ending = Arc::new(AtomicBool::new(false));
        let (watched, expected) = (Arc::clone(&keeper), Arc::clone(&ending));
        let rescue = tokio::spawn(async move {
            watched.gone().await;
            if !expected.load(Ordering::Relaxed) {
                make_safe(&boards, &timeline).await;
            }
        });
        Self { keeper, ending, rescue: Mutex::new(Some(rescue)) }
    }

    pub(crate) fn keeper(&self) -> &Arc<Keeper> {
        &self.keeper
    }

    /// Waits until the keeper has ended although nobody asked it to.
    pub(crate) async fn lost(&self) {
        self.keeper.gone().await;
        if self.ending.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }

    /// Ends the keeper; the locks are free and the rails safe when it returns, even if the keeper was killed.
    pub(crate) async fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
        self.keeper.end().await;
        if let Some(rescue) = self.rescue.lock().await.take() {
            // If it panicked, there is nothing more to do.
            let _ = rescue.await;
        }
    }
}

/// The killed keeper's locks are free and its lines released: others may have the boards already.
async fn make_safe(boards: &[Board], timeline: &Timeline) {
    let note = |board: &Board, note: String| {
        timeline.record(None, What::Bench { board: board.name.to_string(), note });
    };
    for board in boards {
        match make_one_safe(board).await {
            Ok(()) => note(board, "the keeper was killed; another one has made its rails safe".to_owned()),
            Err(error) => note(board, format!("the keeper was killed, and its rails may not be safe: {error}")),
        }
    }
}

async fn make_one_safe(board: &Board) -> Result<(), KeeperError> {
    let keeper = Keeper::start(Arc::new(|_, _| {}))?;
    keeper.lock(vec![claimed(board)], false, Holder::this_process("hil, after its keeper was killed")).await?;
    keeper.open(board.name.as_str(), &board.rails).await?;
    keeper.make_safe(board.name.as_str()).await?;
    keeper.end().await;
    Ok(())
}
