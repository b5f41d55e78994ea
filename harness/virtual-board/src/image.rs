//! ESP images: building them, and checking them like ROM and bootloader.
//!
//! Formats: ESP-IDF, "App Image Format" and "Partition Tables"; esptool, "Firmware Image Format".

mod app_descriptor;
mod builtin;
mod esp_image;
mod merged;
mod partition_table;

pub use app_descriptor::{AppDescriptor, native_app};
pub use builtin::{BUILTIN_NAMES, builtin};
pub use esp_image::{EspImage, ImageError, Segment};
pub use merged::{BOOTLOADER_AT, PARTITION_TABLE_AT, merge};
pub use partition_table::{Partition, PartitionTable, TableError};
