//! What talks to a device: its port, its console, flashing and uploading, reset, pins, programs.
//!
//! After a bench failure, a recovery ladder is climbed (retry, reset, power cycle). If the ladder fails, the board is
//! given up, and later steps report that failure as their cause.

mod board;
mod claims;
mod console;
mod console_port;
mod delays;
mod emulator;
mod error;
mod flashing;
mod identity;
mod ladder;
mod micropython;
mod needs;
mod pins;
mod place_by_mac;
mod port_errors;
pub mod ports;
mod program;
pub mod reset;
mod scope;
mod symbols;
mod tap_address;
mod virtual_board;

pub use board::{Board, Booted, DeviceClaim, Drivers};
pub use claims::{check_shared, claimed, claimed_by_address, shared_devices};
pub use console_port::{ConsolePort, Transfer};
pub use emulator::{EmulatorDevice, EmulatorPins, check_emulator, emulator_presets};
pub use error::BenchError;
pub use flashing::{
    AppFacts, AppSlot, Flashed, Probed, UpdateImage, app_facts, check_firmware, check_flasher, elf_of, esptool_program,
    kinds as flasher_kinds, probe, update_image,
};
pub use hil_virtual_board::{Names, gateway as virtual_gateway};
pub use needs::{Needs, needs};
pub use pins::{Driving, PinDoubt, PinDriver, WiredPins};
pub use place_by_mac::place_by_mac;
pub use program::{ProgramDevice, missing_program};
pub use reset::{ResetDriver, ResetInto, Resetting};
pub use rustix::process::Signal;
pub use scope::Scope;
pub use symbols::Symbols;
pub use tap_address::{TapAddress, TlsFiles};
pub use virtual_board::{Fall, FlashMoment, FlashWork, VirtualDevice};
