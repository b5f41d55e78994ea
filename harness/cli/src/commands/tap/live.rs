//! Prints and counts packets while they pass.

use console::Style;
use hil_report::{Traffic, inert};
use hil_timeline::{ConnectionChange, Direction, Follower, RunEvent, What, change_text, event_text};

use crate::args::Format;
use crate::output::{Line, follow_up, warn};

/// Counts until the last event.
pub(super) async fn count(mut events: Follower) -> Traffic {
    let mut traffic = Traffic::default();
    loop {
        let event = events.next().await;
        if matches!(event.what, What::RunFinished { .. }) {
            return traffic;
        }
        traffic.take(&event);
    }
}

/// Prints until the last event, at the pace of its reader. Reports events that were discarded meanwhile.
pub(super) async fn show(mut events: Follower, format: Format) {
    let mut next = 0;
    loop {
        let event = events.next().await;
        if event.seq > next {
            skipped(event.seq - next, format).await;
        }
        next = event.seq + 1;
        match (&event.what, format) {
            (What::RunFinished { .. }, _) => return,
            (_, Format::Json) => {
                if let Ok(line) = Line::json(&*event) {
                    follow_up(line).await;
                }
            }
            (_, Format::Text) => follow_up(line(&event)).await,
        }
    }
}

async fn skipped(count: u64, format: Format) {
    let text = format!("{count} events are not shown: the output was not read in time");
    match format {
        // Standard output contains only events.
        Format::Json => warn(text),
        Format::Text => follow_up(Line::new().paint(Style::new().yellow(), text)).await,
    }
}

/// Time, connection, direction and text of an event.
fn line(event: &RunEvent) -> Line {
    let seconds = event.at.seconds_from(hil_timeline::Stamp(0));
    let line = Line::new().paint(Style::new().dim(), format!("{seconds:>9.3}")).text("  ");
    match &event.what {
        What::Packet { connection, direction, packet, disposition, bytes, answer_us, .. } => {
            let arrow = if *direction == Direction::FromBoard { "->" } else { "<-" };
            let answer = answer_us.map(|us| format!(", after {:.1} ms", us as f64 / 1e3)).unwrap_or_default();
            let disposition = disposition.map(|disposition| format!(" ({})", disposition.word())).unwrap_or_default();
            let line = line.text(format!("#{connection} {arrow} {}{disposition}  ", inert(&packet.to_string())));
            line.paint(Style::new().dim(), format!("{bytes} bytes{answer}"))
        }
        What::Connection { connection, change, .. } => {
            let style = match change {
                ConnectionChange::Opened | ConnectionChange::Upgraded { .. } => Style::new().green(),
                ConnectionChange::Refused { .. } | ConnectionChange::Rejected { .. } => Style::new().red(),
                ConnectionChange::Closed { .. } => Style::new().yellow(),
            };
            line.text(format!("#{connection} -- ")).paint(style, inert(&change_text(change)))
        }
        What::Fault { .. } => line.paint(Style::new().magenta(), text(event)),
        What::ProtocolViolation { connection, .. } => {
            line.text(format!("#{connection} -- ")).paint(Style::new().red(), text(event))
        }
        other => line.text(inert(&format!("{other:?}"))),
    }
}

fn text(event: &RunEvent) -> String {
    inert(&event_text(event).unwrap_or_default())
}
