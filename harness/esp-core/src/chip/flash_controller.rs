//! SPI1, through which a program sends commands to the flash chip.

use super::device::{Context, Device, Registers, bits};
use super::flash::{FlashChip, SECTOR, Work};
use super::reset_values;

const COMMAND: u32 = 0x00;
const ADDRESS: u32 = 0x04;
const USER: u32 = 0x18;
const USER_COMMAND: u32 = 0x20;
const OUT_LENGTH: u32 = 0x24;
const IN_LENGTH: u32 = 0x28;
const STATUS: u32 = 0x2c;
const BUFFER: u32 = 0x58;
const BUFFER_BYTES: usize = 64;

const USER_OUT: u32 = 1 << 27;
const USER_IN: u32 = 1 << 28;
const BUSY: u8 = 1;
const WRITE_ENABLED: u8 = 2;

/// Commands of the controller that stand for one of the chip.
const SHORTCUTS: [(u32, u8); 11] = [
    (31, 0x03),
    (30, 0x06),
    (29, 0x04),
    (28, 0x9f),
    (27, 0x05),
    (26, 0x01),
    (25, 0x02),
    (24, 0x20),
    (23, 0x52),
    (22, 0xc7),
    (18, 0x00),
];
const USER_BIT: u32 = 18;

#[derive(Debug)]
pub(super) struct FlashController {
    registers: Registers,
    pub(super) chip: FlashChip,
    status: u8,
    /// The second status register; its bit 1 turns reads over four lines on, which programs set and read back.
    second_status: u8,
}

impl FlashController {
    pub(super) fn new(chip: FlashChip) -> Self {
        let registers = Registers::at_reset(0x1000, reset_values::FLASH_CONTROLLER);
        Self { registers, chip, status: 0, second_status: 0 }
    }

    /// How many bytes a length register means.
    fn length(&self, offset: u32) -> usize {
        (bits(self.registers.get(offset), 0, 10) as usize + 1).div_ceil(8).min(BUFFER_BYTES)
    }

    fn buffer(&self, len: usize) -> Vec<u8> {
        let words = (0..16).flat_map(|index| self.registers.get(BUFFER + 4 * index).to_le_bytes());
        words.take(len).collect()
    }

    fn set_buffer(&mut self, bytes: &[u8]) {
        for (offset, chunk) in (BUFFER..).step_by(4).zip(bytes.chunks(4)) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            self.registers.set(offset, u32::from_le_bytes(word));
        }
    }

    fn start(&mut self, value: u32, context: &mut Context<'_>) {
        let Some((bit, command)) = SHORTCUTS.into_iter().find(|(bit, _)| value >> bit & 1 != 0) else { return };
        let result = if bit == USER_BIT {
            let command = self.registers.get(USER_COMMAND).to_le_bytes()[0];
            let user = self.registers.get(USER);
            let sent = if user & USER_OUT != 0 { self.length(OUT_LENGTH) } else { 0 };
            let received = if user & USER_IN != 0 { self.length(IN_LENGTH) } else { 0 };
            self.command(command, self.registers.get(ADDRESS), sent, received, context)
        } else {
            self.shortcut(command, context)
        };
        if let Err(error) = result {
            context.effects.refuse("a flash chip that fails", error.to_string());
        }
    }

    /// A command that has a bit of its own. The address register's upper byte is the number of bytes.
    fn shortcut(&mut self, command: u8, context: &mut Context<'_>) -> std::io::Result<()> {
        let address = self.registers.get(ADDRESS);
        let count = (address >> 24) as usize;
        let sent = if command == 0x02 { count.min(BUFFER_BYTES) } else { 1 };
        let received = if command == 0x03 { count.min(BUFFER_BYTES) } else { 3 };
        self.command(command, address & 0x00ff_ffff, sent, received, context)
    }

    fn command(
        &mut self,
        command: u8,
        address: u32,
        sent: usize,
        received: usize,
        context: &mut Context<'_>,
    ) -> std::io::Result<()> {
        let (now, memory) = (context.now, &mut *context.memory);
        let writable = self.status & WRITE_ENABLED != 0;
        // A program asks for the status until the chip is idle. One that doesn't finds it idle.
        let idle = self.chip.advance(memory, now)?;
        if command != 0x05 {
            self.chip.finish(memory)?;
        }
        match command {
            0x06 => self.status |= WRITE_ENABLED,
            0x04 => self.status &= !WRITE_ENABLED,
            0x05 => self.answer_status(self.status | if idle { 0 } else { BUSY }, received),
            // The first register only protects sectors, which no program here does.
            0x01 if writable && sent > 1 => self.second_status = self.buffer(2)[1],
            0x31 if writable => self.second_status = self.buffer(1)[0],
            0x35 => self.set_buffer(&[self.second_status, 0, 0, 0]),
            0x15 => self.set_buffer(&[0; 4]),
            0x9f => self.set_buffer(&self.chip.identity().to_le_bytes()),
            0x03 | 0x0b | 0x3b | 0xbb | 0x6b | 0xeb => {
                let bytes = self.chip.bytes(memory, address, received).map(<[u8]>::to_vec);
                self.set_buffer(&bytes.unwrap_or_else(|| vec![0xff; received]));
            }
            0x02 | 0x32 if writable => {
                let work = Work::Program { at: address, bytes: self.buffer(sent) };
                self.chip.start(memory, work, now)?;
            }
            0x20 | 0x52 | 0xd8 | 0xc7 | 0x60 if writable => {
                self.chip.start(memory, self.erase(command, address), now)?;
            }
            _ => {}
        }
        if matches!(command, 0x01 | 0x31 | 0x02 | 0x32 | 0x20 | 0x52 | 0xd8 | 0xc7 | 0x60) {
            self.status &= !WRITE_ENABLED;
        }
        Ok(())
    }

    /// What a command erases that contains the address.
    fn erase(&self, command: u8, address: u32) -> Work {
        let len = match command {
            0x20 => SECTOR,
            0x52 => 0x8000,
            0xd8 => 0x1_0000,
            _ => self.chip.bank().len(),
        };
        Work::Erase { at: address & !(len - 1), len }
    }

    fn answer_status(&mut self, status: u8, received: usize) {
        self.registers.set(STATUS, u32::from(status));
        self.set_buffer(&[status, 0, 0, 0][..received.clamp(1, 4)]);
    }
}

