//! The parts that must be safe: rails and plugs, GPIO lines of this machine, and the keeper, which owns them and the
//! locks of boards.

mod driver;
mod drivers;
mod http;
pub mod keeper;
mod kind;
pub mod lines;
mod meter;
mod rails;
mod retry;
pub mod subprocess;

pub use driver::{Measuring, PowerDriver, PowerError, Switching};
pub use drivers::manual::{AskPerson, Manual};
pub use drivers::{check, kinds};
pub use kind::Diagnosis;
pub use rails::Rails;
