//! Registers without a model: which were used, and whether the program waits for one.

use std::collections::BTreeSet;
use std::time::Duration;

/// So many reads of a peripheral in this time, without a write to it, mean that the program waits for it.
const WAITING: u32 = 2_000_000;
const WINDOW: Duration = Duration::from_secs(20);

/// The peripherals by the page of their registers, which is the address without its lower 12 bits.
const NAMES: [(u32, &str); 24] = [
    (0x6_0003, "SPI0"),
    (0x6_0005, "the radio (FE2)"),
    (0x6_0006, "the radio (FE)"),
    (0x6_000e, "I2C_ANA_MST"),
    (0x6_0013, "I2C0"),
    (0x6_0014, "UHCI0"),
    (0x6_0016, "RMT"),
    (0x6_0019, "LEDC"),
    (0x6_001c, "the radio (NRX)"),
    (0x6_001d, "the radio (BB)"),
    (0x6_0024, "SPI2"),
    (0x6_002b, "TWAI0"),
    (0x6_002d, "I2S0"),
    (0x6_0031, "Bluetooth"),
    (0x6_0033, "the radio (MAC)"),
    (0x6_003a, "AES"),
    (0x6_003b, "SHA"),
    (0x6_003c, "RSA"),
    (0x6_003d, "DS"),
    (0x6_003e, "HMAC"),
    (0x6_003f, "DMA"),
    (0x6_00c1, "SENSITIVE"),
    (0x6_00cc, "XTS_AES"),
    (0x6_00ce, "ASSIST_DEBUG"),
];

/// Registers (PAC esp32c3 0.33.0) in which a program says which interrupts of a peripheral it waits for.
const INTERRUPT_ENABLES: [u32; 6] = [I2C, RMT, LEDC, SPI, TWAI, I2S];
const I2C: u32 = 0x6001_3028;
const RMT: u32 = 0x6001_6040;
const LEDC: u32 = 0x6001_90c8;
const SPI: u32 = 0x6002_4034;
const TWAI: u32 = 0x6002_b010;
const I2S: u32 = 0x6002_d014;

/// What is missing when a program stores this value: it waits for an interrupt that does not come, with the processor idle.
pub(super) fn interrupts(address: u32, value: u32) -> Option<String> {
    (value != 0 && INTERRUPT_ENABLES.contains(&address)).then(|| format!("the interrupt of {}", name(address)))
}

/// What a program has done with registers that only remember.
#[derive(Debug, Default)]
pub(super) struct Unmodelled {
    seen: BTreeSet<(u32, bool)>,
    /// Registers that were used for the first time.
    pub(super) new: Vec<(u32, bool)>,
    page: u32,
    reads: u32,
    since: Duration,
}

impl Unmodelled {
    /// A register is used at this time. Says what is missing when the program reads it all the time: what it waits for
    /// does not come.
    pub(super) fn note(&mut self, address: u32, write: bool, now: Duration) -> Option<String> {
        if self.seen.insert((address, write)) {
            self.new.push((address, write));
        }
        if write || address >> 12 != self.page || now.saturating_sub(self.since) > WINDOW {
            (self.page, self.reads, self.since) = (address >> 12, 0, now);
        }
        self.reads += 1;
        (self.reads == WAITING).then(|| name(address))
    }
}

fn name(address: u32) -> String {
    let found = NAMES.iter().find(|(page, _)| *page == address >> 12);
    let name = found.map_or("a peripheral without a name", |(_, name)| *name);
    format!("{name} (register {address:#010x})")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: u32 = 0x6002_4000;

    #[test]
    fn a_program_that_only_reads_waits() {
        let mut unmodelled = Unmodelled::default();
        let found = (0..WAITING).find_map(|_| unmodelled.note(ADDRESS, false, Duration::ZERO));
        assert_eq!(found.as_deref(), Some("SPI2 (register 0x60024000)"));
        assert_eq!(unmodelled.new, [(ADDRESS, false)]);
    }

    #[test]
    fn a_program_that_enables_interrupts_waits() {
        assert_eq!(interrupts(I2C, 0), None);
        assert_eq!(interrupts(I2C - 4, 1), None);
        assert_eq!(interrupts(I2C, 1).as_deref(), Some("the interrupt of I2C0 (register 0x60013028)"));
    }

    #[test]
    fn a_program_that_also_writes_or_reads_now_and_then_does_not() {
        let mut unmodelled = Unmodelled::default();
        for turn in 0..2 * WAITING {
            assert_eq!(unmodelled.note(ADDRESS, turn % 1000 == 0, Duration::ZERO), None);
        }
        for second in 0..2 * WAITING {
            assert_eq!(unmodelled.note(ADDRESS, false, Duration::from_secs(second.into())), None);
        }
    }
}
