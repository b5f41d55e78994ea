//! The lamp's program without its chip: settings, network, main loop and updates.
//!
//! [`Nvs`] reads the settings that the harness writes, [`run`] is the program. A chip's crate provides the network
//! device (an `embassy-net` stack) and a [`Platform`] with the pin, the console and the watchdog.
#![no_std]

extern crate alloc;

mod clock;
mod net;
mod nvs;
mod run;
mod settings;
mod update;

pub use esp_nvs::mem_flash::MemFlash;
pub use lamp_core::{Backoff, Confirms, Variant};
pub use nvs::{Nvs, NvsError};
pub use run::{Config, Platform, run};
pub use settings::{AppSettings, Broker, LampPin, Services, TimeServer, Wifi};
pub use update::{Layout, Random, Updates};
