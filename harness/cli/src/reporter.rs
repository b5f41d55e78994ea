//! Prints a run while it happens.

use std::sync::Arc;

use console::Style;
use hil_report::{Fold, ScenarioResult, inert, latest_line, latest_lines, latest_verdict};
use hil_timeline::{ConsoleMask, Direction, FlashPhase, Follower, RunEvent, Verdict, What, event_text};

use crate::output::{Bar, Line, console_mask, draw, follow_up};

/// How much to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// Failures only.
    Quiet,
    /// A line for each scenario.
    Normal,
    /// Each step as well.
    Steps,
    /// Each packet and console line as well.
    Everything,
}

impl Detail {
    pub(crate) fn of(quiet: bool, verbose: u8) -> Self {
        match (quiet, verbose) {
            (true, _) => Self::Quiet,
            (false, 0) => Self::Normal,
            (false, 1) => Self::Steps,
            (false, _) => Self::Everything,
        }
    }
}

/// Follows the timeline and prints, at the pace of its reader. Progress is shown only on a terminal.
pub(crate) struct Reporter {
    detail: Detail,
    fold: Fold,
    consoles: ConsoleMask,
}

impl Reporter {
    pub(crate) fn new(detail: Detail) -> Self {
        Self { detail, fold: Fold::default(), consoles: console_mask() }
    }

    /// Prints until the run's last event.
    pub(crate) async fn follow(mut self, mut events: Follower) {
        loop {
            let event = events.next().await;
            self.show(&event).await;
            if matches!(event.what, What::RunFinished { .. }) {
                break;
            }
        }
        draw(Bar::Clear).await;
    }

    async fn show(&mut self, event: &Arc<RunEvent>) {
        if self.detail != Detail::Quiet
            && let Some(bar) = progress(event)
        {
            draw(bar).await;
        }
        if self.detail == Detail::Everything
            && let Some(line) = live_line(event, &mut self.consoles)
        {
            follow_up(Line::new().paint(Style::new().dim(), line)).await;
        }
        let finished = self.fold.take(event).cloned();
        if let Some(scenario) = finished {
            if let Some(id) = event.scenario {
                draw(Bar::ScenarioEnds { id: id.0 }).await;
            }
            self.scenario(&scenario).await;
        }
    }

    async fn scenario(&self, scenario: &ScenarioResult) {
        let passed = scenario.verdict == Verdict::Passed;
        if passed && self.detail == Detail::Quiet {
            return;
        }
        follow_up(Line::new().paint(style(latest_verdict(scenario)), latest_line(scenario))).await;
        if self.detail >= Detail::Steps {
            for step in scenario.attempts.last().iter().flat_map(|attempt| &attempt.steps) {
                let word = step.outcome.as_ref().map_or("not run", |outcome| outcome.verdict.word());
                follow_up(inert(&format!("         {word:>7}  {} {}", step.info.keyword, step.info.text))).await;
            }
        }
        for line in latest_lines(scenario) {
            follow_up(format!("         {line}")).await;
        }
    }
}

/// How an event changes the progress display.
fn progress(event: &RunEvent) -> Option<Bar> {
    match &event.what {
        What::ScenarioStarted { info, .. } => {
            event.scenario.map(|id| Bar::ScenarioBegins { id: id.0, name: info.name.clone() })
        }
        What::Flash { board, firmware, flash: FlashPhase::Progress { done, total }, .. } => Some(Bar::Flashing {
            board: board.clone(),
            firmware: firmware.clone(),
            done: *done as u64,
            total: *total as u64,
        }),
        What::Flash { board, flash: FlashPhase::Finished { .. } | FlashPhase::Failed { .. }, .. } => {
            Some(Bar::FlashEnds { board: board.clone() })
        }
        _ => None,
    }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Passed => Style::new().green(),
        Verdict::Failed => Style::new().red(),
        Verdict::Errored => Style::new().magenta(),
        Verdict::Skipped | Verdict::Aborted | Verdict::Flaky => Style::new().yellow(),
    }
}

/// The line that `-vv` prints for an event, if any.
fn live_line(event: &RunEvent, consoles: &mut ConsoleMask) -> Option<String> {
    let line = match &event.what {
        What::Packet { board, direction: Direction::FromBoard, packet, .. } => format!("{board} -> {packet}"),
        What::Packet { board, packet, .. } => format!("{board} <- {packet}"),
        What::Console { board, line } => format!("{board} |  {}", consoles.line(board, line)),
        What::Bench { board, note } => format!("{board} bench: {note}"),
        What::Power { board, on, .. } => format!("{board} power {}", if *on { "on" } else { "off" }),
        What::ProtocolViolation { board, .. }
        | What::Service { board, .. }
        | What::PowerCut { board, .. }
        | What::PinGap { board, .. }
        | What::Flash { board, flash: FlashPhase::File { .. } | FlashPhase::Region { .. }, .. } => {
            format!("{board} {}", event_text(event)?)
        }
        What::RecordFull { .. } | What::RecordDropped { .. } | What::Stalled { .. } => event_text(event)?,
        _ => return None,
    };
    // Text from devices and drivers may contain control characters.
    Some(inert(&format!("[{}] {line}", event.at)))
}
