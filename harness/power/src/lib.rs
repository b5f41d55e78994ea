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

/// Held by tests that start programs, and by tests that would see a program that is just starting: until it runs, it has a
/// copy of every descriptor of this process.
#[cfg(test)]
static STARTING_PROGRAMS: std::sync::Mutex<()> = std::sync::Mutex::new(());
