//! The boards of a bench file, put together: which drivers act on which kind of board, and who may use them.
//!
//! A [`Bench`] owns its boards. A locked [`Board`] is used exclusively: its port, its console, its power, its pins.
//! What acts on a board is in `hil_board`, what must be safe in `hil_power`.

mod bench;
mod drivers;
mod kinds;

pub use bench::{Bench, Claim, LockedBoard, WaitingForRadio};
pub use hil_board::{
    AppFacts, AppSlot, BenchError, Board, Booted, Driving, Fall, FlashMoment, FlashWork, Flashed, Needs, PinDriver,
    Probed, ResetDriver, ResetInto, Resetting, Scope, Signal, Symbols, TapAddress, TlsFiles, UpdateImage, app_facts,
    check_emulator, check_firmware, check_flasher, claimed, elf_of, esptool_program, missing_program, needs, ports,
    probe, shared_devices, update_image, virtual_gateway,
};
pub use hil_power::{PowerDriver, PowerError, Switching, keeper, lines::check_line};
pub use kinds::kinds;

/// Power drivers.
pub mod power {
    pub use hil_power::{AskPerson, Diagnosis, Rails, check};
}
