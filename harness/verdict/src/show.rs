//! Records for people.

use std::time::Duration;

use hil_timeline::{Direction, Packet, RunEvent, Stamp, What};

/// `1.5 s`, for messages.
#[must_use]
pub fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

/// `+0.31 s` from the mark.
#[must_use]
pub fn signed(at: Stamp, mark: Stamp) -> String {
    format!("{:+.2} s", at.seconds_from(mark))
}

/// One record for people, with its distance from the mark.
#[must_use]
pub fn show(event: &RunEvent, mark: Stamp) -> String {
    let what = match &event.what {
        What::Packet { packet, direction, fate, .. } => {
            let to = if *direction == Direction::ToBoard { " (to the board)" } else { "" };
            let fate = fate.map(|fate| format!(" ({})", fate.word())).unwrap_or_default();
            format!("{packet}{to}{fate}")
        }
        What::Console { line, .. } => format!("`{line}`"),
        What::Found { finding, detail, .. } => format!("{finding:?}: {detail}"),
        What::Observed { topic, payload, .. } => format!("`{payload}` on `{}`", topic.escape_debug()),
        What::Published { topic, payload, .. } => {
            format!("the harness publishes `{payload}` on `{}`", topic.escape_debug())
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
