//! The pins of a board.

use std::collections::BTreeMap;
use std::pin::Pin as Boxed;

use hil_config::{Pin, PinDirection};

use crate::scope::Scope;

/// What a driver promises: boxed, so that drivers can be chosen at run time.
pub type Driving<'a> = Boxed<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Senses and drives the lines of a board. Changes of sensed lines are recorded as they happen.
pub trait PinDriver: Send + Sync {
    /// Drives a line of the board high or low.
    fn drive(&self, line: u8, high: bool) -> Driving<'_>;

    /// Records the level of every sensed pin.
    fn record_levels(&self, scope: &Scope);
}

/// Names and lines of a board's pins.
pub(crate) struct Pins {
    config: BTreeMap<String, Pin>,
    driver: Box<dyn PinDriver>,
}

impl Pins {
    pub(crate) fn new(config: BTreeMap<String, Pin>, driver: Box<dyn PinDriver>) -> Self {
        Self { config, driver }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Pin> {
        self.config.get(name)
    }

    pub(crate) fn record_levels(&self, scope: &Scope) {
        self.driver.record_levels(scope);
    }

    /// Drives a pin to its "on" or "off", whatever level that is.
    pub(crate) async fn drive(&self, pin: &Pin, on: bool) {
        self.driver.drive(pin.line, on != pin.active_low).await;
    }

    /// Lets go of every pin that the bench drives: pulled to "off".
    pub(crate) async fn release(&self) {
        for pin in self.config.values().filter(|pin| pin.direction == PinDirection::Drive) {
            self.drive(pin, false).await;
        }
    }
}
