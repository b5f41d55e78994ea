//! What is in flash besides the program: settings, and the slots of updates.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use esp_bootloader_esp_idf::partitions::{
    AppPartitionSubType, DataPartitionSubType, PARTITION_TABLE_MAX_LEN, PartitionTable, PartitionType,
    read_partition_table,
};
use esp_storage::FlashStorage;
use lamp_app::{Layout, Nvs, Updates};

use crate::console::log;
use crate::descriptor;

/// ESP-IDF, `ESP_CHIP_ID_ESP32C3`.
const CHIP: u16 = 5;

/// Larger partitions hold more than settings, and the copy must fit into RAM.
const LARGEST: usize = 48 * 1024;

/// Reads the NVS partition. What is wrong with it is printed; the lamp then has no settings.
pub(crate) fn settings(flash: &mut FlashStorage<'_>) -> Nvs {
    let content = read(flash);
    match content.and_then(|bytes| Nvs::open(bytes).map_err(|error| alloc::format!("{error}"))) {
        Ok(nvs) => nvs,
        Err(reason) => {
            log("nvs", format_args!("no settings: {reason}"));
            Nvs::empty()
        }
    }
}

/// What it takes to be updated; none, and a line that says why, without two slots.
pub(crate) fn updates(mut flash: FlashStorage<'static>, trial_ms: u64) -> Option<Updates<FlashStorage<'static>>> {
    match layout(&mut flash) {
        Ok(layout) => Some(Updates {
            flash,
            layout,
            version: descriptor::version().into(),
            project: descriptor::PROJECT.into(),
            chip: CHIP,
            trial_ms,
        }),
        Err(reason) => {
            log("update", format_args!("no updates: {reason}"));
            None
        }
    }
}

fn layout(flash: &mut FlashStorage<'_>) -> Result<Layout, String> {
    let mut buffer = vec![0; PARTITION_TABLE_MAX_LEN];
    let table = read_partition_table(flash, &mut buffer).map_err(|error| alloc::format!("{error:?}"))?;
    let otadata = range(&table, PartitionType::Data(DataPartitionSubType::Ota))?;
    let slot = |kind| range(&table, PartitionType::App(kind));
    let slots = [slot(AppPartitionSubType::Ota0)?, slot(AppPartitionSubType::Ota1)?];
    let booted = table.booted_partition().map_err(|error| alloc::format!("{error:?}"))?;
    let booted = booted.ok_or("the program runs in no partition")?;
    let running =
        slots.iter().position(|slot| slot.start == booted.offset()).ok_or("the program runs in neither slot")?;
    Ok(Layout { otadata: otadata.start, slots, running })
}

fn range(table: &PartitionTable<'_>, kind: PartitionType) -> Result<Range<u32>, String> {
    let found = table.find_partition(kind).map_err(|error| alloc::format!("{error:?}"))?;
    let found = found.ok_or_else(|| alloc::format!("the partition table has no {kind:?}"))?;
    Ok(found.offset()..found.offset() + found.len())
}

fn read(flash: &mut FlashStorage<'_>) -> Result<Vec<u8>, String> {
    let mut buffer = vec![0; PARTITION_TABLE_MAX_LEN];
    let table = read_partition_table(flash, &mut buffer).map_err(|error| alloc::format!("{error:?}"))?;
    let wanted = PartitionType::Data(DataPartitionSubType::Nvs);
    let found = table.find_partition(wanted).map_err(|error| alloc::format!("{error:?}"))?;
    let partition = found.ok_or("the partition table has no NVS partition")?;
    let size = partition.len() as usize;
    if size > LARGEST {
        return Err(alloc::format!("the NVS partition has {size} bytes, more than {LARGEST}"));
    }
    let mut bytes = vec![0; size];
    let mut region = partition.as_flash_region(flash);
    region.read(0, &mut bytes).map_err(|error| alloc::format!("{error:?}"))?;
    Ok(bytes)
}
