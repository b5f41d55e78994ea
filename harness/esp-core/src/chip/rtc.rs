//! RTC_CNTL: the reset cause, the slow clock's time, the RTC watchdog and the super watchdog, software resets, sleep.

use super::device::{Context, Device, Effects, Registers, SECOND, bits, duration, high, low, ticks};
use super::events::ResetCause;
use super::reset_values;
use super::timer_group::SLOW_CLOCK;
use super::watchdog::{Action, Plan, Watchdog};

const OPTIONS: u32 = 0x00;
const TIME_UPDATE: u32 = 0x0c;
const TIME_LOW: u32 = 0x10;
const TIME_HIGH: u32 = 0x14;
const STATE: u32 = 0x18;
const RESET_STATE: u32 = 0x38;
const INT_ENA: u32 = 0x40;
const INT_RAW: u32 = 0x44;
const INT_ST: u32 = 0x48;
const INT_CLR: u32 = 0x4c;
const DIGITAL_POWER: u32 = 0x88;
const WATCHDOG_CONFIG: u32 = 0x90;
const WATCHDOG_TIME: u32 = 0x94;
const WATCHDOG_FEED: u32 = 0xa4;
const WATCHDOG_PROTECT: u32 = 0xa8;
const SUPER_CONFIG: u32 = 0xac;
const SUPER_PROTECT: u32 = 0xb0;
const INT_ENA_SET: u32 = 0x100;
const INT_ENA_CLEAR: u32 = 0x104;
const LAST: u32 = 0x124;
/// What programs keep here stays as long as RTC memory does.
const STORE: [u32; 8] = [0x50, 0x54, 0x58, 0x5c, 0xb8, 0xbc, 0xc0, 0xc4];

const ENABLED: u32 = 1 << 31;
const RESET_SYSTEM: u32 = 1 << 31;
const RESET_CPU: u32 = 1 << 5;
const SLEEP: u32 = 1 << 31;
const DEEP: u32 = 1 << 31;
const UPDATE: u32 = 1 << 31;
const WATCHDOG_INTERRUPT: u32 = 1 << 3;
const SUPER_INTERRUPT: u32 = 1 << 15;
const SUPER_AUTO_FEED: u32 = 1 << 31;
const SUPER_DISABLED: u32 = 1 << 30;
const SUPER_FEED: u32 = 1 << 29;
const UNLOCK: u32 = 0x50d8_3aa1;
const SUPER_UNLOCK: u32 = 0x8f1d_312a;
/// How long the super watchdog waits.
const SUPER_TIME: u64 = SECOND;
/// The time that the boot loader gives the app before the RTC watchdog resets the chip, unless the app stops it.
const BOOT_TICKS: u32 = 9 * 136_000;
/// A stage's time is counted in twice the slow clock's period at the eFuse setting that chips leave the factory with.
const FIRST_STAGE_FACTOR: u64 = 2;

/// What of the RTC stays when the chip resets itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    store: [u32; 8],
    /// Nanoseconds since the supply came.
    time: u64,
}

#[derive(Debug)]
pub(super) struct Rtc {
    registers: Registers,
    started: u64,
    watchdog: Watchdog,
    super_fed: u64,
}

impl Rtc {
    /// As the boot loader leaves it.
    pub(super) fn new(cause: ResetCause, kept: &Kept) -> Self {
        let mut registers = Registers::at_reset(0x800, reset_values::RTC);
        registers.set(RESET_STATE, 0x3000 | u32::from(cause.number()));
        registers.set(WATCHDOG_CONFIG, ENABLED | 4 << 28 | 0x0001_2214);
        registers.set(WATCHDOG_TIME, BOOT_TICKS / 2);
        registers.set(SUPER_CONFIG, SUPER_AUTO_FEED | 300 << 18);
        for (offset, value) in STORE.iter().zip(kept.store) {
            registers.set(*offset, value);
        }
        // The boot loader says here that the crystal has 40 MHz.
        registers.set(STORE[4], 40 << 16 | 40);
        Self { registers, started: kept.time, watchdog: Watchdog::default(), super_fed: 0 }
    }

    pub(super) fn kept(&self, now: u64) -> Kept {
        Kept { store: STORE.map(|offset| self.registers.get(offset)), time: self.started + now }
    }

