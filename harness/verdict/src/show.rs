//! Records as text.

use std::time::Duration;

use hil_timeline::{Direction, Packet, RunEvent, Stamp, What, escaped};

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
    let what = match &event.what {
        What::Packet { packet, direction, disposition, .. } => {
            let to = if *direction == Direction::ToBoard { " (to the board)" } else { "" };
            let disposition = disposition.map(|disposition| format!(" ({})", disposition.word())).unwrap_or_default();
            format!("{packet}{to}{disposition}")
        }
        What::Console { line, .. } => format!("`{line}`"),
        What::Found { finding, detail, .. } => format!("{finding:?}: {detail}"),
        What::Observed { topic, payload, .. } => format!("`{payload}` on `{}`", escaped(topic)),
        What::Published { topic, payload, .. } => {
            format!("the harness publishes `{payload}` on `{}`", escaped(topic))
        }
        What::Pin { pin, on, .. } => format!("pin `{pin}` {}", if *on { "on" } else { "off" }),
        What::Connection { change: hil_timeline::ConnectionChange::Closed { how }, .. } => format!("connection {how}"),
        other => format!("{other:?}"),
    };
    format!("{what} at {}", signed(event.at, mark))
}

/// The topic and payload of a PUBLISH.
pub(crate) fn published(packet: &Packet) -> Option<(&str, &hil_timeline::Payload)> {
    match packet {
        Packet::Publish { topic, payload, .. } => Some((topic, payload)),
        _ => None,
    }
}
