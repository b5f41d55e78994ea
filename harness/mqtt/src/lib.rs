//! Brokers, the tap between boards and broker, packet decoding, and the observer.

mod bridge;
pub mod broker;
mod budget;
mod capture;
mod client_id;
mod decoder;
mod disconnect_reason;
mod endpoint;
mod observer;
mod tap;
mod websocket;

pub use broker::{Broker, BrokerError};
pub use client_id::ClientIds;
pub use decoder::{Decoded, Decoder, PACKET_NAMES};
pub use endpoint::{Endpoint, Offers, Transport};
pub use observer::{Observer, ObserverError};
pub use tap::{
    Fault, FaultError, PASSED_THROUGH, PacketAction, PacketMatch, Route, TapError, TapPort, TlsMode, parse_code,
    parse_rate,
};
