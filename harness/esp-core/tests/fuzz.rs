//! Any bytes may be a program, or the file of one: nothing panics, and nothing runs longer than its budget.

use hil_esp_core::{Access, Bus, Cpu, Elf, Fault, Memory, Width};
use hil_fuzz::{Corpus, fuzz};

const BUDGET: u64 = 5000;
const CODE: u32 = 0x4038_0000;

/// Memory that code may write, and devices whose registers are what was read last, with interrupts.
struct Machine {
    memory: Memory,
    seen: u32,
}

impl Bus for Machine {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    fn load(&mut self, address: u32, _: Width) -> Result<u32, Fault> {
        self.seen = self.seen.rotate_left(7) ^ address;
        if address >> 28 == 6 { Ok(self.seen) } else { Err(Fault::Access) }
    }

    fn store(&mut self, address: u32, _: Width, value: u32) -> Result<(), Fault> {
        self.seen ^= value;
        if address >> 28 == 6 { Ok(()) } else { Err(Fault::Access) }
    }

    fn pending(&self) -> u32 {
        self.seen & 2
    }
}

#[test]
fn a_program_may_hold_any_bytes() {
    let seeds: [&[u32]; 3] = [
        &[0x0050_0513, 0xfff5_0513, 0xfe05_1ee3, 0x1050_0073],
        &[0x4038_0537, 0x00a5_2023, 0x0005_2583, 0x3000_7073, 0x3004_6073, 0x3020_0073, 0x0000_0073],
        &[0x4501_1141, 0x8082_c606, 0x0000_0517, 0x0005_0067, 0x02b5_4533, 0x02b5_7533],
    ];
    let corpus = Corpus::new(seeds.map(|words| words.iter().flat_map(|word| word.to_le_bytes()).collect()).to_vec());
    fuzz("program", &corpus, 3000, |bytes| {
        let mut memory = Memory::new();
        let ram = memory.add_bank(0x2000, 0);
        memory.map(CODE, ram, 0, 0x2000, Access::ALL).expect("mapped");
        let len = bytes.len().min(0x2000);
        memory.bank_mut(ram, 0..len).copy_from_slice(&bytes[..len]);
        let mut cpu = Cpu::new(CODE);
        for number in 1..32 {
            cpu.set_register(number, CODE + u32::try_from(number).expect("small") * 0x80);
        }
        let mut machine = Machine { memory, seen: 0 };
        while cpu.instructions() < BUDGET {
            let before = cpu.instructions();
            cpu.run(&mut machine, BUDGET - before);
            assert!(cpu.instructions() > before, "no progress at {:#x}", cpu.pc());
        }
        assert!(cpu.instructions() <= BUDGET + 64);
    });
}

#[test]
fn an_elf_file_may_hold_any_bytes() {
    let mut file = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    let header: [u16; 18] = [2, 243, 1, 0, 0, 0x4200, 52, 0, 84, 0, 0, 0, 52, 32, 1, 40, 3, 2];
    file.extend(header.iter().flat_map(|half| half.to_le_bytes()));
    let words: [u32; 42] = [
        1,
        204,
        0x4200_0000,
        0x4200_0000,
        16,
        16,
        5,
        4, // the segment
        1,
        1,
        2,
        0x4200_0000,
        204,
        16,
        0,
        0,
        4,
        0, // its section
        2,
        2,
        0,
        0,
        220,
        32,
        2,
        1,
        4,
        16, // the symbols
        3,
        3,
        0,
        0,
        252,
        4,
        0,
        0,
        1,
        0, // their names
        1,
        2,
        3,
        4,
    ];
    file.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    file.extend([0; 16]);
    file.extend([1, 0, 0, 0, 0, 0, 0, 0x42, 4, 0, 0, 0, 0x12, 0, 1, 0]);
    file.extend(b"\0fn\0");
    let elf = Elf::read(&file).expect("a program");
    assert_eq!(elf.symbol_at(0x4200_0003), Some(("fn", 3)));
    fuzz("elf", &Corpus::new([file]), 5000, |bytes| {
        if let Ok(elf) = Elf::read(bytes) {
            let size: usize = elf.segments().iter().chain(elf.sections()).map(|part| part.bytes.len()).sum();
            assert!(size <= bytes.len() * 2, "{size} bytes from {}", bytes.len());
            let _ = elf.symbols().filter(|(_, address)| elf.symbol_at(*address).is_some()).count();
        }
    });
}
