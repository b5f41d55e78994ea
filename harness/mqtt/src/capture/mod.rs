//! `traffic.pcapng`: what passed the taps, as Wireshark reads it.

mod pcapng;
mod tcp;
mod writer;

pub use writer::{Capture, CaptureError};
pub(crate) use writer::{TapSide, Wire};
