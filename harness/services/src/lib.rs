//! What a stage offers to its boards besides the broker: files over HTTP and HTTPS, and the time.
//!
//! Each board has its own ports, which stay the same for a whole run: its settings name them before a scenario begins.
//! What they offer is of one scenario ([`HttpPort::open_route`]); without a route every connection is reset. Connections
//! pass the same [`hil_link::Control`] as the board's connections to the broker, so that a silence, a delay or a power
//! cut acts on all of them.

mod clock;
mod dns;
mod error;
mod http;
mod sntp;

pub use clock::{NetworkClock, check_moment};
pub use dns::NameRecorder;
pub use error::ServiceError;
pub use http::{Behaviour, Files, HttpPort, HttpRoute, Offer, Stop};

use hil_link::{Control, Peers, Refusal};
pub use sntp::{SntpPort, SntpRoute};

/// What acts on all connections of a board.
#[derive(Debug, Clone, Default)]
pub struct BoardNetwork {
    /// Silences, delays, limits and ends them.
    pub control: Control,
    /// Refuses new ones.
    pub refusal: Refusal,
    /// Whose connections are the board's.
    pub peers: Peers,
}
