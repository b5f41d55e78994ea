//! What the processor is connected to.

pub(crate) use crate::fault::Fault;
use crate::memory::Memory;

/// How much a load or a store moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// One byte.
    Byte,
    /// Two bytes.
    Half,
    /// Four bytes.
    Word,
}

impl Width {
    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }
}

/// Memory and devices, with the interrupt lines into the processor.
///
/// The processor accesses plain memory by itself, at full speed. [`load`](Bus::load) and [`store`](Bus::store) are called
/// for every other address, and for stores into memory that is not mapped for writing.
pub trait Bus {
    /// The plain memory.
    fn memory(&self) -> &Memory;

    /// The plain memory, to change it.
    fn memory_mut(&mut self) -> &mut Memory;

    /// Reads from a device. Bits above the width are ignored; the processor extends the sign.
    ///
    /// # Errors
    ///
    /// A fault becomes a load exception at this instruction.
    fn load(&mut self, address: u32, width: Width) -> Result<u32, Fault>;

    /// Writes to a device. `value` has no bits above the width.
    ///
    /// # Errors
    ///
    /// A fault becomes a store exception at this instruction.
    fn store(&mut self, address: u32, width: Width, value: u32) -> Result<(), Fault>;

    /// The interrupt lines 1 to 31 of the processor that are raised, enabled and above the threshold, a bit each. Asked
    /// for after every basic block, so it must be cheap: a field that devices update when they change.
    fn pending(&self) -> u32;

    /// Which of the pending lines, of which there is at least one, is served first.
    fn first(&self, pending: u32) -> u32 {
        pending.trailing_zeros()
    }

    /// Whether the embedder has something to do that can't wait for the budget's end, as after a write that resets the
    /// chip. `run` returns [`Stop::Requested`](crate::Stop::Requested) at the next block end while this is true.
    fn wants_stop(&self) -> bool {
        false
    }

    /// What the processor's cycle counter (CSR 0x7E2) reads. `instructions` is how many have been executed; a bus with a
    /// clock of its own answers from that.
    fn cycles(&mut self, instructions: u64) -> u32 {
        // The counter wraps around.
        (instructions & u64::from(u32::MAX)) as u32
    }
}
