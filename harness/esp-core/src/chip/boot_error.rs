//! Why a machine can't start.

use std::io;

use crate::elf::ElfError;

/// Why a machine can't start.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// There is no image.
    #[error("there is no app image at {at:#x}")]
    NoImage {
        /// The offset in flash.
        at: u32,
    },
    /// The image is for another chip.
    #[error("the app image is for another chip (number {chip}), not the ESP32-C3 (number 5)")]
    OtherChip {
        /// The chip's number in the image's header.
        chip: u16,
    },
    /// A segment ends beyond the partition.
    #[error("the app image is longer than its partition")]
    Truncated,
    /// A segment's address is not in RAM, and not where flash is mapped.
    #[error("the app image has a segment at {address:#010x}, where there is no memory")]
    NoMemory {
        /// The address.
        address: u32,
    },
    /// The flash chip's size is not possible.
    #[error("a flash chip of {size} bytes: it must be a power of two from 64 KiB to 16 MiB")]
    FlashSize {
        /// How many bytes it has.
        size: u32,
    },
    /// The flash can't be read.
    #[error("the flash can't be read: {0}")]
    Flash(#[from] io::Error),
    /// The ELF file can't be read.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The symbols are of another program.
    #[error("the ELF file is of another program than the app image: flash the image that was made from it")]
    OtherElf,
}
