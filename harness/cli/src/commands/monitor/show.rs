//! How a console is shown.

use console::style;
use hil_timeline::{Finding, RunEvent, What};

use super::symbols::Symbols;
use crate::commands::say;

/// Shows events, a line each.
pub(super) struct Shower {
    json: bool,
    /// A raw terminal needs the carriage sent back.
    raw: bool,
    symbols: Option<Symbols>,
}

impl Shower {
    pub(super) fn new(json: bool, raw: bool, symbols: Option<Symbols>) -> Self {
        Self { json, raw, symbols }
    }

    pub(super) fn show(&self, event: &RunEvent) {
        if self.json {
            if let Ok(line) = serde_json::to_string(event) {
                say(line);
            }
            return;
        }
        let text = match &event.what {
            What::Console { line, .. } => {
                self.line(format!("{} {}", style(format!("[{}]", event.at)).dim(), colored(line)));
                self.decode(line);
                return;
            }
            What::ConsoleLost { .. } => "port lost".to_owned(),
            What::ConsoleOpened { gap_ms, .. } => format!("port back; nothing is known of {gap_ms} ms"),
            What::Power { on, .. } => format!("power {}", if *on { "on" } else { "off" }),
            What::PowerCut { evidence, detail, .. } => {
                format!("power cut {}: {}", evidence.word(), hil_report::inert(detail))
            }
            What::Reset { how, .. } => format!("reset {how}"),
            What::Bench { note, .. } => hil_report::inert(note),
            What::Found { finding, detail, .. } if *finding != Finding::Backtrace => {
                format!("{finding:?}: {}", hil_report::inert(detail))
            }
            _ => return,
        };
        self.line(style(format!("[{}] --- {text}", event.at)).cyan().to_string());
    }

    /// Where the addresses in a line of a panic lead.
    fn decode(&self, line: &str) {
        let Some(symbols) = &self.symbols else { return };
        for place in symbols.places(line) {
            self.line(style(format!("            {place}")).yellow().to_string());
        }
    }

    fn line(&self, line: String) {
        say(if self.raw { format!("{line}\r") } else { line });
    }
}

/// By the level that ESP-IDF and the usual loggers write.
fn colored(line: &str) -> String {
    // What a device says must not steer the terminal.
    let text = hil_report::inert(line);
    let level = |idf: &str, word: &str| line.starts_with(idf) || line.contains(word);
    if level("E (", "ERROR") || line.contains("Guru Meditation") || line.contains("panicked at") {
        style(text).red().to_string()
    } else if level("W (", "WARN") {
        style(text).yellow().to_string()
    } else if level("D (", "DEBUG") || level("V (", "TRACE") {
        style(text).dim().to_string()
    } else {
        text
    }
}