impl Device for FlashController {
    fn registers(&mut self) -> &mut Registers {
        &mut self.registers
    }

    fn knows(&self, offset: u32) -> bool {
        offset <= 0xdc || offset == 0x3fc
    }

    fn read(&mut self, offset: u32, _: &mut Context<'_>) -> Option<u32> {
        // Every command has ended.
        (offset == COMMAND).then_some(0)
    }

    fn write(&mut self, offset: u32, value: u32, context: &mut Context<'_>) -> Option<u32> {
        if offset == COMMAND {
            self.start(value, context);
            return None;
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chip::flash::MemoryFlash;
    use crate::chip::testing::Bench;

    fn controller(bench: &mut Bench) -> FlashController {
        let flash = MemoryFlash::new(0x40_0000);
        FlashController::new(FlashChip::new(Box::new(flash), &mut bench.memory, 1).expect("a flash chip"))
    }

    fn user(bench: &mut Bench, controller: &mut FlashController, command: u32, address: u32) {
        bench.write(controller, USER_COMMAND, 7 << 28 | command);
        bench.write(controller, ADDRESS, address);
        bench.write(controller, COMMAND, 1 << 18);
    }

    #[test]
    fn the_identity_says_how_large_the_chip_is() {
        let mut bench = Bench::new();
        let mut controller = controller(&mut bench);
        bench.write(&mut controller, COMMAND, 1 << 28);
        assert_eq!(bench.read(&mut controller, BUFFER), 0x16_40ef);
    }

    #[test]
    fn programming_clears_bits_and_erasing_sets_them() {
        let mut bench = Bench::new();
        let mut controller = controller(&mut bench);
        bench.write(&mut controller, USER, USER_OUT | USER_IN);
        bench.write(&mut controller, OUT_LENGTH, 31);
        bench.write(&mut controller, IN_LENGTH, 31);
        for (word, expected) in [(0xf0f0_f0f0, 0xf0f0_f0f0), (0xff00_ff00, 0xf000_f000)] {
            bench.write(&mut controller, BUFFER, word);
            user(&mut bench, &mut controller, 0x06, 0);
            bench.write(&mut controller, BUFFER, word);
            user(&mut bench, &mut controller, 0x02, 0x9000);
            user(&mut bench, &mut controller, 0x03, 0x9000);
            assert_eq!(bench.read(&mut controller, BUFFER), expected);
        }
        user(&mut bench, &mut controller, 0x06, 0);
        user(&mut bench, &mut controller, 0x20, 0x9000);
        user(&mut bench, &mut controller, 0x03, 0x9000);
        assert_eq!(bench.read(&mut controller, BUFFER), u32::MAX);
    }

    #[test]
    fn the_chip_is_busy_while_it_erases() {
        let mut bench = Bench::new();
        let mut controller = controller(&mut bench);
        bench.write(&mut controller, COMMAND, 1 << 30);
        bench.write(&mut controller, ADDRESS, 0x9000);
        bench.write(&mut controller, COMMAND, 1 << 24);
        let mut status = |now| {
            bench.now = now;
            bench.write(&mut controller, COMMAND, 1 << 27);
            bench.read(&mut controller, STATUS)
        };
        assert_eq!([status(0), status(44_999_999), status(45_000_000)], [1, 1, 0]);
    }

    #[test]
    fn reads_over_four_lines_can_be_turned_on() {
        let mut bench = Bench::new();
        let mut controller = controller(&mut bench);
        bench.write(&mut controller, USER, USER_OUT | USER_IN);
        for (command, len, word, expected) in
            [(0x31, 7, 2, 2), (0x01, 15, 0, 0), (0x01, 15, 0x0200, 2), (0x01, 7, 0, 2)]
        {
            bench.write(&mut controller, OUT_LENGTH, len);
            user(&mut bench, &mut controller, 0x06, 0);
            bench.write(&mut controller, BUFFER, word);
            user(&mut bench, &mut controller, command, 0);
            user(&mut bench, &mut controller, 0x35, 0);
            assert_eq!(bench.read(&mut controller, BUFFER), expected, "{command:#x} {word:#x}");
        }
    }

    #[test]
    fn nothing_changes_unless_writing_is_enabled() {
        let mut bench = Bench::new();
        let mut controller = controller(&mut bench);
        bench.write(&mut controller, ADDRESS, 0x0400_0000);
        bench.write(&mut controller, BUFFER, 0);
        bench.write(&mut controller, COMMAND, 1 << 25);
        bench.write(&mut controller, COMMAND, 1 << 31);
        assert_eq!(bench.read(&mut controller, BUFFER), u32::MAX);
    }
}
