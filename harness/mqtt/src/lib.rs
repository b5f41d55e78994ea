//! Brokers, the tap between boards and broker, packet decoding, the observer, and matchers over the timeline.

mod bridge;
pub mod broker;
mod capture;
mod endpoint;
mod observer;
mod pattern;
mod session;
mod tap;
pub mod tls;
mod websocket;

pub use broker::{Broker, BrokerError};
pub use capture::{Capture, CaptureError};
pub use endpoint::{Endpoint, Offers, Transport};
pub use observer::{Observer, ObserverError};
pub use pattern::TextPattern;
pub use session::Session;
pub use tap::{
    Decoded, Decoder, Deed, Fault, FaultError, PACKET_NAMES, PASSED_THROUGH, PacketMatch, Route, TapError, TapPort,
    TlsMode, parse_code, parse_rate,
};

/// Whether a topic matches a topic filter (MQTT 3.1.1 §4.7).
///
/// # Example
/// ```
/// assert!(hil_mqtt::topic_matches("sister/+", "sister/temp"));
/// assert!(!hil_mqtt::topic_matches("#", "$SYS/uptime"));
/// ```
#[must_use]
pub fn topic_matches(filter: &str, topic: &str) -> bool {
    mqtt5_protocol::topic_matching::matches(topic, filter)
}
