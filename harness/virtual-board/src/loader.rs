//! The serial loader of the ROM, and of the RAM stub that a host uploads.
//!
//! Protocol: Espressif, "Serial Protocol" of esptool; error codes as in ROM and stub.

mod command;
mod registers;
mod session;
mod slip;

pub(crate) use registers::ChipIdentity;
pub(crate) use session::{Action, Loader, Security};
