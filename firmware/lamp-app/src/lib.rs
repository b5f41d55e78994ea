//! The lamp's program without its chip: settings, network and main loop.
//!
//! [`Nvs`] reads the settings that the harness writes, [`run`] is the program. A chip's crate provides the network
//! device (an `embassy-net` stack) and a [`Platform`] with the pin, the console and the watchdog.
#![no_std]

extern crate alloc;

mod net;
mod nvs;
mod run;
mod settings;

pub use lamp_core::{Backoff, Variant};
pub use nvs::{Nvs, NvsError};
pub use run::{Platform, run};
pub use settings::{AppSettings, Broker, LampPin, Wifi};
