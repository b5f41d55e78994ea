//! A protocol-blind TCP path that can be silenced, held, delayed, closed or reset.
//!
//! [`relay`] carries bytes between two sockets, in order and unchanged, under a [`Control`]. [`Parked`] keeps the
//! sockets of a device that has lost its power: they are silent, until the rebooted device would answer late segments
//! with a reset.

mod connection;
mod control;
mod descriptors;
mod gated;
mod parked;
mod peers;
mod piece;
mod port;
mod queue;
mod relay;
mod socket;

pub use connection::{ByteStream, ConnectionHandle, RelayConnection};
pub use control::{Control, Ended, Ending, PathDirection, Silence};
pub use descriptors::{Shortage, ShortageWatch};
pub use gated::{Gate, Gated};
pub use parked::Parked;
pub use peers::Peers;
pub use piece::{Piece, Watch};
pub use port::{Port, Refusal};
pub use relay::relay;
pub use socket::reset;
