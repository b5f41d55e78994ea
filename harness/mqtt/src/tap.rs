//! The recording proxy between boards and broker: forwards bytes, decodes their packets and applies faults.

mod accept;
mod active_faults;
mod connection_recorder;
mod fault;
mod gate;
mod layers;
mod port;
mod prefixed;
mod state;
mod violations;

pub use fault::{Fault, FaultError, PacketAction, PacketMatch, parse_code, parse_rate};
pub use layers::{PASSED_THROUGH, TlsMode};
pub use port::{TapError, TapPort};
pub use state::Route;
