//! Calls of the program's functions by the embedder.

use super::{Cpu, InterruptsOff, csr};

/// Where functions return to that the embedder called: no chip has memory there.
pub(super) const RETURN: u32 = 0xffff_fff0;

/// What to go back to when such a function returns.
#[derive(Debug)]
pub(super) struct Frame {
    x: [u32; 32],
    pc: u32,
    mstatus: u32,
    mepc: u32,
    mcause: u32,
    mtval: u32,
}

impl Cpu {
    /// Begins a call of a function of the program, as an interrupt would: registers are saved, interrupts are off until it
    /// returns, and it has a stack of its own, whose upper end is `stack` (rounded down to 16). The embedder then calls
    /// [`run`](Self::run) as usual, and serves host calls, until [`Stop::Returned`](super::Stop::Returned); then all
    /// registers are as before.
    ///
    /// # Errors
    ///
    /// When interrupts are off: the program is in a critical section, or in another such call.
    ///
    /// # Panics
    ///
    /// When there are more than 8 arguments.
    pub fn call(&mut self, function: u32, arguments: &[u32], stack: u32) -> Result<(), InterruptsOff> {
        if !self.interrupts_enabled() {
            return Err(InterruptsOff);
        }
        self.call_within(function, arguments, stack);
        Ok(())
    }

    /// The same, but whether interrupts are on or off: for a function that the program expects to be called from within the
    /// function that it called, that is, at a host call. When it returns, the processor is at the host call as before.
    ///
    /// # Panics
    ///
    /// When there are more than 8 arguments.
    pub fn call_within(&mut self, function: u32, arguments: &[u32], stack: u32) {
        let mut x = [0; 32];
        x.copy_from_slice(&self.x[..32]);
        let csr::Csrs { mstatus, mepc, mcause, mtval, .. } = self.csrs;
        self.frames.push(Frame { x, pc: self.key(), mstatus, mepc, mcause, mtval });
        self.x[10..18][..arguments.len()].copy_from_slice(arguments);
        self.x[1] = RETURN;
        self.x[2] = stack & !15;
        self.csrs.mstatus &= !csr::MIE;
        self.set_pc(function);
    }

    /// Ends the newest call; the value that the function returned. None if there is no call.
    pub(super) fn end_call(&mut self) -> Option<u32> {
        let frame = self.frames.pop()?;
        let value = self.x[10];
        self.x[..32].copy_from_slice(&frame.x);
        self.set_key(frame.pc);
        let csrs = &mut self.csrs;
        (csrs.mstatus, csrs.mepc, csrs.mcause, csrs.mtval) = (frame.mstatus, frame.mepc, frame.mcause, frame.mtval);
        Some(value)
    }

    /// How many calls by the host have not returned.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.frames.len()
    }
}
