//! Bytes on their direction, and who is shown them.

use std::time::Duration;

use crate::control::{Ended, PathDirection};

/// Bytes on their direction from one side to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What is written.
    pub bytes: Vec<u8>,
    /// How much later than usual; what comes after it waits as well.
    pub late: Duration,
    /// A mark of the watcher's own; 0 where it has none.
    pub tag: u8,
    /// It is shown to the watcher, and not written.
    pub dropped: bool,
    /// It goes back to the sender of what was read.
    pub reply: bool,
    /// The path is closed once this is written.
    pub closes: bool,
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, late: Duration::ZERO, tag: 0, dropped: false, reply: false, closes: false }
    }
}

/// Sees every chunk, and may decide what becomes of it.
pub trait Watch: Send + Sync {
    /// Bytes were read from one side: what is to be written to the other. They are passed on as they are unless a
    /// watcher says otherwise.
    fn read(&self, direction: PathDirection, bytes: Vec<u8>) -> Vec<Piece> {
        let _ = direction;
        vec![Piece::from(bytes)]
    }

    /// No more bytes come from that side: what was kept back until now.
    fn flush(&self, direction: PathDirection) -> Vec<Piece> {
        let _ = direction;
        Vec::new()
    }

    /// Bytes of a piece with this tag are about to be written to the receiving side.
    fn forwarding(&self, direction: PathDirection, bytes: &[u8], tag: u8);

    /// The path ends; the other direction may still have last words.
    fn ending(&self, ended: Ended) {
        let _ = ended;
    }
}

impl<F: Fn(PathDirection, &[u8]) + Send + Sync> Watch for F {
    fn forwarding(&self, direction: PathDirection, bytes: &[u8], _: u8) {
        self(direction, bytes);
    }
}
