//! What must be safe: rails and plugs, lines of this machine, and the keeper, which owns them and the locks of boards.

mod driver;
mod drivers;
pub mod keeper;
pub mod lines;
mod rails;
mod retry;
pub mod subprocess;

pub use driver::{Measuring, PowerDriver, PowerError, Switching};
pub use drivers::manual::{AskPerson, Manual};
pub use rails::Rails;
