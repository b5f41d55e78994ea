//! The machine's parts that the program uses: lamp, reset.

use lamp_app::{LampPin, Platform};

use crate::console::log;
use crate::machine;

/// What a run leaves for the next one.
const RUNNING: u32 = 0x1a39_0001;
const RESTARTING: u32 = 0x1a39_0002;

/// The lamp's board. The machine has no watchdog.
pub(crate) struct Board {
    pin: LampPin,
}

impl Board {
    /// Puts the lamp out.
    pub(crate) fn new(pin: LampPin) -> Self {
        machine::set_lamp(pin.level(false));
        Self { pin }
    }
}

impl Platform for Board {
    fn light(&mut self, lit: bool) {
        machine::set_lamp(self.pin.level(lit));
    }

    fn log(&mut self, tag: &str, text: &str) {
        log(tag, format_args!("{text}"));
    }

    fn alive(&mut self) {}

    fn restart(&mut self) -> ! {
        restart()
    }
}

/// A new start that the program itself wants.
pub(crate) fn restart() -> ! {
    machine::leave_reset_reason(RESTARTING);
    machine::reset()
}

/// Why the machine started, in words. To be asked once.
pub(crate) fn reset_reason() -> &'static str {
    let reason = match machine::reset_reason() {
        0 => "power on",
        RESTARTING => "software restart",
        _ => "other",
    };
    machine::leave_reset_reason(RUNNING);
    reason
}
