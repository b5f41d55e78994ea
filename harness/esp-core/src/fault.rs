//! Why an access fails.

/// Why a load, a store or a fetch failed; the processor turns it into the exception with that cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There is nothing at the address, or it can't be accessed this way.
    Access,
    /// The address is not a multiple of the width, and what is there requires it.
    Misaligned,
}
