//! From a reset to a running app, as the console shows it.

use std::time::Duration;

use hil_config::Firmware;
use hil_timeline::{ConnectionChange, Cursor, Finding, RunEvent, What};
use tokio::time::Instant;

use super::Board;
use crate::error::BenchError;

/// How a boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Booted {
    /// The app runs.
    Running,
    /// The chip boots, but its app never runs or never becomes ready: the firmware's fault.
    Refused {
        /// What the console showed.
        reason: String,
    },
}

impl Board {
    /// A silent app counts as running if the ROM has handed over to the bootloader and nothing was printed for this
    /// long: a bootloader takes less to look for an app, and reports a missing one.
    const QUIET: Duration = Duration::from_secs(2);
    /// How long a port that vanishes during a boot may stay away.
    const REAPPEARS: Duration = Duration::from_secs(3);

    /// Waits for the app after a reset.
    ///
    /// # Errors
    /// If nothing is heard at all or the port vanishes: the bench's fault.
    pub async fn wait_for_boot(&self, firmware: &Firmware, from: Cursor) -> Result<Booted, BenchError> {
        let timeline = self.scope.recorder().timeline().clone();
        let limit = hil_config::ready_within(Some(&self.config), Some(firmware));
        let deadline = Instant::now() + limit;
        let vanished = || BenchError::PortVanished { board: self.name().to_owned() };
        let mut seen = Seen::default();
        let mut from = from;
        let mut until = deadline;
        loop {
            let waited = timeline.wait_for(from, until, |event| self.boot_step(firmware, event, &mut seen)).await;
            match waited {
                Ok(Step::Unsupported(what)) => {
                    return Err(BenchError::Unsupported { board: self.name().to_owned(), what });
                }
                Ok(Step::EmulatorEnded(detail)) => return Err(self.emulator_ended(&detail)),
                Ok(Step::Booted(booted)) => return Ok(booted),
                // A native USB port disappears and returns with the chip.
                Ok(Step::Lost(at)) => (from, until) = (at, deadline.min(Instant::now() + Self::REAPPEARS)),
                Ok(Step::Back(at)) => (from, until) = (at, deadline),
                Ok(Step::Said(at)) => (from, until) = (at, deadline.min(Instant::now() + Self::QUIET)),
                Err(_) if seen.handed_over => return Ok(Booted::Running),
                Err(_) if until < deadline || self.console.as_ref().is_some_and(|console| !console.is_open()) => {
                    return Err(vanished());
                }
                Err(_) if !seen.anything && self.program.is_none() => {
                    return Err(BenchError::Silent { board: self.name().to_owned() });
                }
                Err(_) => return Ok(Booted::Refused { reason: seen.why_not_ready(firmware, limit) }),
            }
        }
    }

    fn emulator_ended(&self, detail: &str) -> BenchError {
        let mut lines = detail.lines().map(str::to_owned);
        let how = lines.next().unwrap_or_default();
        BenchError::EmulatorEnded { board: self.name().to_owned(), how, said: lines.collect() }
    }

    fn boot_step(&self, firmware: &Firmware, event: &RunEvent, seen: &mut Seen) -> Option<Step> {
        if event.what.board() != Some(self.name()) {
            return None;
        }
        match &event.what {
            What::ConsoleLost { .. } => Some(Step::Lost(Cursor::after(event))),
            What::ConsoleOpened { .. } => Some(Step::Back(Cursor::after(event))),
            What::Console { line, .. } => {
                seen.anything = true;
                seen.note(line);
                match &firmware.ready {
                    Some(ready) => ready
                        .is_match(&hil_verdict::compared(ready.as_str(), line))
                        .then_some(Step::Booted(Booted::Running)),
                    // Each line without an error starts the quiet time again.
                    None => seen.handed_over.then(|| Step::Said(Cursor::after(event))),
                }
            }
            // It has started its network, so it runs.
            What::Connection { change: ConnectionChange::Opened, .. } if firmware.ready.is_none() => {
                Some(Step::Booted(Booted::Running))
            }
            What::Found { finding: Finding::Ended, detail, .. } => {
                let said =
                    if seen.last_line.is_empty() { "nothing".to_owned() } else { format!("`{}`", seen.last_line) };
                Some(Step::Booted(Booted::Refused { reason: format!("it ended {detail}; it said {said}") }))
            }
            What::Found { finding: Finding::Unsupported, detail, .. } => Some(Step::Unsupported(detail.clone())),
            What::Found { finding: Finding::EmulatorEnded, detail, .. } => Some(Step::EmulatorEnded(detail.clone())),
            What::Found { finding: Finding::AppStarted, .. } if firmware.ready.is_none() => {
                Some(Step::Booted(Booted::Running))
            }
            What::Found { finding: Finding::BootLoop, detail, .. } => {
                let because = seen.last_error.as_ref().map(|line| format!(", after `{line}`")).unwrap_or_default();
                Some(Step::Booted(Booted::Refused { reason: format!("it boot-loops ({detail}){because}") }))
            }
            _ => None,
        }
    }
}

/// What happened while waiting for a boot.
enum Step {
    Booted(Booted),
    /// The port vanished.
    Lost(Cursor),
    /// It is there again.
    Back(Cursor),
    /// The ROM has handed over, and a line came.
    Said(Cursor),
    /// The emulator has ended by itself.
    EmulatorEnded(String),
    /// The board lacks what the firmware needs.
    Unsupported(String),
}

/// What was heard while waiting for a boot.
#[derive(Debug, Default)]
struct Seen {
    anything: bool,
    last_line: String,
    last_error: Option<String>,
    /// The ROM has handed over to the bootloader, and nothing has gone wrong since.
    handed_over: bool,
}

impl Seen {
    fn note(&mut self, line: &str) {
        line.clone_into(&mut self.last_line);
        let is_error = line.starts_with("E (") || line.contains("invalid header") || line.contains("Guru Meditation");
        let is_last_of_rom = line.starts_with("entry 0x") || line.starts_with("~ld");
        let is_boot = line.contains("rst:0x") || line.contains("rst cause:");
        self.handed_over = (self.handed_over || is_last_of_rom) && !is_error && !is_boot;
        // The first error is the cause of those that follow.
        if is_error && self.last_error.is_none() {
            self.last_error = Some(line.to_owned());
        }
    }

    fn why_not_ready(&self, firmware: &Firmware, limit: Duration) -> String {
        let awaited = match &firmware.ready {
            Some(ready) => format!("the console did not show /{ready}/"),
            None => "there was no sign of the app".to_owned(),
        };
        let line = self.last_error.as_ref().unwrap_or(&self.last_line);
        let line = if line.is_empty() { "nothing" } else { line };
        format!("{awaited} within {} s of the reset (`ready-within`); it said `{line}`", limit.as_secs_f64())
    }
}
