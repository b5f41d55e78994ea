//! The pins of an emulated board: programs of the user, which may reach the emulator by its monitor.

use std::collections::BTreeMap;

use hil_config::Pin;

use super::EmulatorDevice;
use crate::pins::{Driving, PinDriver, WiredPins};
use crate::scope::Scope;

/// The pins of an emulator that comes and goes.
pub struct EmulatorPins {
    pub(super) wired: WiredPins,
    /// With the placeholders of their programs filled in, which those of the bench file are not.
    pub(super) pins: BTreeMap<String, Pin>,
    pub(super) device: EmulatorDevice,
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
}
