//! Executes the machine code of an ESP32-C3.
//!
//! The crate has two halves. The processor ([`Cpu`]) decodes and executes RV32IMC, takes traps and interrupts, and hands
//! control to its embedder at chosen addresses. What it is connected to is a [`Bus`]: plain [`Memory`], which the
//! processor reads and writes by itself, and devices, which it asks the bus for.
//!
//! ```
//! use hil_esp_core::{Access, Bus, Cpu, Fault, Memory, Stop, Width};
//!
//! /// A machine without any device.
//! struct Plain(Memory);
//!
//! impl Bus for Plain {
//!     fn memory(&self) -> &Memory {
//!         &self.0
//!     }
//!     fn memory_mut(&mut self) -> &mut Memory {
//!         &mut self.0
//!     }
//!     fn load(&mut self, _: u32, _: Width) -> Result<u32, Fault> {
//!         Err(Fault::Access)
//!     }
//!     fn store(&mut self, _: u32, _: Width, _: u32) -> Result<(), Fault> {
//!         Err(Fault::Access)
//!     }
//!     fn pending(&self) -> u32 {
//!         0
//!     }
//! }
//!
//! let mut bus = Plain(Memory::new());
//! let ram = bus.0.add_bank(0x1000, 0);
//! bus.0.map(0x4038_0000, ram, 0, 0x1000, Access::ALL).unwrap();
//! // addi a0, zero, 42; wfi
//! for (at, word) in [0x02a0_0513_u32, 0x1050_0073].iter().enumerate() {
//!     bus.0.write(0x4038_0000 + 4 * at as u32, &word.to_le_bytes()).unwrap();
//! }
//! let mut cpu = Cpu::new(0x4038_0000);
//! assert_eq!(cpu.run(&mut bus, 100), Stop::WaitForInterrupt);
//! assert_eq!(cpu.argument(0), 42);
//! ```

mod bus;
pub mod chip;
mod cpu;
mod decode;
mod elf;
mod fault;
mod memory;

pub use bus::{Bus, Width};
pub use cpu::{Cpu, Exception, InterruptsOff, Stop};
pub use elf::{Elf, ElfError, Part};
pub use fault::Fault;
pub use memory::{Access, BadMapping, Bank, Memory, PAGE};
