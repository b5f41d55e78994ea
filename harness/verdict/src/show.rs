//! Records as text.

use std::time::Duration;

use hil_timeline::{Packet, RunEvent, Stamp, event_phrase};

/// `1.5 s`, for messages.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// `+0.31 s` from the mark.
#[must_use]
pub fn signed(at: Stamp, mark: Stamp) -> String {
    // Rounded first: a record just before the mark is at `+0.00 s`, not at `-0.00 s`.
    let hundredths = (at.seconds_from(mark) * 100.0).round() + 0.0;
    format!("{:+.2} s", hundredths / 100.0)
}

/// One record as text, with its distance from the mark.
#[must_use]
pub fn show(event: &RunEvent, mark: Stamp) -> String {
    format!("{} at {}", event_phrase(event), signed(event.at, mark))
}

/// The topic and payload of a PUBLISH.
pub(crate) fn published(packet: &Packet) -> Option<(&str, &hil_timeline::Payload)> {
    match packet {
        Packet::Publish { topic, payload, .. } => Some((topic, payload)),
        _ => None,
    }
}
