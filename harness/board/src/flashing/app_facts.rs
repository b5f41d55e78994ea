//! What steps about updates know of a firmware.

use hil_config::Bench;

use super::image::read;
use crate::error::BenchError;

/// The app of a firmware, and the partitions that hold one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppFacts {
    /// The version in its app descriptor.
    pub version: Option<String>,
    /// Where it is flashed.
    pub offset: u32,
    /// All partitions for apps, in the order of the table.
    pub slots: Vec<AppSlot>,
}

/// A partition that can hold an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSlot {
    /// What ESP-IDF calls its subtype: `factory`, `ota_0`.
    pub kind: String,
    /// Its label in the partition table.
    pub label: String,
    /// Where it begins in flash.
    pub offset: u32,
    /// Bytes.
    pub size: u32,
}

/// The app of a firmware, as it is flashed on a board; none if the firmware has none.
///
/// # Errors
/// When its files can't be read, or can't run on that board.
pub fn app_facts(bench: &Bench, board: &str, firmware: &str) -> Result<Option<AppFacts>, BenchError> {
    let (Some(board), Some(firmware)) = (bench.board(board), bench.firmware(firmware)) else { return Ok(None) };
    if firmware.process.is_some() {
        return Ok(None);
    }
    let layout = read(firmware, board)?.layout;
    let slots = layout.partitions.iter().filter(|partition| partition.is_app()).map(|partition| AppSlot {
        kind: match partition.ota_slot() {
            Some(slot) => format!("ota_{slot}"),
            None if partition.is_factory_app() => "factory".to_owned(),
            None => "test".to_owned(),
        },
        label: partition.label.clone(),
        offset: partition.offset,
        size: partition.size,
    });
    let slots = slots.collect();
    Ok(layout.boots.map(|boots| AppFacts {
        version: boots.app.map(|app| app.version).filter(|version| !version.is_empty()),
        offset: boots.offset,
        slots,
    }))
}
