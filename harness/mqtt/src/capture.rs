//! `traffic.pcapng`: the traffic through the taps, for Wireshark.

mod pcapng;
mod tcp;
mod writer;

pub use writer::{Capture, CaptureError};
pub(crate) use writer::{TapSide, Wire};
