//! `traffic.pcapng`: the traffic of boards with their tap and their services, for Wireshark.
//!
//! IP, TCP and UDP headers are generated around what passed, so that a reader sees complete connections on the ports
//! that are registered for their protocols, whatever the real ports and transports were.

mod datagram;
mod ip;
mod pcapng;
mod stream;
mod tcp;
mod writer;

pub use stream::Stream;
pub use writer::{Capture, CaptureError, Interface};
