//! All devices and memory of the chip, as the processor's bus.

use std::io;
use std::time::Instant;

use super::adc::Adc;
use super::cache::Cache;
use super::device::{Context, Device, Effects, Registers, low, ticks};
use super::events::{Output, ResetCause};
use super::flash::{Flash, FlashChip, Work};
use super::flash_controller::FlashController;
use super::gpio::Gpio;
use super::interrupts::{Interrupts, source};
use super::rtc::{Kept, Rtc};
use super::system::{Efuse, Random, System};
use super::systimer::Systimer;
use super::timer_group::TimerGroup;
use super::uart::Uart;
use super::unmodelled::{self, Unmodelled};
use super::usb::Usb;
use crate::Elf;
use crate::bus::{Bus, Fault, Width};
use crate::memory::{Access, BadMapping, Bank, Memory};

const SRAM_LEN: u32 = 0x6_4000;
const SRAM_CODE: u32 = 0x4037_c000;
/// The first 16 KiB are the cache's, and only at the address for code.
const SRAM_DATA: u32 = 0x3fc8_0000;
const SRAM_DATA_FROM: u32 = 0x4000;
const RTC_MEMORY: u32 = 0x5000_0000;
pub(super) const RTC_MEMORY_LEN: u32 = 0x2000;
/// Memory that the chip doesn't have: for what the machine hands to the program.
pub(super) const GIVEN: u32 = 0x3d80_0000;
pub(super) const GIVEN_LEN: u32 = 0x2_0000;
const REGISTERS: u32 = 0x6000_0000;
const REGISTERS_LEN: u32 = 0xd_1000;
const ROM_CODE: std::ops::Range<u32> = 0x4000_0000..0x4006_0000;
const ROM_DATA: std::ops::Range<u32> = 0x3ff0_0000..0x3ff2_0000;
/// What the ROM's functions keep in RAM, above the stack of its boot.
const ROM_VARIABLES: std::ops::Range<u32> = 0x3fcd_e710..0x3fce_0000;
const ROM_CHIP_ID: u32 = 0x4000_0010;
const ROM_VERSION: u32 = 0x4000_0014;
const CPU_HERTZ: u64 = 160_000_000;

/// What a chip is made with.
pub(super) struct Build<'a> {
    pub(super) flash: Box<dyn Flash + Send>,
    pub(super) mac: [u8; 6],
    pub(super) cause: ResetCause,
    pub(super) strap: u32,
    pub(super) usb: bool,
    pub(super) seed: u64,
    pub(super) kept: Kept,
    pub(super) rtc_memory: &'a [u8],
}

#[derive(Debug)]
pub(super) struct Hardware {
    memory: Memory,
    rtc_memory: Bank,
    started: Instant,
    pub(super) uarts: [Uart; 2],
    pub(super) usb: Usb,
    systimer: Systimer,
    timers: [TimerGroup; 2],
    pub(super) rtc: Rtc,
    pub(super) gpio: Gpio,
    pub(super) flash: FlashController,
    pub(super) cache: Cache,
    adc: Adc,
    efuse: Efuse,
    system: System,
    random: Random,
    interrupts: Interrupts,
    /// All other registers.
    rest: Registers,
    pub(super) effects: Effects,
    pub(super) unmodelled: Unmodelled,
}

impl Hardware {
    pub(super) fn new(build: Build<'_>) -> io::Result<Self> {
        let mut memory = Memory::new();
        let rtc_memory = lay_out(&mut memory, build.rtc_memory).map_err(io::Error::other)?;
        let chip = FlashChip::new(build.flash, &mut memory, build.seed)?;
        Ok(Self {
            cache: Cache::new(chip.bank()),
            memory,
            rtc_memory,
            started: Instant::now(),
            uarts: [Uart::new(true), Uart::new(false)],
            usb: Usb::new(build.usb),
            systimer: Systimer::new(),
            timers: [TimerGroup::new(0), TimerGroup::new(1)],
            rtc: Rtc::new(build.cause, &build.kept),
            gpio: Gpio::new(build.strap),
            flash: FlashController::new(chip),
            adc: Adc::new(),
            efuse: Efuse::new(build.mac),
            system: System::new(),
            random: Random::new(build.seed),
            interrupts: Interrupts::new(),
            rest: Registers::new(REGISTERS_LEN),
            effects: Effects::default(),
            unmodelled: Unmodelled::default(),
        })
    }

