//! Small devices: SYSTEM with its software interrupts, eFuses, and random numbers.

use super::device::{Context, Device, Registers, low};
use super::reset_values;

const FROM_CPU: u32 = 0x28;

/// SYSTEM: clocks and resets, which only remember, and the interrupts that a program raises itself.
#[derive(Debug)]
pub(super) struct System {
    registers: Registers,
}

impl System {
    pub(super) fn new() -> Self {
        Self { registers: Registers::at_reset(0x1000, reset_values::SYSTEM) }
    }

    /// The software interrupts that are raised, a bit each.
    pub(super) fn raised(&self) -> u32 {
        (0..4).fold(0, |all, index| all | (self.registers.get(FROM_CPU + 4 * index) & 1) << index)
    }
}

impl Device for System {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= 0x98 || offset == 0xffc
    }

    fn read(&mut self, _: u32, _: &mut Context<'_>) -> Option<u32> {
        None
    }

    fn write(&mut self, _: u32, value: u32, _: &mut Context<'_>) -> Option<u32> {
        Some(value)
    }
}

const MAC_LOW: u32 = 0x44;
const MAC_HIGH: u32 = 0x48;
const REVISION: u32 = 0x50;
const COMMAND: u32 = 0x1d4;

/// The eFuses of a chip of revision 0.4 with a MAC address.
#[derive(Debug)]
pub(super) struct Efuse {
    registers: Registers,
}

impl Efuse {
    pub(super) fn new(mac: [u8; 6]) -> Self {
        let mut registers = Registers::at_reset(0x800, reset_values::EFUSE);
        let [a, b, c, d, e, f] = mac;
        registers.set(MAC_LOW, u32::from_be_bytes([c, d, e, f]));
        registers.set(MAC_HIGH, u32::from_be_bytes([0, 0, a, b]));
        registers.set(REVISION, 4 << 18);
        Self { registers }
    }
}

impl Device for Efuse {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= 0x1fc
    }

    fn read(&mut self, _: u32, _: &mut Context<'_>) -> Option<u32> {
        None
    }

    /// Nothing is burnt: a command ends at once, and what was read stays.
    fn write(&mut self, offset: u32, value: u32, _: &mut Context<'_>) -> Option<u32> {
        match offset {
            0x2c..=0x17c => None,
            COMMAND => Some(0),
            _ => Some(value),
        }
    }
}

const RANDOM: u32 = 0xb0;

/// APB_CTRL, which holds the random number generator.
#[derive(Debug)]
pub(super) struct Random {
    registers: Registers,
    state: u64,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { registers: Registers::at_reset(0x1000, reset_values::RANDOM), state: seed | 1 }
    }

    fn next(&mut self) -> u32 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        low(self.state >> 16)
    }
}

impl Device for Random {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= 0xd0 || offset == 0x3fc
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        (offset == RANDOM).then(|| self.next())
    }

    fn write(&mut self, _: u32, value: u32, _: &mut Context<'_>) -> Option<u32> {
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::testing::Bench;

    #[test]
    fn software_interrupts_are_single_bits() {
        let (mut bench, mut system) = (Bench::new(), System::new());
        bench.write(&mut system, FROM_CPU + 8, 1);
        assert_eq!(system.raised(), 4);
        bench.write(&mut system, FROM_CPU + 8, 0);
        assert_eq!(system.raised(), 0);
    }

    #[test]
    fn the_mac_address_is_in_the_efuses() {
        let (mut bench, mut efuse) = (Bench::new(), Efuse::new([0x02, 0xab, 0x11, 0x22, 0x33, 0x44]));
        bench.write(&mut efuse, MAC_LOW, 0);
        assert_eq!(bench.read(&mut efuse, MAC_LOW), 0x1122_3344);
        assert_eq!(bench.read(&mut efuse, MAC_HIGH), 0x02ab);
    }

    #[test]
    fn random_numbers_differ() {
        let (mut bench, mut random) = (Bench::new(), Random::new(0));
        assert_ne!(bench.read(&mut random, RANDOM), bench.read(&mut random, RANDOM));
    }
}
