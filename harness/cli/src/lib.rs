//! Hardware-in-the-loop tests for ESP boards that speak MQTT: the library behind the `hil` program.
//!
//! To add your own steps, write them as functions on [`HilWorld`] with cucumber's attributes and run your features from
//! a test target with `harness = false`. Depend on `hil` and on `cucumber` 0.23, which the attributes refer to:
//!
//! ```ignore
//! // tests/features.rs, with `[[test]] name = "features" harness = false` in Cargo.toml
//! use cucumber::then;
//! use hil::{HilWorld, StepError};
//!
//! #[then(expr = "{string} is called a lamp")]
//! fn is_called_a_lamp(_world: &mut HilWorld, board: String) -> Result<(), StepError> {
//!     if board.starts_with("lamp") { Ok(()) } else { Err(StepError::failed(format!("it is called `{board}`"))) }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     hil::test_features("features")
//! }
//! ```

mod args;
mod choice;
mod commands;
mod descriptors;
mod exit_code;
mod folder;
mod host_names;
mod output;
mod process;
mod program;
mod project;
mod provenance;
mod quarantine;
mod records;
mod reporter;
mod session;
mod signals;
mod terminal;
mod test_target;

pub use args::Cli;
pub use exit_code::ExitCode;
pub use program::main;
pub use test_target::test_features;

pub use hil_scenario::{HilWorld, Mark, OnOff, Span, Stage, StepError, Text};
pub use hil_timeline as timeline;
