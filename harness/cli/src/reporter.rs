//! Tells of a run while it happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use console::{StyledObject, style};
use hil_report::{Fold, ScenarioResult, latest_line, latest_lines, latest_verdict};
use hil_timeline::{Direction, FlashPhase, Follower, RunEvent, Verdict, What, escaped};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How much to tell.
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

/// Follows the timeline and prints. Progress is shown on a terminal only.
pub(crate) struct Reporter {
    detail: Detail,
    fold: Fold,
    screen: MultiProgress,
    flashes: BTreeMap<String, ProgressBar>,
    running: BTreeMap<u32, ProgressBar>,
}

impl Reporter {
    pub(crate) fn new(detail: Detail) -> Self {
        let screen = MultiProgress::new();
        Self { detail, fold: Fold::default(), screen, flashes: BTreeMap::new(), running: BTreeMap::new() }
    }

    /// Prints until the run's last event.
    pub(crate) async fn follow(mut self, mut events: Follower) {
        loop {
            let event = events.next().await;
            self.tell(&event);
            if matches!(event.what, What::RunFinished { .. }) {
                break;
            }
        }
        // Bars of whatever did not finish.
        let _ = self.screen.clear();
    }

    fn tell(&mut self, event: &Arc<RunEvent>) {
        match &event.what {
            What::ScenarioStarted { info, .. } => self.scenario_begins(event, &info.name),
            What::Flash { board, firmware, flash, .. } => self.flash(board, firmware, flash),
            _ => {}
        }
        if self.detail == Detail::Everything
            && let Some(line) = live_line(event)
        {
            self.line(style(line).dim().to_string());
        }
        let finished = self.fold.take(event).cloned();
        if let Some(scenario) = finished {
            if let Some(bar) = event.scenario.and_then(|id| self.running.remove(&id.0)) {
                bar.finish_and_clear();
            }
            self.scenario(&scenario);
        }
    }

    fn scenario_begins(&mut self, event: &RunEvent, name: &str) {
        let Some(id) = event.scenario.filter(|_| self.detail != Detail::Quiet) else { return };
        let bar = self.screen.add(ProgressBar::new_spinner());
        bar.set_style(template("{spinner} {wide_msg} {elapsed}"));
        bar.set_message(name.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        self.running.insert(id.0, bar);
    }

    fn scenario(&self, scenario: &ScenarioResult) {
        let passed = scenario.verdict == Verdict::Passed;
        if passed && self.detail == Detail::Quiet {
            return;
        }
        self.line(colored(latest_verdict(scenario), latest_line(scenario)).to_string());
        if self.detail >= Detail::Steps {
            for step in scenario.attempts.last().iter().flat_map(|attempt| &attempt.steps) {
                let word = step.outcome.as_ref().map_or("not run", |outcome| outcome.verdict.word());
                self.line(format!("         {word:>7}  {} {}", step.keyword, step.text));
            }
        }
        for line in latest_lines(scenario) {
            self.line(format!("         {line}"));
        }
    }

    fn flash(&mut self, board: &str, firmware: &str, phase: &FlashPhase) {
        if self.detail == Detail::Quiet {
            return;
        }
        match phase {
            FlashPhase::Progress { done, total } => {
                let screen = &self.screen;
                let bar = self.flashes.entry(board.to_owned()).or_insert_with(|| {
                    let bar = screen.add(ProgressBar::new(*total as u64));
                    bar.set_style(template("  {msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec}"));
                    bar.set_message(format!("flashing {firmware} to {board}"));
                    bar
                });
                bar.set_position(*done as u64);
            }
            FlashPhase::Finished { .. } | FlashPhase::Failed { .. } => {
                if let Some(bar) = self.flashes.remove(board) {
                    bar.finish_and_clear();
                }
            }
            FlashPhase::Connecting { .. } | FlashPhase::Region { .. } | FlashPhase::File { .. } => {}
        }
    }

    /// A line above the bars; plain output where there is no terminal.
    fn line(&self, line: String) {
        self.screen.suspend(|| crate::commands::say(line));
    }
}

fn template(text: &str) -> ProgressStyle {
    ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar())
}

pub(crate) fn colored(verdict: Verdict, line: String) -> StyledObject<String> {
    match verdict {
        Verdict::Passed => style(line).green(),
        Verdict::Failed => style(line).red(),
        Verdict::Errored => style(line).magenta(),
        Verdict::Skipped | Verdict::Aborted | Verdict::Flaky => style(line).yellow(),
    }
}

fn live_line(event: &RunEvent) -> Option<String> {
    let line = match &event.what {
        What::Packet { board, direction: Direction::FromBoard, packet, .. } => format!("{board} -> {packet}"),
        What::Packet { board, packet, .. } => format!("{board} <- {packet}"),
        What::Console { board, line } => format!("{board} |  {}", escaped(line)),
        What::Bench { board, note } => format!("{board} bench: {}", hil_report::inert(note)),
        What::ProtocolViolation { board, rule, .. } => format!("{board} violates the MQTT protocol: {rule}"),
        What::Stalled { ms } => format!("this machine stood still for {ms} ms"),
        What::Power { board, on, .. } => format!("{board} power {}", if *on { "on" } else { "off" }),
        What::PowerCut { board, evidence, detail } => {
            format!("{board} power cut {}: {}", evidence.word(), hil_report::inert(detail))
        }
        What::PinGap { board, pin, lost } => format!("{board} lost {lost} changes of the pin {pin}"),
        What::Flash { board, flash: FlashPhase::File { path, size }, .. } => {
            format!("{board} uploading {path}, {size} bytes")
        }
        What::Flash { board, flash: FlashPhase::Region { address, size }, .. } => {
            format!("{board} writing {size} bytes at {address:#x}")
        }
        _ => return None,
    };
    Some(format!("[{}] {line}", event.at))
}
