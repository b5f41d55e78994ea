//! Prints the console and other events of a board.

use console::Style;
use hil_bench::Symbols;
use hil_timeline::{ConsoleMask, Finding, RunEvent, What};

use crate::output::{Line, console_mask, follow_up, warn};

/// Prints events, one line each.
pub(super) struct ConsolePrinter {
    json: bool,
    /// The terminal is raw, so lines end with CR LF.
    raw: bool,
    symbols: Option<Symbols>,
    consoles: ConsoleMask,
}

impl ConsolePrinter {
    pub(super) fn new(json: bool, raw: bool, symbols: Option<Symbols>) -> Self {
        Self { json, raw, symbols, consoles: console_mask() }
    }

    /// Prints an event; waits for room in the output.
    pub(super) async fn show(&mut self, event: &RunEvent) {
        if self.json {
            let mut event = event.clone();
            if let What::Console { board, line } = &mut event.what {
                *line = self.consoles.line(board, line).into_owned();
            }
            if let Ok(line) = Line::json(&event) {
                follow_up(line).await;
            }
            return;
        }
        let text = match &event.what {
            What::Console { board, line } => {
                let line = &*self.consoles.line(board, line).into_owned();
                let at = Line::new().paint(Style::new().dim(), format!("[{}]", event.at));
                // A device may send control characters.
                self.line(at.text(" ").paint(level(line), hil_report::inert(line))).await;
                self.decode(line).await;
                return;
            }
            What::Power { on, .. } => format!("power {}", if *on { "on" } else { "off" }),
            What::Found { finding: Finding::Backtrace, .. } => return,
            What::ConsoleLost { .. }
            | What::ConsoleOpened { .. }
            | What::PowerCut { .. }
            | What::Reset { .. }
            | What::Bench { .. }
            | What::Found { .. } => hil_report::inert(&hil_timeline::event_text(event).unwrap_or_default()),
            _ => return,
        };
        self.line(Line::new().paint(Style::new().cyan(), format!("[{}] --- {text}", event.at))).await;
    }

    /// Prints the functions and lines of the addresses in a line of a panic.
    async fn decode(&mut self, line: &str) {
        let places = self.symbols.as_ref().map(|symbols| symbols.places(line)).unwrap_or_default();
        for place in places {
            let place = hil_report::inert(&place);
            self.line(Line::new().paint(Style::new().yellow(), format!("            {place}"))).await;
        }
    }

    /// Reports events that were discarded before there was room to print them.
    pub(super) async fn skipped(&mut self, count: u64) {
        let text = format!("--- {count} events are not shown: the output was not read in time");
        if self.json {
            // Standard output contains only events.
            return warn(Line::from(text));
        }
        self.line(Line::new().paint(Style::new().yellow(), text)).await;
    }

    async fn line(&mut self, line: Line) {
        follow_up(if self.raw { line.with_return() } else { line }).await;
    }
}

/// The style for a line's log level, as ESP-IDF and common loggers write it.
fn level(line: &str) -> Style {
    let level = |idf: &str, word: &str| line.starts_with(idf) || line.contains(word);
    if level("E (", "ERROR") || line.contains("Guru Meditation") || line.contains("panicked at") {
        Style::new().red()
    } else if level("W (", "WARN") {
        Style::new().yellow()
    } else if level("D (", "DEBUG") || level("V (", "TRACE") {
        Style::new().dim()
    } else {
        Style::new()
    }
}
