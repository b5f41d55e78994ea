//! Bytes on a path, and the watcher that sees them.

use std::time::Duration;

use crate::control::{Ended, PathDirection};

/// Bytes on their way from one side to the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Extra delay; later bytes wait as well.
    pub late: Duration,
    /// A tag for the watcher; 0 if it has none.
    pub tag: u8,
    /// Shown to the watcher, but not written.
    pub dropped: bool,
    /// Sent back to the sender of what was read.
    pub reply: bool,
    /// The path is closed after this is written.
    pub closes: bool,
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, late: Duration::ZERO, tag: 0, dropped: false, reply: false, closes: false }
    }
}

/// Sees every chunk and may change it.
pub trait Watch: Send + Sync {
    /// Bytes were read from one side; returns what to write to the other. By default they pass unchanged.
    fn read(&self, direction: PathDirection, bytes: Vec<u8>) -> Vec<Piece> {
        let _ = direction;
        vec![Piece::from(bytes)]
    }

    /// No more bytes come from that side; returns what was held back until now.
    fn flush(&self, direction: PathDirection) -> Vec<Piece> {
        let _ = direction;
        Vec::new()
    }

    /// Bytes of a piece with this tag are about to be written to the receiving side.
    fn forwarding(&self, direction: PathDirection, bytes: &[u8], tag: u8);

    /// The path ends; the other direction may still carry bytes.
    fn ending(&self, ended: Ended) {
        let _ = ended;
    }
}

impl<F: Fn(PathDirection, &[u8]) + Send + Sync> Watch for F {
    fn forwarding(&self, direction: PathDirection, bytes: &[u8], _: u8) {
        self(direction, bytes);
    }
}
