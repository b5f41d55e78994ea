//! Tells of packets while they pass.

use console::Style;
use hil_report::{Traffic, inert};
use hil_timeline::{ConnectionChange, Direction, FaultPhase, Follower, RunEvent, What};

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

/// Prints until the last event, at the pace of its reader. Says where records were forgotten meanwhile.
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
    let text = format!("{count} records are not shown: the output was not read in time");
    match format {
        // Standard output holds events alone.
        Format::Json => warn(text),
        Format::Text => follow_up(Line::new().paint(Style::new().yellow(), text)).await,
    }
}

/// Time, connection, direction, what.
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
            let line = line.text(format!("#{connection} -- "));
            match change {
                ConnectionChange::Opened => line.paint(Style::new().green(), "opened"),
                ConnectionChange::Upgraded { layer } => line.paint(Style::new().green(), format!("speaks {layer}")),
                ConnectionChange::Refused { reason } => {
                    line.paint(Style::new().red(), format!("refused: {}", inert(reason)))
                }
                ConnectionChange::Rejected { reason } => {
                    line.paint(Style::new().red(), format!("rejected: {}", inert(reason)))
                }
                ConnectionChange::Closed { how } => line.paint(Style::new().yellow(), inert(how)),
            }
        }
        What::Fault { fault, phase, .. } => {
            let phase = match phase {
                FaultPhase::Begins => "begins",
                FaultPhase::Ends => "ends",
                FaultPhase::Happens => "happens",
            };
            line.paint(Style::new().magenta(), format!("fault {phase}: {}", inert(fault)))
        }
        What::ProtocolViolation { connection, rule, .. } => {
            let rule = inert(rule);
            line.text(format!("#{connection} -- "))
                .paint(Style::new().red(), format!("violates the MQTT protocol: {rule}"))
        }
        other => line.text(inert(&format!("{other:?}"))),
    }
}
