//! Flashing firmware.

mod app_facts;
mod descriptor;
mod file;
mod flashers;
mod header;
mod image;
mod inspect;
mod job;
mod kind;
mod nvs;
mod otadata;
mod partitions;
mod plan;
mod probe;
mod update;

pub use app_facts::{AppFacts, AppSlot, app_facts};
pub(crate) use file::flash_file;
use flashers::FLASHERS;
pub use flashers::esptool_program;
#[cfg(test)]
pub(crate) use header::App;
use hil_config::{Flasher, FlasherKind};
use hil_power::Diagnosis;
pub(crate) use image::{ReadImage, read, with_settings};
pub use image::{check_firmware, elf_of};
pub(crate) use inspect::{BootApp, Part};
pub use job::Flashed;
pub(crate) use job::{Job, PortInUse};
pub(crate) use plan::{Region, Role, missing};
pub use probe::{Probed, probe};
pub use update::{UpdateImage, update_image};

use crate::error::BenchError;

/// The flashers, as the bench file names them.
#[must_use]
pub fn kinds() -> Vec<FlasherKind> {
    FLASHERS.iter().map(|entry| entry.kind).collect()
}

/// Checks that a flasher can be used on this machine; none if it needs no installation.
#[must_use]
pub fn check_flasher(flasher: &Flasher) -> Option<Diagnosis> {
    FLASHERS.iter().find(|entry| entry.kind.word == flasher.word).and_then(|entry| (entry.check)(flasher))
}

/// Writes the flash with the flasher that the bench file names.
pub(crate) async fn flash(flasher: &Flasher, job: Job, port_in_use: PortInUse) -> Result<Flashed, BenchError> {
    match FLASHERS.iter().find(|entry| entry.kind.word == flasher.word) {
        Some(entry) => (entry.flash)(flasher, job, port_in_use)?.await,
        None => {
            let reason = format!("there is no flasher `{}`", flasher.word);
            Err(BenchError::Flash { board: job.board, reason })
        }
    }
}
