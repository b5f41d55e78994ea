//! The recording proxy between boards and broker: forwards bytes, decodes their packets and applies faults.

mod accept;
mod active_faults;
mod budget;
mod connection_recorder;
mod decoder;
mod expected_peers;
mod fault;
mod frame;
mod gate;
mod layers;
mod port;
mod prefixed;
mod state;
mod violations;

pub(crate) use decoder::{Credentials, credentials_of};
pub use decoder::{Decoded, Decoder};
pub use fault::{Fault, FaultError, PACKET_NAMES, PacketAction, PacketMatch, parse_code, parse_rate};
pub use layers::{PASSED_THROUGH, TlsMode};
pub use port::{TapError, TapPort};
pub use state::Route;
