//! The flashers, a file each. A new one is its file, its `mod` line and its line in [`FLASHERS`].

mod command;
mod espflash;
mod esptool;

pub(crate) use espflash::chip_of;
pub use esptool::program as esptool_program;

use super::kind::Entry;

/// In the order of the documentation: the first one that supports a chip is what its boards have by default.
pub(super) static FLASHERS: &[Entry] =
    &[Entry::of::<espflash::Espflash>(), Entry::of::<esptool::Esptool>(), Entry::of::<command::FlashCommand>()];
