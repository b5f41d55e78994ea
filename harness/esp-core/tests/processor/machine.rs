//! A small machine: memory for code and data, and a device that remembers.

use hil_esp_core::{Access, Bus, Cpu, Fault, Memory, Width};

/// Where code begins.
pub(crate) const CODE: u32 = 0x4038_0000;
/// Where data begins; the same bytes as the code's second page.
pub(crate) const DATA: u32 = 0x3fc8_1000;
/// Data that can't be written.
pub(crate) const CONSTANTS: u32 = 0x3c00_0000;
/// A device of one page.
pub(crate) const DEVICE: u32 = 0x6000_0000;
/// Writing to this register of the device asks for a stop.
pub(crate) const DEVICE_STOP: u32 = DEVICE + 0x100;
/// What is written to this register of the device becomes the pending interrupts.
pub(crate) const DEVICE_LINES: u32 = DEVICE + 0x104;

#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) memory: Memory,
    pub(crate) lines: u32,
    pub(crate) stop: bool,
    /// What was written to the device.
    pub(crate) written: Vec<(u32, Width, u32)>,
}

impl Machine {
    /// A machine with this program, and a processor at its beginning.
    pub(crate) fn new(program: &[u32]) -> (Cpu, Self) {
        let mut memory = Memory::new();
        let ram = memory.add_bank(0x4000, 0);
        let constants = memory.add_bank(0x1000, 0x5a);
        memory.map(CODE, ram, 0, 0x4000, Access::ALL).expect("code");
        memory.map(DATA, ram, 0x1000, 0x3000, Access::READ_WRITE).expect("data");
        memory.map(CONSTANTS, constants, 0, 0x1000, Access::READ).expect("constants");
        let mut machine = Self { memory, lines: 0, stop: false, written: Vec::new() };
        machine.program(CODE, program);
        (Cpu::new(CODE), machine)
    }

    /// Writes a program.
    pub(crate) fn program(&mut self, address: u32, program: &[u32]) {
        let bytes: Vec<u8> = program.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.memory.write(address, &bytes).expect("memory");
    }

    pub(crate) fn word(&self, address: u32) -> u32 {
        self.memory.word(address).expect("memory")
    }
}

impl Bus for Machine {
    fn memory(&self) -> &Memory {
        &self.memory
    }

    fn memory_mut(&mut self) -> &mut Memory {
        &mut self.memory
    }

    fn load(&mut self, address: u32, _: Width) -> Result<u32, Fault> {
        if address & !0xfff == DEVICE { Ok(0xffff_ff80) } else { Err(Fault::Access) }
    }

    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Fault> {
        if address & !0xfff != DEVICE {
            return Err(Fault::Access);
        }
        self.written.push((address, width, value));
        match address {
            DEVICE_STOP => self.stop = true,
            DEVICE_LINES => self.lines = value,
            _ => {}
        }
        Ok(())
    }

    fn pending(&self) -> u32 {
        self.lines
    }

    fn first(&self, pending: u32) -> u32 {
        // The highest number first, unlike the default.
        31 - pending.leading_zeros()
    }

    fn wants_stop(&self) -> bool {
        self.stop
    }
}
