//! Files over HTTP and HTTPS.

mod answer;
mod body;
mod offer;
mod port;
mod range;
mod recorder;
mod wire;

pub use offer::{Behaviour, Files, Offer, Stop};
pub use port::{HttpPort, HttpRoute};
