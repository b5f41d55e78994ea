//! SYSTIMER: two 52-bit counters at 16 MHz and three comparators.

use super::device::{Context, Device, Registers, bits, duration, high, low, ticks};

const HERTZ: u64 = 16_000_000;
const VALUE: u64 = (1 << 52) - 1;

const CONF: u32 = 0x00;
const UNIT_OP: u32 = 0x04;
const UNIT_LOAD_HIGH: u32 = 0x0c;
const TARGET_HIGH: u32 = 0x1c;
const TARGET_CONF: u32 = 0x34;
const UNIT_VALUE_HIGH: u32 = 0x40;
const COMPARATOR_LOAD: u32 = 0x50;
const UNIT_LOAD: u32 = 0x5c;
const INT_ENA: u32 = 0x64;
const INT_RAW: u32 = 0x68;
const INT_CLR: u32 = 0x6c;
const INT_ST: u32 = 0x70;

const UPDATE: u32 = 1 << 30;
const VALUE_VALID: u32 = 1 << 29;
const PERIODIC: u32 = 1 << 30;
const UNIT1: u32 = 1 << 31;

/// A counter: its value at a time from which on it counts, or its value while it is stopped.
#[derive(Clone, Copy, Debug, Default)]
struct Unit {
    base: u64,
    since: u64,
    running: bool,
    latched: u64,
}

impl Unit {
    fn value(&self, now: u64) -> u64 {
        let counted = if self.running { ticks(now.saturating_sub(self.since), HERTZ) } else { 0 };
        self.base.wrapping_add(counted) & VALUE
    }

    fn set_running(&mut self, running: bool, now: u64) {
        if running != self.running {
            *self = Self { base: self.value(now), since: now, running, ..*self };
        }
    }

    /// When the counter reaches a value; `u64::MAX` when it is stopped.
    fn reaches(&self, value: u64) -> u64 {
        if !self.running {
            return u64::MAX;
        }
        self.since.saturating_add(duration(value.saturating_sub(self.base), HERTZ))
    }
}

#[derive(Debug)]
pub(super) struct Systimer {
    registers: Registers,
    units: [Unit; 2],
    /// The value at which each comparator fires next.
    next: [Option<u64>; 3],
}

impl Systimer {
    pub(super) fn new() -> Self {
        let mut registers = Registers::new(0x1000);
        registers.set(CONF, 0x4600_0000);
        let first = Unit { running: true, ..Unit::default() };
        Self { registers, units: [first, Unit::default()], next: [None; 3] }
    }

    /// The comparators whose interrupt is raised and enabled.
    pub(super) fn raised(&self) -> u32 {
        self.registers.get(INT_RAW) & self.registers.get(INT_ENA)
    }

    /// When the next comparator fires.
    pub(super) fn due(&self) -> u64 {
        (0..3).map(|index| self.comparator_due(index)).min().unwrap_or(u64::MAX)
    }

    /// Fires what is due.
    pub(super) fn advance(&mut self, now: u64) {
        for index in 0..3 {
            if now >= self.comparator_due(index) {
                self.registers.raise(INT_RAW, 1 << index);
                self.next[index] = self.following(index, now);
            }
        }
    }

    fn comparator_due(&self, index: usize) -> u64 {
        self.next[index].map_or(u64::MAX, |value| self.unit_of(index).reaches(value))
    }

    fn unit_of(&self, index: usize) -> &Unit {
        &self.units[usize::from(self.target_conf(index) & UNIT1 != 0)]
    }

    fn target_conf(&self, index: usize) -> u32 {
        self.registers.get(TARGET_CONF + 4 * offset(index))
    }

    fn enabled(&self, index: usize) -> bool {
        self.registers.any(CONF, 1 << (24 - index))
    }

    /// The period of a comparator that repeats.
    fn period(&self, index: usize) -> Option<u64> {
        let conf = self.target_conf(index);
        let period = bits(conf, 0, 26);
        (conf & PERIODIC != 0 && period > 0).then_some(u64::from(period))
    }

    /// The value after the one that was just reached; periods that the host missed are left out.
    fn following(&self, index: usize, now: u64) -> Option<u64> {
        let period = self.period(index)?;
        let reached = self.next[index]?;
        let behind = self.unit_of(index).value(now).saturating_sub(reached);
        Some(reached + (behind / period + 1) * period)
    }

    /// Sets when a comparator fires next, after its settings have changed.
    fn arm(&mut self, index: usize, now: u64) {
        let target = TARGET_HIGH + 8 * offset(index);
        self.next[index] = match self.period(index) {
            _ if !self.enabled(index) => None,
            Some(period) => Some(self.unit_of(index).value(now) + period),
            None if self.target_conf(index) & PERIODIC != 0 => None,
            None => Some(self.registers.pair(target, target + 4) & VALUE),
        };
    }

    fn set_conf(&mut self, value: u32, now: u64) {
        let before: Vec<bool> = (0..3).map(|index| self.enabled(index)).collect();
        self.registers.set(CONF, value);
        self.units[0].set_running(value >> 30 & 1 != 0, now);
        self.units[1].set_running(value >> 29 & 1 != 0, now);
        for (index, was) in before.into_iter().enumerate() {
            if was != self.enabled(index) {
                self.arm(index, now);
            }
        }
    }
}

