//! The cache's registers and the MMU that maps flash pages into the address space.

use super::device::{Context, Device, Registers};
use super::reset_values;
use crate::memory::{Access, Bank, Memory};

/// The unit in which flash is mapped.
pub(super) const FLASH_PAGE: u32 = 0x1_0000;
/// Where the program reads data from flash, and how many bytes can be mapped.
pub(super) const DATA: u32 = 0x3c00_0000;
/// Where the program's code in flash is.
pub(super) const CODE: u32 = 0x4200_0000;
pub(super) const WINDOW: u32 = 128 * FLASH_PAGE;

/// Where the MMU's table is, seen from the cache's registers.
const TABLE: u32 = 0x1000;
const TABLE_END: u32 = TABLE + 4 * 128;
const INVALID: u32 = 1 << 8;
const CONTROL: u32 = 0x00;
const LOCK: u32 = 0x1c;
const SYNC: u32 = 0x28;
const PRELOAD: u32 = 0x34;
const AUTOLOAD: u32 = 0x40;
const FREEZE: u32 = 0xcc;

#[derive(Debug)]
pub(super) struct Cache {
    registers: Registers,
    flash: Bank,
}

impl Cache {
    /// A cache that maps nothing of this flash.
    pub(super) fn new(flash: Bank) -> Self {
        let mut registers = Registers::at_reset(0x2000, reset_values::CACHE);
        // The boot loader has turned the cache on.
        registers.set(CONTROL, 1);
        for entry in (TABLE..TABLE_END).step_by(4) {
            registers.set(entry, INVALID);
        }
        Self { registers, flash }
    }

    /// Maps the flash page that contains `from` at the page of the program's address `at`, for code and data alike.
    pub(super) fn map(&mut self, memory: &mut Memory, at: u32, from: u32) {
        let entry = TABLE + (at & (WINDOW - 1)) / FLASH_PAGE * 4;
        self.set_entry(memory, entry, from / FLASH_PAGE);
    }

    fn set_entry(&mut self, memory: &mut Memory, entry: u32, value: u32) {
        self.registers.set(entry, value);
        let at = (entry - TABLE) / 4 * FLASH_PAGE;
        let from = (value & 0xff) * FLASH_PAGE;
        let valid = value & INVALID == 0 && from + FLASH_PAGE <= self.flash.len();
        for (window, access) in [(DATA, Access::READ), (CODE, Access::READ_EXECUTE)] {
            // Numbers are whole pages, and the range was just compared with the bank's.
            let _ = if valid {
                memory.map(window + at, self.flash, from, FLASH_PAGE, access)
            } else {
                memory.unmap(window + at, FLASH_PAGE)
            };
        }
    }
}

impl Device for Cache {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= 0x100 || offset == 0x3fc || (TABLE..TABLE_END).contains(&offset)
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        // What a program starts here has always ended: memory and cache never differ.
        match offset {
            SYNC | PRELOAD => Some(self.registers.get(offset) & !1 | 1 << 1),
            AUTOLOAD => Some(self.registers.get(offset) | 1 << 3),
            // It is frozen as soon as that is asked for, and only then.
            FREEZE => Some(self.registers.get(offset) & 3 | (self.registers.get(offset) & 1) << 2),
            LOCK => Some(self.registers.get(offset) & !3 | 1 << 2),
            _ => None,
        }
    }

    fn write(&mut self, offset: u32, value: u32, context: &mut Context<'_>) -> Option<u32> {
        if (TABLE..TABLE_END).contains(&offset) {
            if self.registers.get(offset) != value {
                self.set_entry(context.memory, offset, value);
            }
            return None;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::testing::Bench;

    #[test]
    fn a_table_entry_maps_a_flash_page_for_code_and_data() {
        let mut bench = Bench::new();
        let flash = bench.memory.add_bank(4 * FLASH_PAGE, 0xff);
        bench.memory.bank_mut(flash, 0x2_0000..0x2_0004).copy_from_slice(&[1, 2, 3, 4]);
        let mut cache = Cache::new(flash);
        bench.write(&mut cache, TABLE + 4 * 5, 2);
        assert_eq!(bench.memory.word(DATA + 5 * FLASH_PAGE), Ok(0x0403_0201));
        assert_eq!(bench.memory.word(CODE + 5 * FLASH_PAGE), Ok(0x0403_0201));
        bench.write(&mut cache, TABLE + 4 * 5, INVALID);
        assert!(bench.memory.word(DATA + 5 * FLASH_PAGE).is_err());
    }

    #[test]
    fn a_page_beyond_the_flash_is_not_mapped() {
        let mut bench = Bench::new();
        let flash = bench.memory.add_bank(4 * FLASH_PAGE, 0xff);
        let mut cache = Cache::new(flash);
        bench.write(&mut cache, TABLE, 4);
        assert!(bench.memory.word(DATA).is_err());
    }
}
