//! Getting firmware into a board.

mod command_backend;
mod espflash_backend;
mod esptool_backend;
mod header;
mod image;
mod inspect;
mod nvs;
mod otadata;
mod partitions;
mod plan;
mod probe;

use std::path::PathBuf;
use std::time::Duration;

pub(crate) use espflash_backend::PortInUse;
pub use esptool_backend::program as esptool_program;
#[cfg(test)]
pub(crate) use header::App;
use hil_config::Flasher;
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

/// Writes the flash by the means that the bench file names. A new one is one file here and one arm.
pub(crate) async fn flash(flasher: &Flasher, job: Job, port_in_use: PortInUse) -> Result<Flashed, BenchError> {
    match flasher {
        Flasher::Espflash => espflash_backend::flash(job, port_in_use).await,
        Flasher::Esptool => esptool_backend::flash(job).await,
        Flasher::Command(words) => command_backend::flash(words, job).await,
    }
}
