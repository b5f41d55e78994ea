//! The device side of a virtual bench: an ESP32-C3 on a pseudo-terminal.
//!
//! A [`VirtualBoard`] is everything of a board but its silicon: a serial port ([`VirtualBoard::port`]), the ROM and
//! stub loader behind it, flash, strapping, EN, a power rail, pins and a radio whose power cut is silence. What runs
//! on it is chosen by the app descriptor of the image that was flashed.
//!
//! It never shares a codec with the harness: what both got wrong would look right.

mod app;
mod boot;
mod chip;
mod flash;
pub mod image;
mod loader;
mod nvs;
mod options;
mod otadata;
mod pins;
mod pty;
mod radio;
mod reset_circuit;
mod uart;
mod virtual_board;

pub use options::Options;
pub use reset_circuit::{Change, ResetCircuit};
pub use virtual_board::VirtualBoard;

/// Bytes of a board's flash.
pub const FLASH_SIZE: u64 = flash::SIZE as u64;
