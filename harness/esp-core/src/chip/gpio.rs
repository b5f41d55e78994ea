//! GPIO with its matrix, and the IO MUX: what pins drive, what they read, and their interrupts.

use super::device::{Context, Device, Registers, bits};
use super::events::Output;

/// How many pins there are.
pub(super) const PINS: u8 = 22;

const OUT: u32 = 0x04;
const OUT_SET: u32 = 0x08;
const OUT_CLEAR: u32 = 0x0c;
const ENABLE: u32 = 0x20;
const ENABLE_SET: u32 = 0x24;
const ENABLE_CLEAR: u32 = 0x28;
const STRAP: u32 = 0x38;
const IN: u32 = 0x3c;
const STATUS: u32 = 0x44;
const STATUS_SET: u32 = 0x48;
const STATUS_CLEAR: u32 = 0x4c;
const CPU_INT: u32 = 0x5c;
const CPU_NMI: u32 = 0x60;
const PIN: u32 = 0x74;
const OUT_SELECT: u32 = 0x554;
const OUT_SELECT_END: u32 = OUT_SELECT + 4 * 26;
/// Where the IO MUX is, seen from the GPIO's registers.
const MUX: u32 = 0x5000;
const MUX_PIN: u32 = MUX + 4;
const MUX_END: u32 = MUX_PIN + 4 * PINS as u32;

const OPEN_DRAIN: u32 = 1 << 2;
const SIMPLE_OUTPUT: u32 = 128;
const INVERT: u32 = 1 << 8;
const INVERT_ENABLE: u32 = 1 << 10;
const PULL_DOWN: u32 = 1 << 7;
const PULL_UP: u32 = 1 << 8;
const INPUT_ENABLE: u32 = 1 << 9;
/// A pin's register after a reset: function 0, and drive strength 2 (PAC esp32c3 0.33.0, `io_mux/gpio.rs`). The PAC says
/// 0x0b00 for every pin, with the input on and the pull-up too; here only the pins below have these.
const MUX_AT_RESET: u32 = 2 << 10;
/// Pins whose input is on after a reset, and those that are pulled up (ESP32-C3 data sheet, table "pin overview").
const INPUT_AT_RESET: u32 = 0x0013_f7fc;
const PULLED_UP_AT_RESET: u32 = 0x0033_f200;
/// Pins whose function 0 is GPIO, as function 1 is of all.
const GPIO_IS_FUNCTION_0: u32 = 0x000c_0f0f;

#[derive(Debug)]
pub(super) struct Gpio {
    registers: Registers,
    /// What is driven from outside.
    outside: [Option<bool>; PINS as usize],
    /// What the chip drives, as last output.
    driven: [Option<bool>; PINS as usize],
    /// What the input register reads, a bit each.
    levels: u32,
}

impl Gpio {
    /// Pins after a reset, with this strapping value.
    pub(super) fn new(strap: u32) -> Self {
        let mut registers = Registers::new(MUX + 0x1000);
        registers.set(STRAP, strap);
        registers.set(MUX, 0x7ff);
        for pin in 0..u32::from(PINS) {
            let input = if INPUT_AT_RESET >> pin & 1 == 0 { 0 } else { INPUT_ENABLE };
            let pull = if PULLED_UP_AT_RESET >> pin & 1 == 0 { 0 } else { PULL_UP };
            registers.set(MUX_PIN + 4 * pin, MUX_AT_RESET | input | pull);
            registers.set(OUT_SELECT + 4 * pin, SIMPLE_OUTPUT);
        }
        let mut gpio = Self { registers, outside: [None; PINS as usize], driven: [None; PINS as usize], levels: 0 };
        gpio.sense();
        gpio
    }

    /// A pin is driven from outside.
    pub(super) fn drive(&mut self, pin: u8, level: bool) {
        if let Some(outside) = self.outside.get_mut(usize::from(pin)) {
            *outside = Some(level);
            self.sense();
        }
    }

    /// No pin is driven any longer, as in a reset.
    pub(super) fn release(&mut self, outputs: &mut Vec<Output>) {
        self.registers.set(ENABLE, 0);
        self.changed(outputs);
    }

