//! The consoles of a run as plain files.

use std::collections::BTreeMap;

use hil_timeline::{RunEvent, What};

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
