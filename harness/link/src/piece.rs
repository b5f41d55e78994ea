//! Bytes on their way, and who is shown them.

use std::time::Duration;

use crate::control::{Ended, Way};

/// Bytes on their way from one side to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// What is written.
    pub bytes: Vec<u8>,
    /// How much later than usual; what comes after it waits as well.
    pub late: Duration,
    /// A mark of the watcher's own; 0 where it has none.
    pub tag: u8,
    /// It is shown to the watcher, and not written.
    pub swallowed: bool,
    /// It goes back to the sender of what was read.
    pub turned: bool,
    /// The path is closed once this is written.
    pub last: bool,
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, late: Duration::ZERO, tag: 0, swallowed: false, turned: false, last: false }
    }
}

/// Sees every chunk, and may decide what becomes of it.
pub trait Watch: Send + Sync {
    /// Bytes were read from one side: what is to be written to the other. They are passed on as they are unless a
    /// watcher says otherwise.
    fn read(&self, way: Way, bytes: Vec<u8>) -> Vec<Piece> {
        let _ = way;
        vec![Piece::from(bytes)]
    }

    /// No more bytes come from that side: what was kept back until now.
    fn last(&self, way: Way) -> Vec<Piece> {
        let _ = way;
        Vec::new()
    }

    /// Bytes of a piece with this tag are about to be written to the receiving side.
    fn forwarding(&self, way: Way, bytes: &[u8], tag: u8);

    /// The path ends; the other way may still have last words.
    fn ending(&self, ended: Ended) {
        let _ = ended;
    }
}

impl<F: Fn(Way, &[u8]) + Send + Sync> Watch for F {
    fn forwarding(&self, way: Way, bytes: &[u8], _: u8) {
        self(way, bytes);
    }
}
