//! Lines of the kernel's GPIO simulator.

use std::time::{Duration, Instant};

use gpiosim::{Bank, Level, Sim};

pub(crate) fn relays() -> Sim {
    let mut bank = Bank::new(9, "relays");
    bank.name(0, "RELAY1")
        .name(1, "RELAY2")
        .name(2, "TAKEN")
        .name(3, "LED")
        .name(4, "BUTTON")
        .name(5, "TWICE")
        .name(6, "TWICE")
        .name(7, "EN")
        .name(8, "BOOT");
    let sim = gpiosim::builder().with_bank(&bank).live().expect("gpio-sim");
    let path = sim.chips()[0].dev_path().clone();
    // The node is there once devtmpfs has made it.
    let deadline = Instant::now() + Duration::from_secs(5);
    while gpiocdev::Chip::from_path(&path).is_err() {
        assert!(Instant::now() < deadline, "no {}", path.display());
        std::thread::yield_now();
    }
    sim
}

pub(crate) fn level(sim: &Sim, line: u32) -> bool {
    sim.chips()[0].get_level(line).expect("level") == Level::High
}
