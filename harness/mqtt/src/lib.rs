//! Brokers, the tap between boards and broker, packet decoding, the observer, and matchers over the timeline.

pub mod broker;
mod observer;
mod pattern;
mod session;
mod tap;

pub use broker::{Broker, BrokerError};
pub use observer::{Observer, ObserverError};
pub use pattern::TextPattern;
pub use session::Session;
pub use tap::{Decoder, Route, TapError, TapPort};

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