    /// The board's time begins now.
    pub(super) fn start_clock(&mut self) {
        self.started = Instant::now();
    }

    /// Nanoseconds since the start.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The contents of RTC memory.
    pub(super) fn rtc_memory(&self) -> &[u8] {
        self.memory.bank(self.rtc_memory)
    }

    /// The flash chip, when the machine has ended.
    pub(super) fn into_flash(self) -> Box<dyn Flash + Send> {
        self.flash.chip.into_device()
    }

    /// Maps the flash page that contains `from` at the page of the program's address `at`.
    pub(super) fn map_flash(&mut self, at: u32, from: u32) {
        self.cache.map(&mut self.memory, at, from);
    }

    /// Puts the mask ROM where the program finds it: code and constants, and in RAM the variables that its functions use.
    pub(super) fn load_rom(&mut self, rom: &Elf) -> Result<(), BadMapping> {
        for (range, access) in [(ROM_CODE, Access::READ_EXECUTE), (ROM_DATA, Access::READ)] {
            let len = range.end - range.start;
            let bank = self.memory.add_bank(len, 0);
            for part in rom.sections().iter().filter(|part| range.contains(&part.address)) {
                let at = (part.address - range.start) as usize;
                let end = (at + part.bytes.len()).min(len as usize);
                self.memory.bank_mut(bank, at..end).copy_from_slice(&part.bytes[..end - at]);
            }
            self.memory.map(range.start, bank, 0, len, access)?;
        }
        let variables = rom.sections().iter().filter(|part| ROM_VARIABLES.contains(&part.address));
        for part in variables {
            let offset = part.address - SRAM_DATA;
            let len = u32::try_from(part.bytes.len()).unwrap_or(u32::MAX);
            let outside = |_| BadMapping { address: part.address, offset, len };
            self.memory.write(part.address, &part.bytes).map_err(outside)?;
        }
        // The ROM's boot lets its `ets_printf` print on the UART.
        if let (Some(variable), Some(function)) = (rom.address("_putc1"), rom.address("ets_write_char_uart")) {
            let _ = self.memory.write(variable, &function.to_le_bytes());
        }
        Ok(())
    }

    /// Lets everything happen that is due.
    pub(super) fn advance(&mut self, now: u64) {
        if now >= self.due() {
            self.systimer.advance(now);
            for timer in &mut self.timers {
                timer.advance(now, &mut self.effects);
            }
            self.rtc.advance(now, &mut self.effects);
            let flash = self.flash.chip.advance(&mut self.memory, now);
            self.flash_result(flash);
            self.refresh();
        }
    }

    /// When something happens next by itself.
    pub(super) fn due(&self) -> u64 {
        let timers = self.timers.iter().map(TimerGroup::due);
        timers.fold(self.systimer.due().min(self.rtc.due()).min(self.flash.chip.due()), u64::min)
    }

    /// The UART sends a byte, as a ROM function asks.
    pub(super) fn send(&mut self, byte: u8) {
        self.uarts[0].send(byte, &mut self.effects.outputs);
    }

