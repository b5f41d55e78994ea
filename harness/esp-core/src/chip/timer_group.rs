//! TIMG0 and TIMG1: a general-purpose timer, a watchdog, and the calibration of slow clocks.

use super::device::{Context, Device, Effects, Registers, bits, duration, high, low, ticks};
use super::events::ResetCause;
use super::reset_values;
use super::watchdog::{Action, Plan, Watchdog};

const CONFIG: u32 = 0x00;
const VALUE_LOW: u32 = 0x04;
const VALUE_HIGH: u32 = 0x08;
const UPDATE: u32 = 0x0c;
const ALARM_LOW: u32 = 0x10;
const ALARM_HIGH: u32 = 0x14;
const LOAD_LOW: u32 = 0x18;
const LOAD_HIGH: u32 = 0x1c;
const LOAD: u32 = 0x20;
const WATCHDOG_CONFIG: u32 = 0x48;
const WATCHDOG_PRESCALE: u32 = 0x4c;
const WATCHDOG_TIME: u32 = 0x50;
const WATCHDOG_FEED: u32 = 0x60;
const WATCHDOG_PROTECT: u32 = 0x64;
const CALIBRATION: u32 = 0x68;
const CALIBRATED: u32 = 0x6c;
const INT_ENA: u32 = 0x70;
const INT_RAW: u32 = 0x74;
const INT_ST: u32 = 0x78;
const INT_CLR: u32 = 0x7c;

const ENABLED: u32 = 1 << 31;
const UPWARDS: u32 = 1 << 30;
const RELOAD: u32 = 1 << 29;
const ALARM: u32 = 1 << 10;
const USE_CRYSTAL: u32 = 1 << 9;
const READY: u32 = 1 << 15;

const CRYSTAL: u64 = 40_000_000;
const APB: u64 = 80_000_000;
pub(super) const SLOW_CLOCK: u64 = 136_000;
/// The clocks that are compared with the crystal: the slow clock, the fast one divided by 256, an external crystal.
const CALIBRATED_CLOCKS: [u64; 4] = [SLOW_CLOCK, 17_500_000 / 256, 32_768, SLOW_CLOCK];
const UNLOCK: u32 = 0x50d8_3aa1;
const VALUE: u64 = (1 << 54) - 1;

#[derive(Debug)]
pub(super) struct TimerGroup {
    registers: Registers,
    /// 0 or 1.
    number: u8,
    base: u64,
    since: u64,
    latched: u64,
    watchdog: Watchdog,
}

impl TimerGroup {
    pub(super) fn new(number: u8) -> Self {
        let mut registers = Registers::at_reset(0x1000, reset_values::TIMER_GROUP);
        registers.set(CONFIG, UPWARDS | RELOAD | 1 << 13);
        // The boot loader has turned the watchdog of the boot from flash (bit 14) off.
        registers.set(WATCHDOG_CONFIG, 0x0004_8000);
        registers.set(WATCHDOG_PROTECT, UNLOCK);
        Self { registers, number, base: 0, since: 0, latched: 0, watchdog: Watchdog::default() }
    }

    /// Interrupts that are raised and enabled: bit 0 the timer, bit 1 the watchdog.
    pub(super) fn raised(&self) -> u32 {
        self.registers.get(INT_RAW) & self.registers.get(INT_ENA)
    }

    /// When something happens next.
    pub(super) fn due(&self) -> u64 {
        self.alarm_due().min(self.watchdog.due(&self.plan()))
    }

