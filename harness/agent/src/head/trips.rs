//! Round trips to an agent, as the reader and the writer of a connection see them.

use std::collections::BTreeMap;
use std::sync::Arc;

use hil_timeline::{Epoch, Stamp};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::clock::Offset;

/// Questions that wait for their answer.
#[derive(Debug, Clone)]
pub(super) struct Trips {
    epoch: Epoch,
    open: Arc<Mutex<Open>>,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    went: BTreeMap<u64, (Stamp, Option<oneshot::Sender<Offset>>)>,
}

impl Trips {
    pub(super) fn new(epoch: Epoch) -> Self {
        Self { epoch, open: Arc::default() }
    }

    /// The number of a new question, and what receives the offset that its answer shows.
    pub(super) fn ask(&self) -> (u64, oneshot::Receiver<Offset>) {
        let (answer, offset) = oneshot::channel();
        let mut open = self.open.lock();
        open.next += 1;
        let n = open.next;
        open.went.insert(n, (Stamp(0), Some(answer)));
        (n, offset)
    }

    /// The question is being written now.
    pub(super) fn goes(&self, n: u64) {
        if let Some(trip) = self.open.lock().went.get_mut(&n) {
            trip.0 = self.epoch.now();
        }
    }

    /// The answer has come, with the agent's time. An answer to no question counts as nothing.
    pub(super) fn came(&self, n: u64, agent: Stamp) {
        let now = self.epoch.now();
        if let Some((went, Some(answer))) = self.open.lock().went.remove(&n) {
            // It may not be waited for any more.
            let _ = answer.send(Offset::of(went, now, agent));
        }
    }

    /// Forgets questions whose answer is not waited for.
    pub(super) fn forget(&self) {
        self.open.lock().went.retain(|_, (_, answer)| answer.as_ref().is_some_and(|answer| !answer.is_closed()));
    }
}
