//! Reading a timeline in order.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::watch;

use super::Timeline;
use crate::RunEvent;
use crate::store::Place;

/// Reads a timeline in order, see [`Timeline::follow`].
#[derive(Debug)]
pub struct Follower {
    pub(super) timeline: Timeline,
    pub(super) length: watch::Receiver<u64>,
    pub(super) next: u64,
    /// Read from disk and not yet returned.
    pub(super) read: VecDeque<Arc<RunEvent>>,
}

impl Follower {
    /// The next record; waits for it. Cancel-safe: a record is taken only when it is returned.
    pub async fn next(&mut self) -> Arc<RunEvent> {
        loop {
            if let Some(event) = self.read.pop_front() {
                self.next = event.seq + 1;
                return event;
            }
            let place = self.timeline.lock().get(self.next);
            match place {
                Place::Here(event) => {
                    self.next = event.seq + 1;
                    return event;
                }
                Place::OnDisk(events) => {
                    self.read = events;
                    continue;
                }
                Place::Gone(next) => {
                    self.next = next;
                    continue;
                }
                Place::Ahead => {}
            }
            let next = self.next;
            if self.length.wait_for(|length| *length > next).await.is_err() {
                // The sender lives in the timeline that this follower holds.
                std::future::pending::<()>().await;
            }
        }
    }
}
