//! The processor: registers, control and status registers, traps, and its public face.

mod cache;
mod call;
mod csr;
mod execute;
mod run;
mod triggers;

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
    x: execute::Registers,
    pc: u32,
    /// The trap at `pc` is passed.
    passing: bool,
    csrs: csr::Csrs,
    cache: cache::Cache,
    frames: Vec<call::Frame>,
    instructions: u64,
    exceptions: u64,
    newest_exception: Option<Exception>,
}

impl Cpu {
    /// A processor that begins at this address, in the state in which the second-stage boot loader starts an app:
    /// interrupts are on (`mstatus.MIE`), all registers are 0.
    #[must_use]
    pub fn new(entry: u32) -> Self {
        let mut cache = cache::Cache::new();
        cache.trap(call::RETURN);
        Self {
            x: [0; 256],
            pc: entry & !1,
            passing: false,
            csrs: csr::Csrs::at_entry(),
            cache,
            frames: Vec::new(),
            instructions: 0,
            exceptions: 0,
            newest_exception: None,
        }
    }

    /// Begins at an address, as after a reset. Trapped addresses stay; calls of the embedder that have not returned are
    /// forgotten.
    pub fn reset(&mut self, entry: u32) {
        self.x = [0; 256];
        self.set_pc(entry);
        self.csrs = csr::Csrs::at_entry();
        self.frames.clear();
    }

    /// The address of the next instruction.
    #[must_use]
    pub fn pc(&self) -> u32 {
        self.pc
    }

    /// Goes on at another address.
    pub fn set_pc(&mut self, pc: u32) {
        self.pc = pc & !1;
        self.passing = false;
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

    /// Reads a control and status register as the program would, without side effects; 0 for one that doesn't exist, and for the
    /// cycle counter, which is the bus's.
    #[must_use]
    pub fn csr(&self, number: u32) -> u32 {
        self.csrs.read(number).unwrap_or(0)
    }

    /// Whether the program has interrupts on (`mstatus.MIE`).
    #[must_use]
    pub fn interrupts_enabled(&self) -> bool {
        self.csrs.interrupts_enabled()
    }

    /// How many instructions have been executed, those that ended with an exception included.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.instructions
    }

    /// The exceptions (not interrupts) since the start, by number, and the newest of them.
    #[must_use]
    pub fn exceptions(&self) -> (u64, Option<Exception>) {
        (self.exceptions, self.newest_exception)
    }

    /// From now on, `run` returns [`Stop::HostCall`] when the program arrives at this address, before anything there is
    /// executed. Memory need not be mapped there. The embedder then continues by one of [`return_value`](Self::return_value),
    /// [`return_nothing`](Self::return_nothing), [`pass`](Self::pass) and [`set_pc`](Self::set_pc); it may also
    /// [call](Self::call_within) the program first.
    pub fn trap_at(&mut self, address: u32) {
        self.cache.trap(address);
    }

    /// Removes a trap.
    pub fn untrap(&mut self, address: u32) {
        if address != call::RETURN {
            self.cache.untrap(address);
        }
    }

    /// At a host call: returns a value to the caller of the trapped function.
    pub fn return_value(&mut self, value: u32) {
        self.x[10] = value;
        self.return_nothing();
    }

    /// At a host call: returns to the caller of the trapped function.
    pub fn return_nothing(&mut self) {
        self.set_pc(self.x[1]);
    }

    /// At a host call: goes on with what is in memory at the trapped address, once.
    pub fn pass(&mut self) {
        self.passing = true;
    }

    /// The address of the next instruction, with bit 0 set if the trap there is passed.
    fn key(&self) -> u32 {
        self.pc | u32::from(self.passing)
    }

    fn set_key(&mut self, key: u32) {
        self.set_pc(key);
        self.passing = key & 1 == 1;
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
