//! Runs a program as a process of Linux, with as much of it as the tests' programs need: `write` and `exit`.

use hil_esp_core::{Access, Bank, Cpu, Elf, Fault, Memory, PAGE, Stop, Width};

const ENVIRONMENT_CALL: u32 = 11;
const WRITE: u32 = 64;
const EXIT: u32 = 93;

/// How a program ended.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) code: u32,
    pub(crate) output: Vec<u8>,
    /// How many instructions it executed, if that was counted.
    pub(crate) instructions: u64,
}

struct Bus(Memory);

impl hil_esp_core::Bus for Bus {
    fn memory(&self) -> &Memory {
        &self.0
    }

    fn memory_mut(&mut self) -> &mut Memory {
        &mut self.0
    }

    fn load(&mut self, _: u32, _: Width) -> Result<u32, Fault> {
        Err(Fault::Access)
    }

    fn store(&mut self, _: u32, _: Width, _: u32) -> Result<(), Fault> {
        Err(Fault::Access)
    }

    fn pending(&self) -> u32 {
        0
    }
}

/// Runs a program to its end; an error says at which exception it stopped instead, or that it goes on and on.
pub(crate) fn run(file: &[u8], budget: u64) -> Result<Ended, String> {
    let elf = Elf::read(file).map_err(|error| error.to_string())?;
    let mut bus = Bus(Memory::new());
    for part in elf.segments() {
        let begin = part.address & !(PAGE - 1);
        let end = (part.address + u32::try_from(part.bytes.len()).expect("small")).next_multiple_of(PAGE);
        let bank: Bank = bus.0.add_bank(end - begin, 0);
        bus.0.map(begin, bank, 0, end - begin, Access::ALL).map_err(|error| error.to_string())?;
        bus.0.write(part.address, &part.bytes).expect("mapped");
    }
    let mut cpu = Cpu::new(elf.entry());
    // Until a program sets its handler, exceptions go to address 0.
    cpu.trap_at(0);
    let mut output = Vec::new();
    while cpu.instructions() < budget {
        if cpu.run(&mut bus, budget - cpu.instructions()) != Stop::HostCall(0) {
            continue;
        }
        let (cause, pc) = (cpu.csr(0x342), cpu.csr(0x341));
        match (cause, cpu.register(17)) {
            (ENVIRONMENT_CALL, EXIT) => {
                return Ok(Ended { code: cpu.argument(0), output, instructions: cpu.instructions() });
            }
            (ENVIRONMENT_CALL, WRITE) => {
                let mut bytes = vec![0; cpu.argument(2) as usize];
                bus.0.read(cpu.argument(1), &mut bytes).map_err(|_| "written from nowhere")?;
                output.extend(bytes);
                cpu.set_register(10, cpu.argument(2));
                cpu.set_pc(pc + 4);
            }
            _ => return Err(format!("exception {cause} at {pc:#x}, value {:#x}", cpu.csr(0x343))),
        }
    }
    Err(format!("it goes on and on, at {:#x}", cpu.pc()))
}
