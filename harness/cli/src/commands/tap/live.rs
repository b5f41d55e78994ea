//! Tells of packets while they pass.

use console::style;
use hil_report::{Traffic, inert};
use hil_timeline::{ConnectionChange, Direction, FaultPhase, Follower, RunEvent, What};

use crate::args::Format;
use crate::commands::say;

/// Prints until the last event; gives back what was counted.
pub(super) async fn follow(mut events: Follower, format: Format) -> Traffic {
    let mut traffic = Traffic::default();
    loop {
        let event = events.next().await;
        if matches!(event.what, What::RunFinished { .. }) {
            return traffic;
        }
        traffic.take(&event);
        match format {
            Format::Json => {
                if let Ok(text) = serde_json::to_string(&*event) {
                    say(text);
                }
            }
            Format::Text => say(line(&event)),
        }
    }
}

/// Time, connection, direction, what.
fn line(event: &RunEvent) -> String {
    let seconds = event.at.seconds_from(hil_timeline::Stamp(0));
    let at = style(format!("{seconds:>9.3}")).dim().to_string();
    let told = match &event.what {
        What::Packet { connection, direction, packet, fate, bytes, answer_us, .. } => {
            let arrow = if *direction == Direction::FromBoard { "->" } else { "<-" };
            let answer = answer_us.map(|us| format!(", after {:.1} ms", us as f64 / 1e3)).unwrap_or_default();
            let fate = fate.map(|fate| format!(" ({})", fate.word())).unwrap_or_default();
            let more = style(format!("{bytes} bytes{answer}")).dim();
            format!("#{connection} {arrow} {}{fate}  {more}", inert(&packet.to_string()))
        }
        What::Connection { connection, change, .. } => {
            let change = match change {
                ConnectionChange::Opened => style("opened".to_owned()).green(),
                ConnectionChange::Upgraded { layer } => style(format!("speaks {layer}")).green(),
                ConnectionChange::Refused { reason } => style(format!("refused: {}", inert(reason))).red(),
                ConnectionChange::Closed { how } => style(how.clone()).yellow(),
            };
            format!("#{connection} -- {change}")
        }
        What::Fault { fault, phase, .. } => {
            let phase = match phase {
                FaultPhase::Begins => "begins",
                FaultPhase::Ends => "ends",
                FaultPhase::Happens => "happens",
            };
            style(format!("fault {phase}: {fault}")).magenta().to_string()
        }
        What::ProtocolViolation { connection, rule, .. } => {
            format!("#{connection} -- {}", style(format!("violates the MQTT protocol: {rule}")).red())
        }
        other => format!("{other:?}"),
    };
    format!("{at}  {told}")
}
