//! The pins of an emulated board: programs of the user, which may reach the emulator by its monitor.

use std::collections::BTreeMap;

use hil_config::Pin;

use super::device::EmulatorDevice;
use crate::error::BenchError;
use crate::pins::{Driving, PinDoubt, PinDriver, WiredPins};
use crate::scope::Scope;

/// The pins of an emulator that comes and goes.
pub struct EmulatorPins {
    wired: WiredPins,
    /// With the placeholders of their programs filled in, which those of the bench file are not.
    pins: BTreeMap<String, Pin>,
    device: EmulatorDevice,
}

impl EmulatorPins {
    /// Starts the programs that watch. The emulator does not run yet, so programs that drive a pin of it may fail.
    ///
    /// # Errors
    /// If a program that watches a pin does not say its level.
    pub async fn open(board: &str, device: EmulatorDevice, scope: &Scope) -> Result<Self, BenchError> {
        let pins = device.pins();
        let wired = WiredPins::open_unpowered(board, &pins, scope).await?;
        Ok(Self { wired, pins, device })
    }
}

impl PinDriver for EmulatorPins {
    fn drive<'a>(&'a self, name: &'a str, pin: &'a Pin, on: bool) -> Driving<'a> {
        Box::pin(async move {
            let pin = self.pins.get(name).unwrap_or(pin);
            match self.wired.drive(name, pin, on).await {
                // Nothing is there to be driven, and it starts with the pin off.
                Err(_) if !on && !self.device.is_running() => Ok(()),
                result => result,
            }
        })
    }

    fn is_on(&self, name: &str) -> Option<bool> {
        self.wired.is_on(name)
    }

    fn record_levels(&self, scope: &Scope) {
        self.wired.record_levels(scope);
    }

    fn catch_up(&self) {
        self.wired.catch_up();
    }

    fn doubt(&self, name: &str) -> Option<PinDoubt> {
        self.wired.doubt(name)
    }
}
