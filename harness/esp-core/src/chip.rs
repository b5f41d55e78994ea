//! The ESP32-C3: its memory, its devices, its ROM's functions and its radio, as a [`Machine`] that runs an app.

mod adc;
mod boot_error;
mod cache;
mod console;
mod device;
mod events;
mod flash;
mod flash_controller;
mod gpio;
mod hardware;
mod image;
mod interrupts;
mod machine;
mod pace;
mod reset_values;
mod rom;
mod rtc;
mod setup;
mod system;
mod systimer;
#[cfg(test)]
mod testing;
mod timer_group;
mod uart;
mod unmodelled;
mod usb;
mod watchdog;
mod wifi;

pub use boot_error::BootError;
pub use events::{AccessPoint, Auth, End, Input, Output, ResetCause, Unsupported};
pub use flash::{Flash, MemoryFlash, SECTOR, cut_erase, cut_program};
pub use machine::Machine;
pub use setup::{Retained, Setup};
