//! The interrupt matrix: from the devices' interrupt sources to the processor's lines.

use super::device::{Context, Device, Registers, high, low};

const STATUS_LOW: u32 = 0xf8;
const STATUS_HIGH: u32 = 0xfc;
const ENABLE: u32 = 0x104;
const EDGE: u32 = 0x108;
const CLEAR: u32 = 0x10c;
const PENDING: u32 = 0x110;
const PRIORITY: u32 = 0x114;
const THRESHOLD: u32 = 0x194;

/// Numbers of interrupt sources.
pub(super) mod source {
    pub(crate) const GPIO: u32 = 16;
    pub(crate) const GPIO_NMI: u32 = 17;
    pub(crate) const UART0: u32 = 21;
    pub(crate) const UART1: u32 = 22;
    pub(crate) const USB: u32 = 26;
    pub(crate) const RTC: u32 = 27;
    pub(crate) const TIMER_GROUP0: u32 = 32;
    pub(crate) const WATCHDOG0: u32 = 33;
    pub(crate) const TIMER_GROUP1: u32 = 34;
    pub(crate) const WATCHDOG1: u32 = 35;
    pub(crate) const SYSTIMER: u32 = 37;
    pub(crate) const ADC: u32 = 43;
    pub(crate) const FROM_CPU: u32 = 50;
}

#[derive(Debug)]
pub(super) struct Interrupts {
    registers: Registers,
    /// The sources that are raised.
    sources: u64,
    /// The lines that sources raise now.
    lines: u32,
    /// Edges that have not been cleared.
    latched: u32,
    pending: u32,
}

impl Interrupts {
    pub(super) fn new() -> Self {
        Self { registers: Registers::at_reset(0x1000, &[(0x100, 1)]), sources: 0, lines: 0, latched: 0, pending: 0 }
    }

    /// These sources are raised now.
    pub(super) fn update(&mut self, sources: u64) {
        if sources != self.sources {
            self.sources = sources;
            self.route();
        }
    }

    /// The lines that the processor is asked to serve.
    pub(super) fn pending(&self) -> u32 {
        self.pending
    }

    /// The line with the highest priority; among equals, the one with the lowest number.
    pub(super) fn first(&self, pending: u32) -> u32 {
        let lines = (1..32).filter(|line| pending >> line & 1 != 0);
        lines.min_by_key(|line| 15 - self.priority(*line)).unwrap_or_default()
    }

    fn priority(&self, line: u32) -> u32 {
        self.registers.get(PRIORITY + 4 * line) & 15
    }

    fn route(&mut self) {
        let before = self.lines;
        let mut left = self.sources;
        self.lines = 0;
        while left != 0 {
            let source = left.trailing_zeros();
            left &= left - 1;
            self.lines |= 1 << (self.registers.get(4 * source) & 31);
        }
        // Line 0 has no effect: sources that a program has not routed go there.
        self.lines &= !1;
        self.latched |= self.lines & !before;
        self.choose();
    }

    /// The lines that are raised, by level or by edge.
    fn raised(&self) -> u32 {
        let edge = self.registers.get(EDGE);
        self.lines & !edge | self.latched & edge
    }

    fn choose(&mut self) {
        let threshold = self.registers.get(THRESHOLD) & 15;
        let mut left = self.raised() & self.registers.get(ENABLE);
        self.pending = 0;
        while left != 0 {
            let line = left.trailing_zeros();
            left &= left - 1;
            let priority = self.priority(line);
            if priority > 0 && priority >= threshold {
                self.pending |= 1 << line;
            }
        }
    }
}

impl Device for Interrupts {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= THRESHOLD || offset == 0x7fc
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        match offset {
            STATUS_LOW => Some(low(self.sources)),
            STATUS_HIGH => Some(high(self.sources)),
            PENDING => Some(self.raised()),
            _ => None,
        }
    }

    fn write(&mut self, offset: u32, value: u32, _: &mut Context<'_>) -> Option<u32> {
        match offset {
            STATUS_LOW | STATUS_HIGH | PENDING => return None,
            CLEAR => self.latched &= !value,
            _ => {}
        }
        self.registers.set(offset, value);
        self.route();
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::testing::Bench;

    /// Source 16 goes to line 3, source 21 to line 4, both enabled with these priorities.
    fn routed(bench: &mut Bench, priorities: [u32; 2]) -> Interrupts {
        let mut interrupts = Interrupts::new();
        for (source, line, priority) in [(16, 3, priorities[0]), (21, 4, priorities[1])] {
            bench.write(&mut interrupts, 4 * source, line);
            bench.write(&mut interrupts, PRIORITY + 4 * line, priority);
        }
        bench.write(&mut interrupts, ENABLE, 1 << 3 | 1 << 4);
        bench.write(&mut interrupts, THRESHOLD, 1);
        interrupts
    }

    #[test]
    fn the_higher_priority_is_first() {
        let mut bench = Bench::new();
        let mut interrupts = routed(&mut bench, [1, 2]);
        interrupts.update(1 << 16 | 1 << 21);
        assert_eq!(interrupts.pending(), 1 << 3 | 1 << 4);
        assert_eq!(interrupts.first(interrupts.pending()), 4);
    }

    #[test]
    fn the_threshold_masks() {
        let mut bench = Bench::new();
        let mut interrupts = routed(&mut bench, [1, 2]);
        bench.write(&mut interrupts, THRESHOLD, 2);
        interrupts.update(1 << 16 | 1 << 21);
        assert_eq!(interrupts.pending(), 1 << 4);
    }

    #[test]
    fn sources_show_in_the_status() {
        let mut bench = Bench::new();
        let mut interrupts = routed(&mut bench, [1, 1]);
        interrupts.update(1 << 50 | 1 << 16);
        assert_eq!(bench.read(&mut interrupts, STATUS_LOW), 1 << 16);
        assert_eq!(bench.read(&mut interrupts, STATUS_HIGH), 1 << 18);
    }

    #[test]
    fn an_edge_stays_until_it_is_cleared() {
        let mut bench = Bench::new();
        let mut interrupts = routed(&mut bench, [1, 1]);
        bench.write(&mut interrupts, EDGE, 1 << 3);
        interrupts.update(1 << 16);
        interrupts.update(0);
        assert_eq!(interrupts.pending(), 1 << 3);
        bench.write(&mut interrupts, CLEAR, 1 << 3);
        assert_eq!(interrupts.pending(), 0);
    }
}
