//! The consoles of a run as plain files.

use std::collections::BTreeMap;

use hil_timeline::{RunEvent, What};

/// The broker's log, with the time since the run began; none where it has none.
pub(crate) fn broker_log(events: &[RunEvent]) -> Option<String> {
    let line = |event: &RunEvent| match &event.what {
        What::BrokerLog { line } => Some(format!("[{}] {line}\n", event.at)),
        What::BrokerDied { reason } => Some(format!("[{}] (died: {reason})\n", event.at)),
        _ => None,
    };
    let log: String = events.iter().filter_map(line).collect();
    (!log.is_empty()).then_some(log)
}

/// Each board's console, a line an event, with its time since the run began.
#[must_use]
pub fn console_logs(events: &[RunEvent]) -> BTreeMap<String, String> {
    let mut logs: BTreeMap<String, String> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::Console { board, line } => {
                logs.entry(board.clone()).or_default().push_str(&format!("[{}] {line}\n", event.at));
            }
            What::ConsoleLost { board } => {
                logs.entry(board.clone()).or_default().push_str(&format!("[{}] (console lost)\n", event.at));
            }
            What::ConsoleOpened { board, gap_ms } => {
                let line = format!("[{}] (console back; nothing is known of {gap_ms} ms)\n", event.at);
                logs.entry(board.clone()).or_default().push_str(&line);
            }
            _ => {}
        }
    }
    logs
}
