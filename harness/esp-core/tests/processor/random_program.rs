//! Programs of random instructions, which write all registers to a log now and then.

use crate::assembler::*;
use hil_fuzz::Random;

const CODE: u32 = 0x0001_0000;
const DATA: u32 = 0x0080_0000;
const DATA_LEN: u32 = 0x2000;
const LOG: u32 = 0x0100_0000;
/// Random instructions between two entries of the log.
const BETWEEN: usize = 25;
/// The bytes of an entry: all registers but 0.
const ENTRY: u32 = 31 * 4;

/// A program as an ELF file, with its number of random instructions rounded up to whole log entries.
pub(crate) fn program(seed: u64, instructions: usize) -> Vec<u8> {
    let mut writer = Writer { random: Random::new(seed), code: Vec::new() };
    let entries = instructions.div_ceil(BETWEEN);
    writer.begin();
    for _ in 0..entries {
        for _ in 0..BETWEEN {
            writer.instruction();
        }
        writer.log();
    }
    let log_len = u32::try_from(entries).expect("few") * ENTRY;
    writer.end(log_len);
    let data: Vec<u8> = (0..DATA_LEN).map(|_| writer.random.bits().to_le_bytes()[0]).collect();
    elf(&[(CODE, writer.code), (DATA, data), (LOG, vec![0; log_len as usize + 0x1000])])
}

struct Writer {
    random: Random,
    code: Vec<u8>,
}

impl Writer {
    fn full(&mut self, word: u32) {
        self.code.extend(word.to_le_bytes());
    }

    fn half(&mut self, half: u32) {
        self.code.extend(&half.to_le_bytes()[..2]);
    }

    /// Sets the registers that no random instruction writes: `sp` to the log, `gp` and `s0` into the data.
    fn begin(&mut self) {
        for (register, value) in [(SP, LOG), (GP, DATA + 0x1000), (S0, DATA + 0x800)] {
            set(register, value).into_iter().for_each(|word| self.full(word));
        }
        for register in (1..32).filter(|register| ![SP, GP, S0].contains(register)) {
            self.set(register);
        }
    }

    fn log(&mut self) {
        for register in 1..32 {
            self.full(sw(register, SP, (register.cast_signed() - 1) * 4));
        }
        self.full(addi(SP, SP, ENTRY.cast_signed()));
    }

    /// Writes log and data, and exits.
    fn end(&mut self, log_len: u32) {
        for (from, len) in [(LOG, log_len), (DATA, DATA_LEN)] {
            for (register, value) in [(A0, 1), (A1, from), (A2, len), (A7, 64)] {
                set(register, value).into_iter().for_each(|word| self.full(word));
            }
            self.full(ECALL);
        }
        for word in [addi(A0, ZERO, 0), addi(A7, ZERO, 93), ECALL] {
            self.full(word);
        }
    }

    fn below(&mut self, end: u32) -> u32 {
        u32::try_from(self.random.below(end as usize)).expect("small")
    }

    fn any(&mut self) -> u32 {
        self.below(32)
    }

    /// A register that may be written.
    fn target(&mut self) -> u32 {
        loop {
            let register = self.any();
            if ![SP, GP, S0].contains(&register) {
                return register;
            }
        }
    }

    /// A register that compressed instructions can write: 9 to 15.
    fn short_target(&mut self) -> u32 {
        9 + self.below(7)
    }

    fn offset(&mut self) -> i32 {
        self.below(0x1000).cast_signed() - 0x800
    }

    /// Sets a register to a value that is more often at a border than chance would have it.
    fn set(&mut self, register: u32) {
        let value = match self.below(4) {
            0 => *self.random.pick(&[0, 1, 2, u32::MAX, 0x8000_0000, 0x7fff_ffff, 0xffff, 0x8000, 0x80]),
            1 => u32::MAX << self.below(32),
            _ => self.random.bits().to_le_bytes()[..4].iter().fold(0, |value, byte| value << 8 | u32::from(*byte)),
        };
        set(register, value).into_iter().for_each(|word| self.full(word));
    }

    fn instruction(&mut self) {
        match self.below(20) {
            0..=4 => self.of_registers(),
            5..=8 => self.of_immediate(),
            9 => {
                let target = self.target();
                self.set(target);
            }
            10 | 11 => self.access(),
            12 | 13 => self.branch(),
            14 => self.jump(),
            _ => self.compressed(),
        }
    }

    fn of_registers(&mut self) {
        let (rd, rs1, rs2) = (self.target(), self.any(), self.any());
        let function = self.below(8);
        let upper = match (self.below(3), function) {
            (0, 0 | 5) => 0x20,
            (0 | 1, _) => 1,
            _ => 0,
        };
        self.full(registers(upper, function, rd, rs1, rs2));
    }

