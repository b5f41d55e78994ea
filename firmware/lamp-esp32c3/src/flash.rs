//! The settings partition.

use alloc::vec;

use esp_bootloader_esp_idf::partitions::{
    DataPartitionSubType, PARTITION_TABLE_MAX_LEN, PartitionType, read_partition_table,
};
use esp_hal::peripherals::FLASH;
use esp_storage::FlashStorage;
use lamp_app::Nvs;

use crate::console::log;

/// Larger partitions hold more than settings, and the copy must fit into RAM.
const LARGEST: usize = 48 * 1024;

/// Reads the NVS partition. What is wrong with it is printed; the lamp then has no settings.
pub(crate) fn settings(flash: FLASH<'static>) -> Nvs {
    let content = read(FlashStorage::new(flash));
    match content.and_then(|bytes| Nvs::open(bytes).map_err(|error| alloc::format!("{error}"))) {
        Ok(nvs) => nvs,
        Err(reason) => {
            log("nvs", format_args!("no settings: {reason}"));
            Nvs::empty()
        }
    }
}

fn read(mut flash: FlashStorage<'_>) -> Result<alloc::vec::Vec<u8>, alloc::string::String> {
    let mut buffer = vec![0; PARTITION_TABLE_MAX_LEN];
    let table = read_partition_table(&mut flash, &mut buffer).map_err(|error| alloc::format!("{error:?}"))?;
    let wanted = PartitionType::Data(DataPartitionSubType::Nvs);
    let found = table.find_partition(wanted).map_err(|error| alloc::format!("{error:?}"))?;
    let partition = found.ok_or("the partition table has no NVS partition")?;
    let size = partition.len() as usize;
    if size > LARGEST {
        return Err(alloc::format!("the NVS partition has {size} bytes, more than {LARGEST}"));
    }
    let mut bytes = vec![0; size];
    let mut region = partition.as_flash_region(&mut flash);
    region.read(0, &mut bytes).map_err(|error| alloc::format!("{error:?}"))?;
    Ok(bytes)
}
