//! Which scenario may use which boards.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// The boards of a run, as scenarios wait for them.
#[derive(Debug)]
pub(crate) struct Turns {
    boards: BTreeMap<String, Arc<Mutex<()>>>,
    /// The broker, if all scenarios share it.
    shared_broker: Arc<Mutex<()>>,
    /// Limits scenarios that name no board: they would all run at once.
    without_boards: Arc<Semaphore>,
}

/// The right of a scenario to use its boards. Held until the scenario's last record: scenarios on one board never
/// overlap in the timeline.
#[derive(Debug)]
pub(crate) struct Turn {
    _boards: Vec<OwnedMutexGuard<()>>,
    _shared_broker: Option<OwnedMutexGuard<()>>,
    _without_boards: Option<OwnedSemaphorePermit>,
}

impl Turns {
    pub(crate) fn new(boards: impl Iterator<Item = String>) -> Self {
        let at_once = std::thread::available_parallelism().map_or(2, usize::from) * 2;
        Self {
            boards: boards.map(|board| (board, Arc::default())).collect(),
            shared_broker: Arc::default(),
            without_boards: Arc::new(Semaphore::new(at_once)),
        }
    }

    /// Waits for boards in the order of their names, so that no two scenarios wait for each other.
    pub(crate) async fn take(&self, boards: &[String], shares_broker: bool) -> Turn {
        let without_boards = match boards.is_empty() {
            true => Arc::clone(&self.without_boards).acquire_owned().await.ok(),
            false => None,
        };
        let mut names: Vec<_> = boards.iter().collect();
        names.sort();
        names.dedup();
        let mut taken = Vec::new();
        for lock in names.into_iter().filter_map(|name| self.boards.get(name)) {
            taken.push(Arc::clone(lock).lock_owned().await);
        }
        let shared_broker = match shares_broker {
            true => Some(Arc::clone(&self.shared_broker).lock_owned().await),
            false => None,
        };
        Turn { _boards: taken, _shared_broker: shared_broker, _without_boards: without_boards }
    }
}
