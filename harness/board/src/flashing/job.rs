//! What a flash needs, and what it did.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hil_timeline::FlashPhase;

use super::plan::Region;

/// Held by the thread that flashes a board, for as long as it has the port open.
pub(crate) type PortInUse = Arc<tokio::sync::Mutex<()>>;

/// Everything a flash needs; the chip already waits in its loader.
pub(crate) struct Job {
    pub(crate) board: String,
    pub(crate) port: PathBuf,
    pub(crate) chip: hil_config::Chip,
    pub(crate) baud: u32,
    pub(crate) regions: Vec<Region>,
    pub(crate) progress: Box<dyn Fn(FlashPhase) + Send + Sync>,
}

/// What a flash did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flashed {
    /// Bytes written; 0 where the flash already held all of it.
    pub written: usize,
    /// Bytes that the flash already held.
    pub skipped: usize,
    /// How long it took.
    pub took: Duration,
}
