//! Getting firmware into a board.

mod flashers;
mod header;
mod image;
mod inspect;
mod kind;
mod nvs;
mod otadata;
mod partitions;
mod plan;
mod probe;

use std::path::PathBuf;
use std::time::Duration;

use flashers::FLASHERS;
pub(crate) use flashers::PortInUse;
pub use flashers::esptool_program;
#[cfg(test)]
pub(crate) use header::App;
use hil_config::{Flasher, FlasherKind};
use hil_power::Diagnosis;
use hil_timeline::FlashPhase;
pub use image::check_firmware;
pub(crate) use image::{read, with_settings};
pub(crate) use inspect::{BootApp, Part};
pub(crate) use plan::{Region, Role};
pub use probe::{Probed, probe};

use crate::error::BenchError;

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

/// The flashers as the reader of a bench file knows them.
#[must_use]
pub fn kinds() -> Vec<FlasherKind> {
    FLASHERS.iter().map(|entry| entry.kind).collect()
}

/// Looks whether a flasher can be used on this machine; none where nothing has to be installed for it.
#[must_use]
pub fn check_flasher(flasher: &Flasher) -> Option<Diagnosis> {
    FLASHERS.iter().find(|entry| entry.kind.word == flasher.word).and_then(|entry| (entry.check)(flasher))
}

/// Writes the flash by the means that the bench file names.
pub(crate) async fn flash(flasher: &Flasher, job: Job, port_in_use: PortInUse) -> Result<Flashed, BenchError> {
    match FLASHERS.iter().find(|entry| entry.kind.word == flasher.word) {
        Some(entry) => (entry.flash)(flasher, job, port_in_use)?.await,
        None => {
            let reason = format!("there is no flasher `{}`", flasher.word);
            Err(BenchError::Flash { board: job.board, reason })
        }
    }
}