    /// Something from outside has changed a device.
    pub(super) fn refresh(&mut self) {
        let raised = |source: u32, raised: bool| u64::from(raised) << source;
        let mut sources = raised(source::GPIO, self.gpio.raised() != 0)
            | raised(source::GPIO_NMI, self.gpio.raised_nmi() != 0)
            | raised(source::UART0, self.uarts[0].raised())
            | raised(source::UART1, self.uarts[1].raised())
            | raised(source::USB, self.usb.raised())
            | raised(source::RTC, self.rtc.raised())
            | raised(source::ADC, self.adc.raised())
            | u64::from(self.systimer.raised() & 7) << source::SYSTIMER
            | u64::from(self.system.raised()) << source::FROM_CPU;
        let lines = [[source::TIMER_GROUP0, source::WATCHDOG0], [source::TIMER_GROUP1, source::WATCHDOG1]];
        for (timer, [alarm, watchdog]) in self.timers.iter().zip(lines) {
            sources |= raised(alarm, timer.raised() & 1 != 0) | raised(watchdog, timer.raised() & 2 != 0);
        }
        self.interrupts.update(sources);
    }

    /// The pins go back to inputs, as in a reset.
    pub(super) fn release_pins(&mut self) {
        self.gpio.release(&mut self.effects.outputs);
    }

    /// Hands an output on, in order with those of devices.
    pub(super) fn output(&mut self, output: Output) {
        self.effects.outputs.push(output);
    }

    /// Bytes of the flash, if they are all within it.
    pub(super) fn read_flash(&self, at: u32, len: u32) -> Option<Vec<u8>> {
        self.flash.chip.bytes(&self.memory, at, len as usize).map(<[u8]>::to_vec)
    }

    /// Begins to erase or to program; when the chip is done. None if not all of the range is within the flash.
    pub(super) fn change_flash(&mut self, work: Work) -> Option<u64> {
        let now = self.now();
        let result = self.flash.chip.start(&mut self.memory, work, now);
        self.flash_result(result).flatten()
    }

    /// The run ends: the chip goes on with what it is doing, unless the supply is cut.
    pub(super) fn leave_flash(&mut self, cut: bool) {
        let now = self.now();
        let chip = &mut self.flash.chip;
        let result = if cut { chip.cut(&mut self.memory, now) } else { chip.finish(&mut self.memory) };
        self.flash_result(result);
    }

    fn flash_result<T>(&mut self, result: io::Result<T>) -> Option<T> {
        result.map_err(|error| self.effects.refuse("a flash chip that fails", error.to_string())).ok()
    }

