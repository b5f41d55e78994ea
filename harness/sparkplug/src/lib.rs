//! Sparkplug B, as far as a test needs it: which message a topic is about, and payloads as JSON.
//!
//! Topics and payloads follow "Sparkplug 3.0.0, Sparkplug Specification" (Eclipse Foundation, November 2022), chapters 4
//! and 6. Payloads are Protocol Buffers; the messages are written by hand and decoded by `prost`.
//!
//! # Example
//! ```
//! let topic = "spBv1.0/plant/DDATA/line-1/oven";
//! let parts = hil_sparkplug::Topic::parse(topic).unwrap();
//! assert_eq!((parts.kind.word(), parts.node, parts.device), ("DDATA", "line-1", Some("oven")));
//! // The metric `t`, a float of 21.5, and `seq` 1.
//! let payload = b"\x12\x0a\x0a\x01t\x20\x09\x65\x00\x00\xac\x41\x18\x01";
//! let json = hil_sparkplug::to_json(topic, payload).unwrap().unwrap();
//! assert_eq!((&json["values"]["t"], &json["seq"]), (&21.5.into(), &1.into()));
//! ```

mod json;
mod message;
mod topic;

pub use message::{Message, Metric};
pub use topic::{Kind, Topic};

/// The payload of a Sparkplug message as JSON: what the protobuf has, and `values` with the value of each metric by its
/// name, or by its alias if it has no name. None if the topic is none of Sparkplug's, or its payload is no protobuf.
///
/// # Errors
/// When the payload is not a Sparkplug payload.
#[must_use]
pub fn to_json(topic: &str, payload: &[u8]) -> Option<Result<serde_json::Value, String>> {
    let topic = Topic::parse(topic)?;
    // The state of a host application is JSON already (§6.4.27).
    (topic.kind != Kind::State).then(|| Message::decode(payload).map(|message| message.to_json()))
}