    /// Lets what is due happen.
    pub(super) fn advance(&mut self, now: u64, effects: &mut Effects) {
        if now >= self.alarm_due() {
            self.registers.raise(INT_RAW, 1);
            // The alarm disarms itself.
            self.registers.clear(CONFIG, ALARM);
            if self.registers.any(CONFIG, RELOAD) {
                self.restart(self.registers.pair(LOAD_HIGH, LOAD_LOW), now);
            }
        }
        match self.watchdog.expired(&self.plan(), now) {
            Some(Action::Interrupt) => self.registers.raise(INT_RAW, 2),
            Some(Action::ResetCpu) if self.number == 0 => effects.reset(ResetCause::TimerGroup0Cpu),
            Some(Action::ResetCpu) => effects.reset(ResetCause::TimerGroup1Cpu),
            Some(Action::ResetSystem) if self.number == 0 => effects.reset(ResetCause::TimerGroup0System),
            Some(Action::ResetSystem) => effects.reset(ResetCause::TimerGroup1System),
            _ => {}
        }
    }

    fn restart(&mut self, value: u64, now: u64) {
        self.base = value & VALUE;
        self.since = now;
    }

    fn hertz(&self) -> u64 {
        let config = self.registers.get(CONFIG);
        let divider = match bits(config, 13, 16) {
            0 => 0x1_0000,
            1 => 2,
            other => u64::from(other),
        };
        let clock = if config & USE_CRYSTAL == 0 { APB } else { CRYSTAL };
        clock / divider
    }

    fn count(&self, now: u64) -> u64 {
        let counted = match self.registers.get(CONFIG) {
            config if config & ENABLED == 0 => 0,
            _ => ticks(now.saturating_sub(self.since), self.hertz()),
        };
        let upwards = self.registers.any(CONFIG, UPWARDS);
        let value = if upwards { self.base.wrapping_add(counted) } else { self.base.wrapping_sub(counted) };
        value & VALUE
    }

    fn alarm_due(&self) -> u64 {
        let config = self.registers.get(CONFIG);
        if config & (ENABLED | ALARM) != ENABLED | ALARM {
            return u64::MAX;
        }
        let alarm = self.registers.pair(ALARM_HIGH, ALARM_LOW) & VALUE;
        let upwards = config & UPWARDS != 0;
        let left = if upwards { alarm.saturating_sub(self.base) } else { self.base.saturating_sub(alarm) };
        self.since.saturating_add(duration(left, self.hertz()))
    }

    fn plan(&self) -> Plan {
        let config = self.registers.get(WATCHDOG_CONFIG);
        let clock = if config & 1 << 21 == 0 { APB } else { CRYSTAL };
        let prescale = u64::from(bits(self.registers.get(WATCHDOG_PRESCALE), 16, 16).max(1));
        let time = |stage: u32| {
            let ticks = u64::from(self.registers.get(WATCHDOG_TIME + 4 * stage));
            duration(ticks.saturating_mul(prescale), clock)
        };
        let action = |stage: u32| Action::from_number(bits(config, 29 - 2 * stage, 2));
        Plan {
            enabled: config & ENABLED != 0,
            actions: [action(0), action(1), action(2), action(3)],
            times: [time(0), time(1), time(2), time(3)],
        }
    }

    /// A store to the watchdog's registers, which are locked unless their key was written.
    fn write_watchdog(&mut self, offset: u32, value: u32, now: u64) {
        if self.registers.get(WATCHDOG_PROTECT) != UNLOCK {
            return;
        }
        let was = self.registers.any(WATCHDOG_CONFIG, ENABLED);
        if offset != WATCHDOG_FEED {
            // Bit 22 takes the settings over, and clears itself.
            let kept = if offset == WATCHDOG_CONFIG { value & !(1 << 22) } else { value };
            self.registers.set(offset, kept);
        }
        if offset == WATCHDOG_FEED || was != self.registers.any(WATCHDOG_CONFIG, ENABLED) {
            self.watchdog.feed(now);
        }
    }
}