    /// Whether an interrupt is raised and enabled.
    pub(super) fn raised(&self) -> bool {
        self.registers.get(INT_RAW) & self.registers.get(INT_ENA) != 0
    }

    /// When something happens next.
    pub(super) fn due(&self) -> u64 {
        self.watchdog.due(&self.plan()).min(self.super_due())
    }

    /// Lets what is due happen.
    pub(super) fn advance(&mut self, now: u64, effects: &mut Effects) {
        match self.watchdog.expired(&self.plan(), now) {
            Some(Action::Interrupt) => self.registers.raise(INT_RAW, WATCHDOG_INTERRUPT),
            Some(Action::ResetCpu) => effects.reset(ResetCause::RtcWatchdogCpu),
            Some(Action::ResetSystem) => effects.reset(ResetCause::RtcWatchdogSystem),
            Some(Action::ResetRtc) => effects.reset(ResetCause::RtcWatchdogRtc),
            Some(Action::Off) | None => {}
        }
        if now >= self.super_due() {
            self.registers.raise(INT_RAW, SUPER_INTERRUPT);
            self.super_fed = now;
            effects.reset(ResetCause::SuperWatchdog);
        }
    }

    fn super_due(&self) -> u64 {
        let off = self.registers.any(SUPER_CONFIG, SUPER_AUTO_FEED | SUPER_DISABLED);
        if off { u64::MAX } else { self.super_fed.saturating_add(SUPER_TIME) }
    }

    fn plan(&self) -> Plan {
        let config = self.registers.get(WATCHDOG_CONFIG);
        let action = |stage: u32| Action::from_number(bits(config, 28 - 3 * stage, 3));
        let time = |stage: u32| {
            let factor = if stage == 0 { FIRST_STAGE_FACTOR } else { 1 };
            duration(u64::from(self.registers.get(WATCHDOG_TIME + 4 * stage)) * factor, SLOW_CLOCK)
        };
        Plan {
            enabled: config & ENABLED != 0,
            actions: [action(0), action(1), action(2), action(3)],
            times: [time(0), time(1), time(2), time(3)],
        }
    }

    fn write_watchdog(&mut self, offset: u32, value: u32, now: u64) {
        if self.registers.get(WATCHDOG_PROTECT) != UNLOCK {
            return;
        }
        let was = self.registers.any(WATCHDOG_CONFIG, ENABLED);
        if offset != WATCHDOG_FEED {
            self.registers.set(offset, value);
        }
        let fed = offset == WATCHDOG_FEED && value & ENABLED != 0;
        if fed || was != self.registers.any(WATCHDOG_CONFIG, ENABLED) {
            self.watchdog.feed(now);
        }
    }

    fn write_super(&mut self, value: u32, now: u64) {
        if self.registers.get(SUPER_PROTECT) != SUPER_UNLOCK {
            return;
        }
        let running = self.super_due() != u64::MAX;
        self.registers.set(SUPER_CONFIG, value & !SUPER_FEED);
        if value & SUPER_FEED != 0 || !running {
            self.super_fed = now;
        }
    }

    /// A store to one of the two registers that reset the chip or let it sleep.
    fn write_state(&mut self, offset: u32, value: u32, effects: &mut Effects) {
        if offset == OPTIONS {
            if value & RESET_SYSTEM != 0 {
                effects.reset(ResetCause::SoftwareSystem);
            } else if value & RESET_CPU != 0 {
                effects.reset(ResetCause::SoftwareCpu);
            }
        } else if value & SLEEP != 0 {
            let deep = self.registers.any(DIGITAL_POWER, DEEP);
            let what = if deep { "deep sleep" } else { "light sleep" };
            effects.refuse(what, "let the program wait with the processor idle, or run it on a real board");
        }
    }
}

