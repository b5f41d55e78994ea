//! Takes updates over the air: loads the announced image into the slot that does not run, checks it, chooses it, and
//! confirms the new program once it has reached its broker.
//!
//! Every step leaves a flash from which the bootloader starts a whole program, whenever the supply is cut:
//!
//! 1. Only the slot that does not run is erased and written. What runs is seen from the chip, not from the OTA data.
//! 2. The OTA data get one entry, in the sector of the entry that is not in use, after the image was read back.
//! 3. A new program is on trial until it has confirmed itself; the bootloader takes it back at the next reset otherwise.

mod announcement;
mod certificate;
mod desk;
mod fault;
mod http;
mod load;
mod otadata;
mod process;
mod slots;
mod stream;
mod tls;
mod url;

pub(crate) use desk::{Announced, Desk, News};
pub(crate) use process::{Reach, Updater};
pub use slots::{Layout, Updates};
pub use tls::Random;