impl Device for TimerGroup {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        matches!(offset, CONFIG..=LOAD | WATCHDOG_CONFIG..=0x80 | 0xf8 | 0xfc)
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        Some(match offset {
            VALUE_LOW => low(self.latched),
            VALUE_HIGH => high(self.latched),
            UPDATE => 0,
            CALIBRATION => self.registers.get(CALIBRATION) | READY,
            CALIBRATED => {
                // Cycles of the crystal in so many cycles of the clock that is selected.
                let config = self.registers.get(CALIBRATION);
                let cycles = u64::from(bits(config, 16, 15));
                low(cycles * CRYSTAL / CALIBRATED_CLOCKS[bits(config, 13, 2) as usize]) << 7 | 1
            }
            INT_ST => self.raised(),
            _ => return None,
        })
    }

    fn write(&mut self, offset: u32, value: u32, context: &mut Context<'_>) -> Option<u32> {
        let now = context.now;
        match offset {
            CONFIG => {
                self.restart(self.count(now), now);
                return Some(value & !(1 << 12));
            }
            UPDATE => self.latched = self.count(now),
            LOAD => self.restart(self.registers.pair(LOAD_HIGH, LOAD_LOW), now),
            WATCHDOG_CONFIG..=WATCHDOG_FEED => self.write_watchdog(offset, value, now),
            INT_CLR => self.registers.clear(INT_RAW, value),
            VALUE_LOW | VALUE_HIGH | CALIBRATED | INT_RAW | INT_ST => {}
            _ => return Some(value),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::device::{Halt, SECOND};
    use crate::chip::testing::Bench;

    #[test]
    fn the_timer_counts_by_its_divider() {
        let (mut bench, mut group) = (Bench::new(), TimerGroup::new(0));
        bench.write(&mut group, CONFIG, ENABLED | UPWARDS | 80 << 13);
        bench.now = SECOND;
        bench.write(&mut group, UPDATE, 1);
        assert_eq!(bench.read(&mut group, VALUE_LOW), 1_000_000);
    }

    #[test]
    fn an_alarm_reloads_and_disarms_itself() {
        let (mut bench, mut group) = (Bench::new(), TimerGroup::new(0));
        bench.write(&mut group, INT_ENA, 1);
        bench.write(&mut group, ALARM_LOW, 1000);
        bench.write(&mut group, CONFIG, ENABLED | UPWARDS | RELOAD | ALARM | 80 << 13);
        assert_eq!(group.due(), 1_000_000);
        group.advance(1_000_000, &mut bench.effects);
        assert_eq!((group.raised(), group.due()), (1, u64::MAX));
        assert_eq!(group.count(1_001_000), 1);
        bench.write(&mut group, INT_CLR, 1);
        assert_eq!(group.raised(), 0);
    }

    /// A watchdog that resets the chip after a millisecond.
    fn armed(bench: &mut Bench, number: u8) -> TimerGroup {
        let mut group = TimerGroup::new(number);
        bench.write(&mut group, WATCHDOG_PROTECT, UNLOCK);
        bench.write(&mut group, WATCHDOG_PRESCALE, 80 << 16);
        bench.write(&mut group, WATCHDOG_TIME, 1000);
        bench.write(&mut group, WATCHDOG_CONFIG, ENABLED | 3 << 29);
        bench.write(&mut group, WATCHDOG_PROTECT, 0);
        group
    }

    #[test]
    fn each_group_has_its_own_reset_cause() {
        for (number, cause) in [(0, ResetCause::TimerGroup0System), (1, ResetCause::TimerGroup1System)] {
            let mut bench = Bench::new();
            let mut group = armed(&mut bench, number);
            assert_eq!(group.due(), 1_000_000);
            group.advance(1_000_000, &mut bench.effects);
            assert_eq!(bench.effects.halt, Some(Halt::Reset(cause)));
        }
    }

    #[test]
    fn only_an_unlocked_watchdog_can_be_fed() {
        let mut bench = Bench::new();
        let mut group = armed(&mut bench, 0);
        bench.now = 500_000;
        bench.write(&mut group, WATCHDOG_FEED, 1);
        assert_eq!(group.due(), 1_000_000);
        bench.write(&mut group, WATCHDOG_PROTECT, UNLOCK);
        bench.write(&mut group, WATCHDOG_FEED, 1);
        assert_eq!(group.due(), 1_500_000);
    }
}