/// An index as a register's offset.
fn offset(index: usize) -> u32 {
    u32::try_from(index).unwrap_or_default()
}

impl Device for Systimer {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= INT_ST || offset == 0xfc
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        let unit = usize::from(offset >= UNIT_VALUE_HIGH + 8);
        match offset {
            UNIT_OP | 0x08 => Some(self.registers.get(offset) | VALUE_VALID),
            UNIT_VALUE_HIGH | 0x48 => Some(high(self.units[unit].latched)),
            0x44 | 0x4c => Some(low(self.units[unit].latched)),
            INT_ST => Some(self.raised()),
            _ => None,
        }
    }

    fn write(&mut self, offset: u32, value: u32, context: &mut Context<'_>) -> Option<u32> {
        let now = context.now;
        match offset {
            CONF => self.set_conf(value, now),
            UNIT_OP | 0x08 if value & UPDATE != 0 => {
                let unit = &mut self.units[usize::from(offset != UNIT_OP)];
                unit.latched = unit.value(now);
            }
            TARGET_CONF..UNIT_VALUE_HIGH => {
                self.registers.set(offset, value);
                self.arm(((offset - TARGET_CONF) / 4) as usize, now);
            }
            COMPARATOR_LOAD..UNIT_LOAD => self.arm(((offset - COMPARATOR_LOAD) / 4) as usize, now),
            UNIT_LOAD | 0x60 => {
                let from = UNIT_LOAD_HIGH + 2 * (offset - UNIT_LOAD);
                let base = self.registers.pair(from, from + 4) & VALUE;
                let unit = &mut self.units[usize::from(offset != UNIT_LOAD)];
                *unit = Unit { base, since: now, ..*unit };
            }
            INT_CLR => self.registers.clear(INT_RAW, value),
            UNIT_VALUE_HIGH..COMPARATOR_LOAD | INT_RAW | INT_ST | UNIT_OP | 0x08 => {}
            _ => return Some(value),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::device::SECOND;
    use crate::chip::testing::Bench;

    fn count(bench: &mut Bench, timer: &mut Systimer) -> u64 {
        bench.write(timer, UNIT_OP, UPDATE);
        u64::from(bench.read(timer, UNIT_VALUE_HIGH)) << 32 | u64::from(bench.read(timer, 0x44))
    }

    #[test]
    fn unit_0_counts_16_million_in_a_second() {
        let (mut bench, mut timer) = (Bench::new(), Systimer::new());
        bench.now = 300 * SECOND;
        assert_eq!(count(&mut bench, &mut timer), 300 * HERTZ);
    }

    #[test]
    fn a_target_fires_once_and_is_cleared_by_the_program() {
        let (mut bench, mut timer) = (Bench::new(), Systimer::new());
        bench.write(&mut timer, INT_ENA, 1);
        bench.write(&mut timer, TARGET_HIGH + 4, 16_000);
        bench.write(&mut timer, COMPARATOR_LOAD, 1);
        bench.write(&mut timer, CONF, 3 << 30 | 1 << 24);
        assert_eq!(timer.due(), 1_000_000);
        timer.advance(999_999);
        assert_eq!(timer.raised(), 0);
        timer.advance(1_000_000);
        assert_eq!(timer.raised(), 1);
        assert_eq!(timer.due(), u64::MAX);
        bench.write(&mut timer, INT_CLR, 1);
        assert_eq!(timer.raised(), 0);
    }

    #[test]
    fn a_target_in_the_past_fires_at_once() {
        let (mut bench, mut timer) = (Bench::new(), Systimer::new());
        bench.now = SECOND;
        bench.write(&mut timer, INT_ENA, 4);
        bench.write(&mut timer, CONF, 3 << 30 | 1 << 22);
        bench.write(&mut timer, TARGET_HIGH + 20, 1);
        bench.write(&mut timer, COMPARATOR_LOAD + 8, 1);
        timer.advance(bench.now);
        assert_eq!(timer.raised(), 4);
    }

    #[test]
    fn a_period_repeats_without_drift_and_leaves_out_what_was_missed() {
        let (mut bench, mut timer) = (Bench::new(), Systimer::new());
        bench.write(&mut timer, CONF, 3 << 30 | 1 << 24);
        bench.write(&mut timer, TARGET_CONF, PERIODIC | 16);
        assert_eq!(timer.due(), 1000);
        timer.advance(1300);
        assert_eq!(timer.due(), 2000);
        timer.advance(5500);
        assert_eq!(timer.due(), 6000);
    }

    #[test]
    fn a_stopped_unit_keeps_its_value() {
        let (mut bench, mut timer) = (Bench::new(), Systimer::new());
        bench.now = SECOND;
        bench.write(&mut timer, CONF, 0);
        bench.now = 2 * SECOND;
        assert_eq!(count(&mut bench, &mut timer), HERTZ);
    }
}