    /// The pins whose interrupt is raised and goes to the processor.
    pub(super) fn raised(&self) -> u32 {
        self.routed(1 << 13)
    }

    /// The same for the interrupt that can't be masked.
    pub(super) fn raised_nmi(&self) -> u32 {
        self.routed(1 << 14)
    }

    fn routed(&self, enable: u32) -> u32 {
        let status = self.registers.get(STATUS);
        let routed = |pin: &u32| status >> pin & 1 != 0 && self.registers.any(PIN + 4 * pin, enable);
        if status == 0 { 0 } else { (0..u32::from(PINS)).filter(routed).fold(0, |all, pin| all | 1 << pin) }
    }

    /// What the chip drives a pin to.
    fn driven(&self, pin: u32) -> Option<bool> {
        let select = self.registers.get(OUT_SELECT + 4 * pin);
        let is_gpio = match bits(self.registers.get(MUX_PIN + 4 * pin), 12, 3) {
            0 => GPIO_IS_FUNCTION_0 >> pin & 1 != 0,
            function => function == 1,
        };
        let enabled = self.registers.get(ENABLE) >> pin & 1 != u32::from(select & INVERT_ENABLE != 0);
        if !is_gpio || !enabled || bits(select, 0, 8) != SIMPLE_OUTPUT {
            return None;
        }
        let level = (self.registers.get(OUT) >> pin & 1 != 0) != (select & INVERT != 0);
        let floats = level && self.registers.any(PIN + 4 * pin, OPEN_DRAIN);
        (!floats).then_some(level)
    }

    /// What a pin reads.
    fn level(&self, pin: u32) -> bool {
        let mux = self.registers.get(MUX_PIN + 4 * pin);
        // A pin that nothing drives and nothing pulls reads as high.
        let pulled = mux & PULL_UP != 0 || mux & PULL_DOWN == 0;
        let index = pin as usize;
        mux & INPUT_ENABLE != 0 && self.driven[index].or(self.outside[index]).unwrap_or(pulled)
    }

    /// Outputs what has changed after a store, and senses the result.
    fn changed(&mut self, outputs: &mut Vec<Output>) {
        for gpio in 0..PINS {
            let level = self.driven(u32::from(gpio));
            let driven = &mut self.driven[usize::from(gpio)];
            if *driven != level {
                *driven = level;
                outputs.push(Output::Pin { gpio, level });
            }
        }
        self.sense();
    }

    /// Reads all pins and latches the interrupts that their levels or edges raise.
    fn sense(&mut self) {
        let before = self.levels;
        self.levels = (0..u32::from(PINS)).fold(0, |all, pin| all | u32::from(self.level(pin)) << pin);
        for pin in 0..u32::from(PINS) {
            let (was, is) = (before >> pin & 1 != 0, self.levels >> pin & 1 != 0);
            let hit = match bits(self.registers.get(PIN + 4 * pin), 7, 3) {
                1 => !was && is,
                2 => was && !is,
                3 => was != is,
                4 => !is,
                5 => is,
                _ => false,
            };
            if hit {
                self.registers.raise(STATUS, 1 << pin);
            }
        }
    }

    fn set_bits(&mut self, offset: u32, value: u32) -> bool {
        let set = matches!(offset, OUT_SET | ENABLE_SET | STATUS_SET);
        let clear = matches!(offset, OUT_CLEAR | ENABLE_CLEAR | STATUS_CLEAR);
        if set {
            self.registers.raise(offset - 4, value);
        } else if clear {
            self.registers.clear(offset - 8, value);
        }
        set || clear
    }
}