impl Device for Rtc {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= LAST || offset == 0x1fc
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        (offset == INT_ST).then(|| self.registers.get(INT_RAW) & self.registers.get(INT_ENA))
    }

    fn write(&mut self, offset: u32, value: u32, context: &mut Context<'_>) -> Option<u32> {
        let now = context.now;
        match offset {
            OPTIONS | STATE => {
                self.write_state(offset, value, context.effects);
                return Some(value & !(RESET_SYSTEM | RESET_CPU));
            }
            TIME_UPDATE if value & UPDATE != 0 => {
                let time = ticks(self.started + now, SLOW_CLOCK);
                self.registers.set(TIME_LOW, low(time));
                self.registers.set(TIME_HIGH, high(time));
            }
            // The cause stays; its flags are cleared by bits that clear themselves.
            RESET_STATE => return Some(value & !0xfff | self.registers.get(RESET_STATE) & 0xfff),
            WATCHDOG_CONFIG..=WATCHDOG_FEED => self.write_watchdog(offset, value, now),
            SUPER_CONFIG => self.write_super(value, now),
            INT_CLR => self.registers.clear(INT_RAW, value),
            INT_ENA_SET => self.registers.raise(INT_ENA, value),
            INT_ENA_CLEAR => self.registers.clear(INT_ENA, value),
            INT_RAW | INT_ST | TIME_LOW | TIME_HIGH => {}
            _ => return Some(value),
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::device::Halt;
    use crate::chip::testing::Bench;

    fn new() -> Rtc {
        Rtc::new(ResetCause::PowerOn, &Kept::default())
    }

    /// What the chip does when nothing is written until this time.
    fn halt_at(rtc: &mut Rtc, now: u64) -> Option<Halt> {
        let mut effects = Effects::default();
        rtc.advance(now, &mut effects);
        effects.halt
    }

    #[test]
    fn the_boot_loaders_watchdog_bites_after_nine_seconds() {
        let mut rtc = new();
        assert_eq!(halt_at(&mut rtc, 8_999_000_000), None);
        assert_eq!(halt_at(&mut rtc, 9 * SECOND), Some(Halt::Reset(ResetCause::RtcWatchdogRtc)));
    }

    #[test]
    fn the_program_stops_it() {
        let (mut bench, mut rtc) = (Bench::new(), new());
        bench.write(&mut rtc, WATCHDOG_PROTECT, UNLOCK);
        bench.write(&mut rtc, WATCHDOG_CONFIG, 0);
        assert_eq!(rtc.due(), u64::MAX);
    }

    #[test]
    fn the_super_watchdog_bites_when_it_is_on_and_not_fed() {
        let (mut bench, mut rtc) = (Bench::new(), new());
        bench.write(&mut rtc, SUPER_PROTECT, SUPER_UNLOCK);
        bench.write(&mut rtc, SUPER_CONFIG, 0);
        bench.now = SECOND / 2;
        bench.write(&mut rtc, SUPER_CONFIG, SUPER_FEED);
        assert_eq!(halt_at(&mut rtc, SECOND), None);
        assert_eq!(halt_at(&mut rtc, SECOND * 3 / 2), Some(Halt::Reset(ResetCause::SuperWatchdog)));
    }

    #[test]
    fn software_resets_have_their_cause() {
        for (bit, cause) in [(RESET_SYSTEM, ResetCause::SoftwareSystem), (RESET_CPU, ResetCause::SoftwareCpu)] {
            let (mut bench, mut rtc) = (Bench::new(), new());
            bench.write(&mut rtc, OPTIONS, bit);
            assert_eq!(bench.effects.halt, Some(Halt::Reset(cause)));
        }
    }

    #[test]
    fn sleep_is_refused_by_its_name() {
        for (power, name) in [(0, "light sleep"), (DEEP, "deep sleep")] {
            let (mut bench, mut rtc) = (Bench::new(), new());
            bench.write(&mut rtc, DIGITAL_POWER, power);
            bench.write(&mut rtc, STATE, SLEEP);
            let Some(Halt::Refused(unsupported)) = bench.effects.halt else { panic!("the chip sleeps") };
            assert_eq!(unsupported.what, name);
        }
    }

    #[test]
    fn time_and_stores_survive_a_reset() {
        let (mut bench, mut rtc) = (Bench::new(), new());
        bench.write(&mut rtc, STORE[5], 77);
        let mut rtc = Rtc::new(ResetCause::SoftwareSystem, &rtc.kept(2 * SECOND));
        assert_eq!(bench.read(&mut rtc, STORE[5]), 77);
        bench.now = SECOND;
        bench.write(&mut rtc, TIME_UPDATE, UPDATE);
        assert_eq!(u64::from(bench.read(&mut rtc, TIME_LOW)), 3 * SLOW_CLOCK);
        assert_eq!(bench.read(&mut rtc, RESET_STATE) & 63, 3);
    }
}
