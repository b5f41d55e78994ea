//! Levels of the chip's GPIOs.

use parking_lot::Mutex;

use crate::options::PinListener;

const PINS: usize = 22;

/// Levels of the GPIOs. An undriven pin is pulled high.
pub(crate) struct Pins {
    levels: Mutex<[bool; PINS]>,
    listener: Option<PinListener>,
}

impl Pins {
    pub(crate) fn new(listener: Option<PinListener>) -> Self {
        Self { levels: Mutex::new([true; PINS]), listener }
    }

    /// The level of a pin; none if there is no such pin.
    pub(crate) fn level(&self, gpio: u8) -> Option<bool> {
        self.levels.lock().get(usize::from(gpio)).copied()
    }

    pub(crate) fn drive(&self, gpio: u8, high: bool) {
        let changed = match self.levels.lock().get_mut(usize::from(gpio)) {
            Some(level) => std::mem::replace(level, high) != high,
            None => false,
        };
        if let Some(listener) = &self.listener
            && changed
        {
            listener(gpio, high);
        }
    }

    pub(crate) fn float(&self) {
        for gpio in 0..PINS {
            self.drive(u8::try_from(gpio).unwrap_or(u8::MAX), true);
        }
    }
}
