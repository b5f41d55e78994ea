//! The tap: a recording proxy between boards and broker, one port per board.

mod decoder;
mod port;

pub use decoder::Decoder;
pub use port::{Route, TapError, TapPort};
