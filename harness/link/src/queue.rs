//! Bytes that were read from one side and wait to be written to the other.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

use crate::piece::Piece;

/// How many pieces of one direction may wait before reading stops.
const PIECES: usize = 64;
/// How many bytes of one direction may wait, plus one larger piece: bounds the memory that a slow receiver costs.
const BYTES: u32 = 1 << 20;

pub(crate) enum Item {
    Bytes(Piece),
    Fin,
}

/// An item, when it is due, and the queue space that it takes until it is dropped.
pub(crate) struct Queued {
    pub(crate) due: Instant,
    pub(crate) item: Item,
    pub(crate) room: OwnedSemaphorePermit,
}

/// Both ends of the queue of one direction.
pub(crate) fn queue() -> (Sender, mpsc::Receiver<Queued>) {
    let (items, queued) = mpsc::channel(PIECES);
    (Sender { items, room: Arc::new(Semaphore::new(BYTES as usize)) }, queued)
}

/// The sending end of the queue.
#[derive(Clone)]
pub(crate) struct Sender {
    items: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
}

/// A sender that does not keep the queue open.
pub(crate) struct WeakSender {
    items: mpsc::WeakSender<Queued>,
    room: Arc<Semaphore>,
}

/// Shows whether anything waits.
#[derive(Clone)]
pub(crate) struct Gauge(Arc<Semaphore>);

impl Sender {
    /// Waits for space.
    ///
    /// # Errors
    /// When the receiving end is gone.
    pub(crate) async fn send(&self, due: Instant, item: Item) -> Result<(), ()> {
        let length = if let Item::Bytes(piece) = &item { piece.bytes.len() } else { 0 };
        let wanted = u32::try_from(length).unwrap_or(BYTES).clamp(1, BYTES);
        let room = tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(wanted) => room.map_err(drop)?,
            () = self.items.closed() => return Err(()),
        };
        self.items.send(Queued { due, item, room }).await.map_err(drop)
    }

    pub(crate) fn downgrade(&self) -> WeakSender {
        WeakSender { items: self.items.downgrade(), room: Arc::clone(&self.room) }
    }

    pub(crate) fn gauge(&self) -> Gauge {
        Gauge(Arc::clone(&self.room))
    }
}

impl WeakSender {
    pub(crate) fn upgrade(&self) -> Option<Sender> {
        Some(Sender { items: self.items.upgrade()?, room: Arc::clone(&self.room) })
    }
}

impl Gauge {
    /// Whether something was read and is not written yet.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.available_permits() < BYTES as usize
    }
}

/// When a byte was last read or written in either direction.
pub(crate) struct Progress(Mutex<Instant>);

impl Progress {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    pub(crate) fn moved(&self) {
        *self.0.lock() = Instant::now();
    }

    pub(crate) fn last(&self) -> Instant {
        *self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn has_room(sender: &Sender, bytes: usize) -> bool {
        let piece = Item::Bytes(Piece::from(vec![0; bytes]));
        timeout(Duration::from_millis(1), sender.send(Instant::now(), piece)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_queue_is_bounded_in_bytes_and_in_pieces() {
        let (sender, mut queued) = queue();
        let gauge = sender.gauge();
        assert!(!gauge.is_waiting());
        // A packet that a fault has held back is one large piece.
        assert!(has_room(&sender, 16 << 20).await && gauge.is_waiting());
        assert!(!has_room(&sender, 16 << 20).await, "32 MiB wait");
        assert!(!has_room(&sender, 1).await);
        drop(queued.recv().await);
        assert!(!gauge.is_waiting());
        for _ in 0..PIECES {
            assert!(has_room(&sender, 1).await);
        }
        assert!(!has_room(&sender, 1).await, "any number of small pieces waits");
        drop(queued);
        assert!(sender.send(Instant::now(), Item::Fin).await.is_err());
    }
}
