//! Reads `bench.toml` into validated, passive resources. Touches no device.
//!
//! Every problem of a file is reported at once, each with its line, column, a caret and what would be valid.

mod bench;
mod board;
mod broker;
mod builtin;
mod duration;
mod env_vars;
mod firmware;
mod names;
mod pin;
mod problem;
mod table;
mod tap;

pub use bench::Bench;
pub use board::{Board, BoardKind, Chip, Misbehaviour};
pub use broker::{Broker, BrokerKind};
pub use duration::{DurationError, parse_duration};
pub use env_vars::HIL_BENCH;
pub use firmware::{Firmware, Image, NvsValue};
pub use names::{BoardName, FirmwareName, nearest};
pub use pin::{Pin, PinDirection};
pub use problem::{ConfigError, Problem};
pub use tap::Tap;
