//! The pins of a board by name.

use std::collections::BTreeMap;

use hil_config::{Pin, PinDirection};

use crate::virtual_board::VirtualDevice;

/// Names and levels of a board's pins.
#[derive(Debug)]
pub(crate) struct Pins {
    config: BTreeMap<String, Pin>,
    device: VirtualDevice,
}

impl Pins {
    pub(crate) fn new(config: BTreeMap<String, Pin>, device: VirtualDevice) -> Self {
        Self { config, device }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Pin> {
        self.config.get(name)
    }

    /// Lets go of every pin that the bench drives: pulled to "off".
    pub(crate) async fn release(&self) {
        for pin in self.config.values().filter(|pin| pin.direction == PinDirection::Drive) {
            self.device.drive(pin.line, pin.active_low).await;
        }
    }
}