    /// Calls a function for the device at an address, with the offset of the register.
    fn with_device<R>(
        &mut self,
        address: u32,
        function: impl FnOnce(&mut dyn Device, u32, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let now = self.now();
        let (device, base): (&mut dyn Device, u32) = match address >> 12 {
            0x6_0000 => (&mut self.uarts[0], 0x6000_0000),
            0x6_0002 => (&mut self.flash, 0x6000_2000),
            0x6_0004 | 0x6_0009 => (&mut self.gpio, 0x6000_4000),
            0x6_0008 if address < 0x6000_8800 => (&mut self.rtc, 0x6000_8000),
            0x6_0008 => (&mut self.efuse, 0x6000_8800),
            0x6_0010 => (&mut self.uarts[1], 0x6001_0000),
            0x6_001f => (&mut self.timers[0], 0x6001_f000),
            0x6_0020 => (&mut self.timers[1], 0x6002_0000),
            0x6_0023 => (&mut self.systimer, 0x6002_3000),
            0x6_0026 => (&mut self.random, 0x6002_6000),
            0x6_0040 => (&mut self.adc, 0x6004_0000),
            0x6_0043 => (&mut self.usb, 0x6004_3000),
            0x6_00c0 => (&mut self.system, 0x600c_0000),
            0x6_00c2 => (&mut self.interrupts, 0x600c_2000),
            0x6_00c4 | 0x6_00c5 => (&mut self.cache, 0x600c_4000),
            _ => return None,
        };
        let mut context = Context { now, memory: &mut self.memory, effects: &mut self.effects };
        Some(function(device, address - base, &mut context))
    }

    /// Reads a register.
    fn read_register(&mut self, address: u32) -> u32 {
        let read = self.with_device(address, |device, offset, context| {
            let value = device.read(offset, context).unwrap_or_else(|| device.registers().get(offset));
            (value, device.knows(offset))
        });
        let (value, known) = read.unwrap_or_else(|| (self.rest.get(address - REGISTERS), false));
        if !known {
            self.note(address, false);
        }
        self.refresh();
        value
    }

    /// Writes a register, or a part of it: the bits that are set in `mask`.
    fn write_register(&mut self, address: u32, value: u32, mask: u32) {
        let written = self.with_device(address, |device, offset, context| {
            let value = device.registers().get(offset) & !mask | value & mask;
            if let Some(kept) = device.write(offset, value, context) {
                device.registers().set(offset, kept);
            }
            device.knows(offset)
        });
        let known = written.unwrap_or_else(|| {
            let offset = address - REGISTERS;
            self.rest.set(offset, self.rest.get(offset) & !mask | value & mask);
            false
        });
        if !known {
            self.note(address, true);
            if let Some(what) = unmodelled::interrupts(address, value & mask) {
                self.effects.refuse(what, "it has no model, and the program waits for it");
            }
        }
        self.refresh();
    }

    fn note(&mut self, address: u32, write: bool) {
        if let Some(what) = self.unmodelled.note(address, write, self.started.elapsed()) {
            self.effects.refuse(what, "it has no model, and the program waits for it");
        }
    }
}

/// Adds memory and maps it; the bank of RTC memory, which has these contents.
fn lay_out(memory: &mut Memory, rtc_memory: &[u8]) -> Result<Bank, BadMapping> {
    let sram = memory.add_bank(SRAM_LEN, 0);
    memory.map(SRAM_CODE, sram, 0, SRAM_LEN, Access::ALL)?;
    memory.map(SRAM_DATA, sram, SRAM_DATA_FROM, SRAM_LEN - SRAM_DATA_FROM, Access::READ_WRITE)?;
    let rtc = memory.add_bank(RTC_MEMORY_LEN, 0);
    memory.map(RTC_MEMORY, rtc, 0, RTC_MEMORY_LEN, Access::ALL)?;
    let len = rtc_memory.len().min(RTC_MEMORY_LEN as usize);
    memory.bank_mut(rtc, 0..len).copy_from_slice(&rtc_memory[..len]);
    let given = memory.add_bank(GIVEN_LEN, 0);
    memory.map(GIVEN, given, 0, GIVEN_LEN, Access::READ_WRITE)?;
    Ok(rtc)
}

impl Bus for Hardware {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    fn load(&mut self, address: u32, width: Width) -> Result<u32, Fault> {
        let shift = (address & 3) * 8;
        let aligned = address & !3;
        if aligned.wrapping_sub(REGISTERS) < REGISTERS_LEN {
            return Ok(self.read_register(aligned) >> shift & (u32::MAX >> (32 - 8 * width.bytes())));
        }
        if !ROM_CODE.contains(&address) && !ROM_DATA.contains(&address) {
            return Err(Fault::Access);
        }
        let word = match aligned {
            ROM_CHIP_ID => 5,
            ROM_VERSION => 4,
            _ => {
                self.note(aligned, false);
                0
            }
        };
        Ok(word >> shift)
    }

    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Fault> {
        let shift = (address & 3) * 8;
        let aligned = address & !3;
        if aligned.wrapping_sub(REGISTERS) >= REGISTERS_LEN {
            return Err(Fault::Access);
        }
        let mask = (u32::MAX >> (32 - 8 * width.bytes())) << shift;
        self.write_register(aligned, value << shift, mask);
        Ok(())
    }

    fn pending(&self) -> u32 {
        self.interrupts.pending()
    }

    fn first(&self, pending: u32) -> u32 {
        self.interrupts.first(pending)
    }

    fn wants_stop(&self) -> bool {
        self.effects.halt.is_some() || !self.unmodelled.new.is_empty()
    }

    fn cycles(&mut self, _: u64) -> u32 {
        low(ticks(self.now(), CPU_HERTZ))
    }
}
