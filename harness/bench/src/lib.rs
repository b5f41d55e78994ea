//! Drivers: what acts on the boards that a bench file describes.
//!
//! A [`Bench`] owns its boards. Whoever locks a [`Board`] owns it alone: its port, its console, its power, its pins.
//! A bench failure climbs a ladder (retry, reset, power cycle); when the ladder gives up, the failure sticks to the
//! board, and later users get it as their cause.

mod bench;
mod board;
mod claims;
mod console;
mod drivers;
mod error;
mod flashing;
mod gpio;
mod identity;
pub mod keeper;
mod ladder;
mod micropython;
mod needs;
mod pins;
pub mod ports;
pub mod power;
mod program;
mod reset;
mod scope;
mod subprocess;
mod tap_address;
mod virtual_board;

pub use bench::{Bench, Claim, LockedBoard};
pub use board::{Board, Booted};
pub use claims::{claimed, shared_devices};
pub use error::BenchError;
pub use flashing::{Flashed, Probed, check_firmware, esptool_program, probe};
pub use gpio::check_line;
pub use needs::{Needs, needs};
pub use pins::{Driving, PinDriver};
pub use power::{PowerDriver, PowerError, Switching};
pub use program::missing_program;
pub use reset::{ResetDriver, ResetInto, Resetting};
pub use rustix::process::Signal;
pub use scope::Scope;
pub use tap_address::{TapAddress, TlsFiles};