    fn of_immediate(&mut self) {
        let (rd, rs1, function, value) = (self.target(), self.any(), self.below(8), self.offset());
        let value = match function {
            1 => value & 31,
            5 => value & 0x41f & !0x3e0 | value & 31,
            _ => value,
        };
        let word = match self.below(8) {
            0 => auipc(rd, value.cast_unsigned() << 12),
            _ => immediate(0x13, function, rd, rs1, value),
        };
        self.full(word);
    }

    /// A load or a store at any alignment.
    fn access(&mut self) {
        let (rd, value, base, offset) = (self.target(), self.any(), *self.random.pick(&[GP, S0]), self.offset());
        let word = match self.below(8) {
            function @ (0..=2 | 4 | 5) => immediate(3, function, rd, base, offset),
            _ => store(self.below(3), value, base, offset),
        };
        self.full(word);
    }

    /// A branch across the next instruction, which is there or not.
    fn branch(&mut self) {
        let (rs1, rs2, function) = (self.any(), self.any(), *self.random.pick(&[0, 1, 4, 5, 6, 7]));
        let offset = if self.below(2) == 0 { 6 } else { 8 };
        match self.below(3) {
            0 => {
                let (register, wanted) = (self.below(8), 6 + self.below(2));
                // C.BEQZ and C.BNEZ by so much less, as they are shorter.
                let offset = offset - 2;
                self.half(wanted << 13 | (offset >> 1 & 3) << 3 | register << 7 | 1 | (offset >> 3) << 10);
            }
            _ => self.full(branch(function, rs1, rs2, offset.cast_signed())),
        }
        if offset == 6 {
            self.compressed();
        } else {
            self.of_registers();
        }
    }

    fn jump(&mut self) {
        let (rd, through) = (self.target(), self.short_target());
        match self.below(3) {
            0 => self.full(jal(rd, 8)),
            1 => {
                self.full(auipc(through, 0));
                self.full(jalr(rd, through, 12));
            }
            // C.JAL and C.J.
            _ => {
                let link = *self.random.pick(&[1, 5]);
                self.half(link << 13 | 3 << 3 | 1);
            }
        }
        self.full(addi(rd, rd, 1));
    }

    fn compressed(&mut self) {
        let (rd, short, other) = (self.target().max(1), self.short_target(), self.below(8));
        let (rd, low) = (if rd == SP { 1 } else { rd }, self.below(32));
        let sign = self.below(2) << 12;
        let half = match self.below(12) {
            // C.ADDI4SPN
            0 => (1 + self.below(255)) << 5 | (short - 8) << 2,
            // C.LW, C.SW
            1 => 0x4000 | self.below(8) << 10 | self.below(4) << 5 | (short - 8) << 2,
            2 => 0xc000 | self.below(8) << 10 | self.below(4) << 5 | other << 2,
            // C.ADDI, C.LI, C.LUI
            3 => sign | rd << 7 | low << 2 | 1,
            4 => 0x4000 | sign | rd << 7 | low << 2 | 1,
            5 => 0x6000 | sign | rd << 7 | low.max(1) << 2 | 1,
            // C.SRLI, C.SRAI, C.ANDI
            6 => 0x8000 | self.below(2) << 10 | (short - 8) << 7 | low.max(1) << 2 | 1,
            7 => 0x8800 | sign | (short - 8) << 7 | low << 2 | 1,
            // C.SUB, C.XOR, C.OR, C.AND
            8 => 0x8c00 | (short - 8) << 7 | self.below(4) << 5 | other << 2 | 1,
            // C.SLLI
            9 => rd << 7 | low.max(1) << 2 | 2,
            // C.MV, C.ADD
            10 => 0x8000 | sign | rd << 7 | low.max(1) << 2 | 2,
            // C.LWSP
            _ => 0x4002 | sign | rd << 7 | low << 2,
        };
        self.half(half);
    }
}

/// A static executable of these segments, all of which may be read, written and executed.
fn elf(segments: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let count = u16::try_from(segments.len()).expect("few");
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let entry = CODE.to_le_bytes();
    let entry = [u16::from_le_bytes([entry[0], entry[1]]), u16::from_le_bytes([entry[2], entry[3]])];
    // The flag 1 says that there are compressed instructions.
    let header = [2, 243, 1, 0, entry[0], entry[1], 52, 0, 0, 0, 1, 0, 52, 32, count, 40, 0, 0_u16];
    file.extend(header.iter().flat_map(|half| half.to_le_bytes()));
    let mut offset = 0x1000;
    for (address, bytes) in segments {
        let len = u32::try_from(bytes.len()).expect("small");
        let words = [1, offset, *address, *address, len, len, 7, 0x1000];
        file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        offset += len.next_multiple_of(0x1000);
    }
    for (_, bytes) in segments {
        file.resize(file.len().next_multiple_of(0x1000), 0);
        file.extend(bytes);
    }
    file
}
