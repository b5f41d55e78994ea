//! The processor: registers, control and status registers, traps, and its public face.

use crate::bus::Bus;

/// Why [`Cpu::run`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The budget is used up.
    Budget,
    /// The program executed WFI and no interrupt is pending: nothing happens until one is. The embedder sleeps until then
    /// and calls `run` again.
    WaitForInterrupt,
    /// The program has arrived at an address of the embedder's: see [`Cpu::trap_at`].
    HostCall(u32),
    /// A function that the embedder called has returned this value, and the program is where it was before.
    Returned(u32),
    /// The bus asked for it.
    Requested,
}

/// The program has turned interrupts off, so that it can't be called now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("interrupts are off")]
pub struct InterruptsOff;

/// An RV32IMC processor with machine mode, as in the ESP32-C3.
#[derive(Debug)]
pub struct Cpu {
    x: [u32; 256],
    pc: u32,
    instructions: u64,
}

impl Cpu {
    /// A processor that begins at this address, in the state in which the second-stage boot loader starts an app:
    /// interrupts are on (`mstatus.MIE`), all registers are 0.
    #[must_use]
    pub fn new(entry: u32) -> Self {
        Self { x: [0; 256], pc: entry, instructions: 0 }
    }

    /// Begins at an address, as after a reset. Trapped addresses stay; calls of the embedder that have not returned are
    /// forgotten.
    pub fn reset(&mut self, entry: u32) {
        self.x = [0; 256];
        self.pc = entry;
    }

    /// Executes about `budget` instructions: at most one basic block more. Returns earlier when it can't go on alone; the
    /// embedder then does what [`Stop`] says and calls it again.
    ///
    /// Interrupts are taken between basic blocks, and the first thing it does is to look at them. Exceptions are
    /// precise: they go to the program's handler, and `run` does not return for them.
    pub fn run<B: Bus>(&mut self, bus: &mut B, budget: u64) -> Stop {
        let _ = (bus, budget);
        Stop::Budget
    }

    /// The address of the next instruction.
    #[must_use]
    pub fn pc(&self) -> u32 {
        self.pc
    }

    /// Goes on at another address.
    pub fn set_pc(&mut self, pc: u32) {
        self.pc = pc & !1;
    }

    /// A register, 0 to 31.
    ///
    /// # Panics
    ///
    /// When there is no register with this number.
    #[must_use]
    pub fn register(&self, number: usize) -> u32 {
        self.x[..32][number]
    }

    /// Sets a register, 0 to 31. Register 0 stays 0.
    ///
    /// # Panics
    ///
    /// When there is no register with this number.
    pub fn set_register(&mut self, number: usize, value: u32) {
        self.x[..32][number] = if number == 0 { 0 } else { value };
    }

    /// An argument of the function that begins at [`pc`](Self::pc), 0 to 7, by the calling convention: `a0` to `a7`.
    ///
    /// # Panics
    ///
    /// When the number is above 7.
    #[must_use]
    pub fn argument(&self, number: usize) -> u32 {
        self.x[10..18][number]
    }

    /// Reads a control and status register as the program would, without side effects; 0 for one that doesn't exist.
    #[must_use]
    pub fn csr(&self, number: u32) -> u32 {
        let _ = number;
        0
    }

    /// Whether the program has interrupts on (`mstatus.MIE`).
    #[must_use]
    pub fn interrupts_enabled(&self) -> bool {
        true
    }

    /// How many instructions have been executed.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// The exceptions (not interrupts) since the start, by number, and the newest of them.
    #[must_use]
    pub fn exceptions(&self) -> (u64, Option<Exception>) {
        (0, None)
    }

    // -- Calls of the host by the program

    /// From now on, `run` returns [`Stop::HostCall`] when the program arrives at this address, before anything there is
    /// executed. Memory need not be mapped there. The embedder then continues by one of [`return_value`](Self::return_value),
    /// [`return_nothing`](Self::return_nothing), [`pass`](Self::pass) and [`set_pc`](Self::set_pc); it may also
    /// [call](Self::call_within) the program first.
    pub fn trap_at(&mut self, address: u32) {
        let _ = address;
    }

    /// Removes a trap.
    pub fn untrap(&mut self, address: u32) {
        let _ = address;
    }

    /// At a host call: returns a value to the caller of the trapped function.
    pub fn return_value(&mut self, value: u32) {
        self.x[10] = value;
        self.return_nothing();
    }

    /// At a host call: returns to the caller of the trapped function.
    pub fn return_nothing(&mut self) {
        self.pc = self.x[1] & !1;
    }

    /// At a host call: goes on with what is in memory at the trapped address, once.
    pub fn pass(&mut self) {}

    // -- Calls of the program by the host

    /// Begins a call of a function of the program, as an interrupt would: registers are saved, interrupts are off until it
    /// returns, and it has a stack of its own, whose upper end is `stack` (rounded down to 16). The embedder then calls
    /// [`run`](Self::run) as usual, and serves host calls, until [`Stop::Returned`]; then all registers are as before.
    ///
    /// # Errors
    ///
    /// When interrupts are off: the program is in a critical section, or in another such call.
    ///
    /// # Panics
    ///
    /// When there are more than 8 arguments.
    pub fn call(&mut self, function: u32, arguments: &[u32], stack: u32) -> Result<(), InterruptsOff> {
        let _ = (function, arguments, stack);
        Ok(())
    }

    /// The same, but whether interrupts are on or off: for a function that the program expects to be called from within the
    /// function that it called, that is, at a host call. When it returns, the processor is at the host call as before.
    ///
    /// # Panics
    ///
    /// When there are more than 8 arguments.
    pub fn call_within(&mut self, function: u32, arguments: &[u32], stack: u32) {
        let _ = (function, arguments, stack);
    }

    /// How many calls by the host have not returned.
    #[must_use]
    pub fn calls(&self) -> usize {
        0
    }
}

/// An exception that the program's handler was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Its cause, as in `mcause`: 1 instruction access, 2 illegal instruction, 3 breakpoint, 4 and 6 misaligned load
    /// and store, 5 and 7 load and store access, 11 environment call.
    pub cause: u32,
    /// The address of the instruction.
    pub pc: u32,
    /// What `mtval` was set to: the address accessed, or the illegal instruction.
    pub value: u32,
}
