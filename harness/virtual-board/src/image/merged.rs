//! Bootloader, partition table and app in one file, as made by `esptool merge-bin`.

use super::app_descriptor::AppDescriptor;
use super::esp_image::{EspImage, Segment};
use super::partition_table::PartitionTable;

/// Address of an ESP32-C3's bootloader in flash.
pub const BOOTLOADER_AT: usize = 0;
/// Address of the partition table in flash.
pub const PARTITION_TABLE_AT: usize = 0x8000;
const APP_AT: usize = 0x10000;

/// Page size of the flash cache: a mapped segment has the same offset in its page in flash and in memory.
const MMU_PAGE: usize = 0x10000;

/// A whole flash image for address 0. The app's code is random: a virtual board only uses its descriptor.
#[must_use]
pub fn merge(app: &AppDescriptor, partitions: &PartitionTable) -> Vec<u8> {
    let mut image = bootloader().encode();
    image.resize(PARTITION_TABLE_AT, 0xff);
    image.extend(partitions.encode());
    image.resize(APP_AT, 0xff);
    image.extend(app_image(app).encode());
    image
}

/// Load addresses as those of ESP-IDF's bootloader for this chip.
fn bootloader() -> EspImage {
    let segment = |address, length| Segment { address, data: filler(address, length) };
    let segments = vec![segment(0x3fcd_5820, 0x1574), segment(0x403c_c710, 0xc34), segment(0x403c_e710, 0x2f64)];
    EspImage { entry: 0x403c_c71a, segments }
}

fn app_image(app: &AppDescriptor) -> EspImage {
    const HEADERS: usize = 24 + 8;
    let mut constants = app.encode();
    constants.extend(filler(0x3c00_0120, 0x1f00));
    // Code in RAM fills the file up to the address of the mapped code.
    let in_ram = MMU_PAGE + HEADERS - (HEADERS + constants.len() + 8 + 8);
    let segments = vec![
        Segment { address: 0x3c00_0020, data: constants },
        Segment { address: 0x4038_0000, data: filler(0x4038_0000, in_ram) },
        Segment { address: 0x4201_0020, data: filler(0x4201_0020, 0x6000) },
    ];
    EspImage { entry: 0x4038_0000, segments }
}

/// Bytes that compress like code: half of it repeats. The same seed gives the same bytes.
fn filler(seed: u32, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut bytes = Vec::with_capacity(length + 4);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let repeats = bytes.len() / 256 % 2 == 0;
        bytes.extend(if repeats { *b"\xc0\xdb\x00\x13" } else { state.to_le_bytes() });
    }
    bytes.truncate(length);
    bytes
}
