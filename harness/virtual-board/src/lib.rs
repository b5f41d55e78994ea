//! The device side of a virtual bench: an ESP32-C3 on a pseudo-terminal.
//!
//! A [`VirtualBoard`] is a board without silicon: a serial port ([`VirtualBoard::port`]), the ROM and stub loader on
//! it, flash, strapping, EN, a power rail, pins and a radio whose power cut is silence. The app descriptor of the
//! flashed image selects what runs on it.
//!
//! It never shares a codec with the harness: an error in a shared one would go unnoticed.

mod app;
mod boot;
mod chip;
mod flash;
pub mod image;
mod loader;
mod names;
mod nvs;
mod options;
mod otadata;
mod pins;
mod pty;
mod radio;
mod reset_circuit;
mod uart;
mod virtual_board;
mod wifi;

pub use flash::{Fall, FlashAction, FlashMoment, FlashOperation};
pub use names::Names;
pub use options::{Options, Trouble};
pub use reset_circuit::{Change, ResetCircuit};
pub use virtual_board::VirtualBoard;

/// The address of this machine on the network of a board that executes its firmware.
#[must_use]
pub fn gateway() -> std::net::Ipv4Addr {
    hil_access_point::Config::default().network.gateway()
}

/// Bytes of a board's flash.
pub const FLASH_SIZE: u64 = flash::SIZE as u64;