impl Device for Gpio {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        matches!(offset, 0..=0x64 | PIN..=0xd8 | 0x14c..=0x350 | OUT_SELECT..OUT_SELECT_END | 0x62c | 0x6fc)
            || matches!(offset, MUX..MUX_END)
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        match offset {
            IN => Some(self.levels),
            CPU_INT => Some(self.raised()),
            CPU_NMI => Some(self.raised_nmi()),
            _ => None,
        }
    }

    fn write(&mut self, offset: u32, value: u32, context: &mut Context<'_>) -> Option<u32> {
        if matches!(offset, STRAP | IN | CPU_INT | CPU_NMI) {
            return None;
        }
        if !self.set_bits(offset, value) {
            self.registers.set(offset, value);
        }
        if matches!(offset, OUT..=STATUS_CLEAR | PIN..=0xd8 | OUT_SELECT..OUT_SELECT_END | MUX..MUX_END) {
            self.changed(&mut context.effects.outputs);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::testing::Bench;

    fn pin(gpio: u8, level: Option<bool>) -> Output {
        Output::Pin { gpio, level }
    }

    #[test]
    fn a_pin_drives_only_while_it_is_enabled() {
        let (mut bench, mut gpio) = (Bench::new(), Gpio::new(0));
        bench.write(&mut gpio, OUT_SET, 1 << 3);
        assert!(bench.effects.outputs.is_empty());
        bench.write(&mut gpio, ENABLE_SET, 1 << 3);
        bench.write(&mut gpio, OUT_CLEAR, 1 << 3);
        bench.write(&mut gpio, ENABLE_CLEAR, 1 << 3);
        let expected = [pin(3, Some(true)), pin(3, Some(false)), pin(3, None)];
        assert_eq!(bench.effects.outputs, expected);
    }

    #[test]
    fn an_open_drain_output_floats_when_it_is_high() {
        let (mut bench, mut gpio) = (Bench::new(), Gpio::new(0));
        bench.write(&mut gpio, PIN + 4 * 3, OPEN_DRAIN);
        bench.write(&mut gpio, ENABLE, 1 << 3);
        bench.write(&mut gpio, OUT, 1 << 3);
        assert_eq!(bench.effects.outputs, [pin(3, Some(false)), pin(3, None)]);
    }

    #[test]
    fn pulls_decide_what_an_unconnected_input_reads() {
        let (mut bench, mut gpio) = (Bench::new(), Gpio::new(0));
        bench.write(&mut gpio, MUX_PIN, INPUT_ENABLE | PULL_DOWN | 1 << 12);
        bench.write(&mut gpio, MUX_PIN + 4, INPUT_ENABLE | PULL_UP | 1 << 12);
        assert_eq!(bench.read(&mut gpio, IN) & 3, 2);
        gpio.drive(0, true);
        gpio.drive(1, false);
        assert_eq!(bench.read(&mut gpio, IN) & 3, 1);
    }

    /// The pins whose interrupt a change of pin 9 from low to high and back raises, by the type of its interrupt.
    fn raised(kind: u32) -> (bool, bool) {
        let (mut bench, mut gpio) = (Bench::new(), Gpio::new(0));
        gpio.drive(9, false);
        bench.write(&mut gpio, MUX_PIN + 4 * 9, INPUT_ENABLE | 1 << 12);
        bench.write(&mut gpio, PIN + 4 * 9, kind << 7 | 1 << 13);
        bench.write(&mut gpio, STATUS_CLEAR, u32::MAX);
        let mut hit = |level| {
            gpio.drive(9, level);
            let hit = gpio.raised() == 1 << 9;
            bench.write(&mut gpio, STATUS_CLEAR, u32::MAX);
            hit
        };
        (hit(true), hit(false))
    }

    #[test]
    fn interrupts_follow_edges() {
        assert_eq!(raised(0), (false, false));
        assert_eq!(raised(1), (true, false));
        assert_eq!(raised(2), (false, true));
        assert_eq!(raised(3), (true, true));
    }

    #[test]
    fn a_level_interrupt_stays_while_the_level_does() {
        let (mut bench, mut gpio) = (Bench::new(), Gpio::new(0));
        gpio.drive(9, false);
        bench.write(&mut gpio, MUX_PIN + 4 * 9, INPUT_ENABLE | 1 << 12);
        bench.write(&mut gpio, PIN + 4 * 9, 4 << 7 | 1 << 13);
        bench.write(&mut gpio, STATUS_CLEAR, u32::MAX);
        assert_eq!(gpio.raised(), 1 << 9);
        gpio.drive(9, true);
        bench.write(&mut gpio, STATUS_CLEAR, u32::MAX);
        assert_eq!(gpio.raised(), 0);
    }
}
