//! The loop that executes, with traps and what else needs the whole processor.

use super::triggers::{TCONTROL, TSELECT};
use super::{Cpu, Exception, Stop, call, csr, execute};
use crate::bus::Bus;
use crate::decode::{Kind, Op};
use execute::Left;

const INSTRUCTION_ACCESS: u32 = 1;
const ILLEGAL_INSTRUCTION: u32 = 2;
const BREAKPOINT: u32 = 3;
const ENVIRONMENT_CALL: u32 = 11;
const INTERRUPT: u32 = 1 << 31;

impl Cpu {
    /// Executes about `budget` instructions: at most one basic block more. Returns earlier when it can't go on alone; the
    /// embedder then does what [`Stop`] says and calls it again.
    ///
    /// Interrupts are taken between basic blocks, and the first thing it does is to look at them. Exceptions are
    /// precise: they go to the program's handler, and `run` does not return for them.
    pub fn run<B: Bus>(&mut self, bus: &mut B, budget: u64) -> Stop {
        let end = self.instructions.saturating_add(budget);
        self.arm_triggers(bus);
        loop {
            if bus.memory().is_stale() {
                self.cache.drop_stale(bus.memory_mut());
            }
            if bus.wants_stop() {
                return Stop::Requested;
            }
            let pending = bus.pending();
            if pending != 0 && !self.passing && self.interrupts_enabled() {
                self.interrupt(bus.first(pending), bus);
            }
            if self.instructions >= end {
                return Stop::Budget;
            }
            if let Some(stop) = self.step(bus) {
                return stop;
            }
        }
    }

    /// Executes one basic block.
    #[inline]
    fn step<B: Bus>(&mut self, bus: &mut B) -> Option<Stop> {
        let Ok(block) = self.cache.block(self.key(), bus.memory_mut()) else {
            self.no_code(bus);
            return None;
        };
        self.passing = false;
        match execute::block(&mut self.x, self.cache.ops(block), bus) {
            Ok(pc) => {
                self.instructions += u64::from(block.instructions);
                self.pc = pc;
                None
            }
            Err(left) => self.leave(left, block.instructions, bus),
        }
    }

    /// Leaves a block of so many instructions.
    #[cold]
    fn leave<B: Bus>(&mut self, left: Left, instructions: u32, bus: &mut B) -> Option<Stop> {
        match left {
            Left::System(op) => {
                self.instructions += u64::from(instructions);
                return self.system(op, bus);
            }
            Left::Code { next, executed } => {
                self.instructions += executed;
                self.pc = next;
            }
            Left::Exception { pc, cause, value, executed } => {
                self.instructions += executed;
                self.exception(cause, value, pc, bus);
            }
            Left::Watched { pc, address, width, executed } => {
                self.instructions += executed;
                let start = u64::from(address);
                self.csrs.triggers.hit(&(start..start + u64::from(width.bytes())));
                self.exception(BREAKPOINT, address, pc, bus);
            }
        }
        None
    }

    #[cold]
    fn interrupt<B: Bus>(&mut self, line: u32, bus: &mut B) {
        self.pc = self.csrs.trap(INTERRUPT | line & 31, 0, self.pc);
        self.arm_triggers(bus);
    }

    /// The memory watches what the triggers guard, while they may fire.
    fn arm_triggers<B: Bus>(&self, bus: &mut B) {
        bus.memory_mut().watch_enabled(self.csrs.triggers.enabled());
    }

    #[cold]
    fn exception<B: Bus>(&mut self, cause: u32, value: u32, pc: u32, bus: &mut B) {
        self.exceptions += 1;
        self.newest_exception = Some(Exception { cause, pc, value });
        self.pc = self.csrs.trap(cause, value, pc);
        self.arm_triggers(bus);
    }

    /// There is nothing to execute at `pc`. It counts as an instruction, so that a handler that isn't there uses up the
    /// budget.
    #[cold]
    fn no_code<B: Bus>(&mut self, bus: &mut B) {
        self.instructions += 1;
        self.passing = false;
        self.exception(INSTRUCTION_ACCESS, self.pc, self.pc, bus);
    }

    fn system<B: Bus>(&mut self, op: Op, bus: &mut B) -> Option<Stop> {
        self.pc = op.pc.wrapping_add(4);
        match op.kind {
            Kind::Csr => self.access_csr(op, bus),
            Kind::Ecall => self.exception(ENVIRONMENT_CALL, 0, op.pc, bus),
            Kind::Ebreak => self.exception(BREAKPOINT, op.pc, op.pc, bus),
            Kind::Mret => {
                self.pc = self.csrs.leave();
                self.arm_triggers(bus);
            }
            Kind::Wfi if bus.pending() == 0 => return Some(Stop::WaitForInterrupt),
            Kind::Wfi => {}
            Kind::Host => return self.host(op.pc, bus),
            _ => self.exception(ILLEGAL_INSTRUCTION, op.immediate, op.pc, bus),
        }
        None
    }

    /// The program has arrived at a trapped address.
    fn host<B: Bus>(&mut self, address: u32, bus: &mut B) -> Option<Stop> {
        self.pc = address;
        if address != call::RETURN {
            return Some(Stop::HostCall(address));
        }
        let returned = self.end_call().map(Stop::Returned);
        if returned.is_none() {
            self.no_code(bus);
        }
        returned
    }

    fn access_csr<B: Bus>(&mut self, op: Op, bus: &mut B) {
        if self.try_csr(op, bus).is_err() {
            let word = op.immediate << 20
                | u32::from(op.rs1) << 15
                | u32::from(op.rs2) << 12
                | u32::from(op.rd & 31) << 7
                | 0x73;
            self.exception(ILLEGAL_INSTRUCTION, word, op.pc, bus);
        } else if (TSELECT..=TCONTROL).contains(&op.immediate) {
            bus.memory_mut().watch(self.csrs.triggers.watched());
            self.arm_triggers(bus);
        }
    }

    fn try_csr<B: Bus>(&mut self, op: Op, bus: &mut B) -> Result<(), csr::NoRegister> {
        let old = match op.immediate {
            csr::CYCLES => bus.cycles(self.instructions),
            number => self.csrs.read(number)?,
        };
        // Bit 2 of the function: the register's number is the operand itself.
        let operand = if op.rs2 & 4 == 0 { self.x[usize::from(op.rs1)] } else { u32::from(op.rs1) };
        match op.rs2 & 3 {
            1 => self.csrs.write(op.immediate, operand)?,
            2 if op.rs1 != 0 => self.csrs.write(op.immediate, old | operand)?,
            3 if op.rs1 != 0 => self.csrs.write(op.immediate, old & !operand)?,
            _ => {}
        }
        self.x[usize::from(op.rd)] = old;
        Ok(())
    }
}
