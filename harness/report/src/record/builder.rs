//! Gathers the measurements and the traffic of a run.

use std::collections::{BTreeMap, BTreeSet};

use hil_timeline::{
    ConnectionChange, Direction, Finding, FlashPhase, Packet, Provenance, RunEvent, ScenarioId, ScenarioKey, Stamp,
    StepInfo, StepKind, Verdict, What,
};

use super::metric::{Metric, MetricKind};
use super::traffic_lines::{Lines, traffic_line};
use super::{RECORD_SCHEMA, Record};
use crate::names::keys;
use crate::result::{RunSummary, ScenarioResult};

/// The maximum metrics of boards per run.
const MOST_METRICS: usize = 1000;

/// Gathers measurements event by event.
#[derive(Debug, Default)]
pub struct RecordBuilder {
    metrics: BTreeMap<Metric, Vec<f64>>,
    traffic: BTreeMap<ScenarioId, Lines>,
    /// The key of a scenario's measurements; a retry has the same.
    names: BTreeMap<ScenarioId, ScenarioKey>,
    steps: BTreeMap<ScenarioId, OpenStep>,
    step_metrics: Vec<(ScenarioId, String, f64)>,
    /// A board is one scenario's at a time; in a merged record, boards of several hosts may have one name.
    boards: BTreeMap<(ScenarioId, String), BoardState>,
}

/// The current step, and what was published since the mark.
#[derive(Debug, Default)]
struct OpenStep {
    number: usize,
    text: String,
    is_then: bool,
    mark: Option<Stamp>,
    published: Vec<(Stamp, String)>,
}

/// What a board waits for.
#[derive(Debug, Default)]
struct BoardState {
    started: Option<Stamp>,
    lost: Option<Stamp>,
    /// Its app has started since the latest boot.
    is_up: bool,
}

impl RecordBuilder {
    /// Takes the next event.
    pub fn take(&mut self, event: &RunEvent) {
        let Some(id) = event.scenario else { return };
        match &event.what {
            What::ScenarioStarted { info, .. } => {
                self.names.insert(id, info.key());
            }
            What::StepStarted(step) => self.step_begins(id, step),
            What::StepFinished { outcome } if outcome.verdict == Verdict::Passed => {
                self.step_ends(id, event.at, outcome.mark);
            }
            What::ScenarioFinished { .. } => {
                self.latencies(id);
                self.steps.remove(&id);
                self.boards.retain(|(of, _), _| *of != id);
            }
            What::Packet { .. } => self.packet(id, event),
            What::Gauge { board, gauge, value, .. } => {
                self.add(MetricKind::Gauge, format!("{gauge} of {board}"), *value)
            }
            what => self.board(id, event.at, what),
        }
    }

    fn step_begins(&mut self, id: ScenarioId, begun: &StepInfo) {
        self.traffic.entry(id).or_default().step();
        let step = self.steps.entry(id).or_default();
        step.number += 1;
        step.text = format!("{} {}", begun.keyword, begun.text);
        step.is_then = match (begun.kind, begun.keyword.as_str()) {
            (Some(kind), _) => kind == StepKind::Then,
            // Older records have only the keyword: `And` continues the previous one.
            (None, "Given" | "When") => false,
            (None, "Then") => true,
            (None, _) => step.is_then,
        };
    }

    fn step_ends(&mut self, id: ScenarioId, at: Stamp, mark: Option<Stamp>) {
        // Later messages belong to the new mark.
        let Some(step) = self.steps.get_mut(&id) else { return };
        if let Some(mark) = mark.filter(|_| step.is_then) {
            let name = format!("{}. {}", step.number, step.text);
            self.step_metrics.push((id, name, millis(at, mark)));
        }
        if mark != step.mark {
            let later = step.published.iter().position(|(at, _)| mark.is_some_and(|mark| *at >= mark));
            let later = later.map(|from| step.published.split_off(from)).unwrap_or_default();
            self.latencies(id);
            if let Some(step) = self.steps.get_mut(&id) {
                (step.mark, step.published) = (mark, later);
            }
        }
    }

    /// The first message on each topic since the mark that has just ended.
    fn latencies(&mut self, id: ScenarioId) {
        let Some(step) = self.steps.get_mut(&id) else { return };
        let published = std::mem::take(&mut step.published);
        let Some(mark) = step.mark else { return };
        let mut seen = BTreeSet::new();
        for (at, subject) in published.into_iter().filter(|(at, _)| *at >= mark) {
            if seen.insert(subject.clone()) {
                self.add(MetricKind::Latency, subject, millis(at, mark));
            }
        }
    }

    fn packet(&mut self, id: ScenarioId, event: &RunEvent) {
        if let Some((board, _, packet)) = event.what.sent_by_board()
            && let Some(line) = traffic_line(board, packet)
        {
            self.traffic.entry(id).or_default().add(line);
            if let (Packet::Publish { topic, .. }, Some(step)) = (packet, self.steps.get_mut(&id)) {
                step.published.push((event.at, format!("{board} on `{topic}`")));
            }
        }
        let accepted = match &event.what {
            What::Packet { board, direction: Direction::ToBoard, packet: Packet::Connack { code: 0, .. }, .. } => board,
            _ => return,
        };
        let lost = self.boards.get_mut(&(id, accepted.clone())).and_then(|state| state.lost.take());
        if let Some(lost) = lost {
            self.add(MetricKind::Reconnect, accepted.clone(), millis(event.at, lost));
        }
    }

    fn board(&mut self, id: ScenarioId, at: Stamp, what: &What) {
        let Some(board) = what.board() else { return };
        let state = self.boards.entry((id, board.to_owned())).or_default();
        match what {
            // A board that starts again connects for the first time. Runs before schema 2 do not record the effect.
            What::PowerSwitching { on: true, .. } => *state = BoardState::default(),
            What::Reset { .. } => *state = BoardState { started: Some(at), ..BoardState::default() },
            // A boot counts from the effect: from the driver's answer, or from the release of the reset.
            What::Power { on: true, .. } | What::ResetReleased { .. } => {
                // If the app is up before a slow driver answers, there is no boot to measure.
                state.started = Some(at).filter(|_| !state.is_up);
                state.lost = None;
            }
            What::Power { on: false, .. } => *state = BoardState::default(),
            What::Connection { change: ConnectionChange::Closed { .. }, .. } => state.lost = state.lost.or(Some(at)),
            What::Found { finding: Finding::AppStarted, .. } => {
                state.is_up = true;
                if let Some(started) = state.started.take() {
                    self.add(MetricKind::Boot, board.to_owned(), millis(at, started));
                }
            }
            What::Flash { firmware, flash: FlashPhase::Finished { written, skipped, took_ms }, .. } if *written > 0 => {
                // Skipped parts took no time to write.
                let subject = format!("{board} with {firmware}, {}", if *skipped == 0 { "all" } else { "in part" });
                #[expect(clippy::cast_precision_loss, reason = "a flash takes far less than 2^52 ms")]
                self.add(MetricKind::Flash, subject, *took_ms as f64);
            }
            _ => {}
        }
    }

    fn add(&mut self, kind: MetricKind, subject: String, value: f64) {
        let metric = Metric { kind, subject };
        if self.metrics.len() < MOST_METRICS || self.metrics.contains_key(&metric) {
            self.metrics.entry(metric).or_default().push(value);
        }
    }

    /// The record of the folded run.
    #[must_use]
    pub fn finish(mut self, name: &str, run: &RunSummary) -> Record {
        let names = keys(run);
        let keys: BTreeMap<ScenarioKey, String> =
            run.scenarios.iter().zip(&names).map(|(scenario, name)| (scenario.info.key(), name.clone())).collect();
        let key = |id: &ScenarioId| self.names.get(id).and_then(|name| keys.get(name)).cloned();
        for (id, step, value) in &self.step_metrics {
            let Some(scenario) = key(id) else { continue };
            let metric = Metric { kind: MetricKind::Step, subject: format!("{scenario}: {step}") };
            self.metrics.entry(metric).or_default().push(*value);
        }
        let mut traffic: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
        for (id, lines) in &self.traffic {
            // The last attempt counts: only it covers the whole scenario if any does.
            let kept = lines.kept();
            if let Some(key) = key(id).filter(|_| !kept.is_empty()) {
                traffic.insert(key, kept);
            }
        }
        let info = run.info.as_ref();
        Record {
            schema: RECORD_SCHEMA,
            run: name.to_owned(),
            unix_ms: info.map_or(0, |info| info.unix_ms),
            bench: info.map_or(String::new(), |info| info.bench.clone()),
            provenance: info.map_or_else(Provenance::default, |info| info.provenance.clone()),
            broker: info.map_or(String::new(), |info| info.broker.clone()),
            boards: info.map_or(Vec::new(), |info| info.boards.clone()),
            firmware: run.firmware.clone(),
            exit_code: run.exit_code,
            parts: Vec::new(),
            regressed: false,
            scenarios: verdicts(&names, run),
            failures: names
                .iter()
                .zip(&run.scenarios)
                .filter_map(|(name, it)| Some((name.clone(), why(it)?)))
                .collect(),
            quarantined: names
                .iter()
                .zip(&run.scenarios)
                .filter(|(_, it)| it.is_excused())
                .map(|(name, _)| name.clone())
                .collect(),
            times: names.iter().zip(&run.scenarios).filter_map(|(name, it)| Some((name.clone(), took(it)?))).collect(),
            metrics: self.metrics,
            traffic,
        }
    }
}

/// The verdict of each scenario; of several repetitions, the worst.
fn verdicts(names: &[String], run: &RunSummary) -> BTreeMap<String, Verdict> {
    let mut all: BTreeMap<String, Verdict> = BTreeMap::new();
    for (name, verdict) in names.iter().zip(run.scenarios.iter().map(of_the_firmware)) {
        let worst = all.entry(name.clone()).or_insert(verdict);
        if weight(verdict) > weight(*worst) {
            *worst = verdict;
        }
    }
    all
}

/// How bad a verdict is among repetitions: one that did not run says nothing.
fn weight(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Skipped => 0,
        Verdict::Aborted => 1,
        Verdict::Passed => 2,
        Verdict::Flaky => 3,
        Verdict::Errored => 4,
        Verdict::Failed => 5,
    }
}

/// How long a scenario took, in milliseconds; none if it did not run to its end.
fn took(scenario: &ScenarioResult) -> Option<u64> {
    let ran = !matches!(scenario.verdict, Verdict::Skipped | Verdict::Aborted);
    ran.then(|| u64::try_from(scenario.took().as_millis()).unwrap_or(u64::MAX))
}

/// The result of the firmware: a bench error that disappeared on the second attempt does not count.
fn of_the_firmware(scenario: &ScenarioResult) -> Verdict {
    let failed = scenario.attempts.iter().any(|attempt| attempt.verdict == Verdict::Failed);
    if scenario.verdict == Verdict::Flaky && !failed { Verdict::Passed } else { scenario.verdict }
}

/// Why a scenario did not pass, in one line.
fn why(scenario: &ScenarioResult) -> Option<String> {
    let attempt = scenario.telling();
    let message = &attempt.failure.as_ref()?.message;
    Some(match attempt.failed_step() {
        Some(step) => format!("{} {}: {message}", step.info.keyword, step.info.text.trim_end_matches(':')),
        None => message.clone(),
    })
}

/// Rounded to tenths: precise enough, and short in a file.
fn millis(at: Stamp, since: Stamp) -> f64 {
    (at.seconds_from(since) * 10_000.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_counts_from_the_effect_and_not_from_the_request() {
        let lamp = || "lamp".to_owned();
        let switching = || What::PowerSwitching { board: lamp(), on: true };
        let power = || What::Power { board: lamp(), rail: "plug".to_owned(), on: true };
        let (reset, released) =
            (|| What::Reset { board: lamp(), how: String::new() }, || What::ResetReleased { board: lamp() });
        let started = || What::Found { board: lamp(), finding: Finding::AppStarted, detail: String::new() };
        let boots = |events: Vec<(u64, What)>| {
            let mut recording = RecordBuilder::default();
            for (seq, (ms, what)) in events.into_iter().enumerate() {
                let at = Stamp(ms * 1000);
                recording.take(&RunEvent { seq: seq as u64, at, scenario: Some(ScenarioId(1)), what });
            }
            let record = recording.finish("r", &RunSummary::default());
            let boots = record.metrics.iter().filter(|(metric, _)| metric.kind == MetricKind::Boot);
            boots.flat_map(|(_, values)| values.clone()).collect::<Vec<_>>()
        };
        assert_eq!(boots(vec![(0, switching()), (2000, power()), (2500, started())]), [500.0]);
        assert_eq!(boots(vec![(0, reset()), (100, released()), (400, started())]), [300.0]);
        // The app was up before a person had pressed Enter; a later boot is another one.
        assert!(boots(vec![(0, switching()), (900, started()), (20_000, power()), (30_000, started())]).is_empty());
        assert_eq!(boots(vec![(0, reset()), (400, started())]), [400.0], "as in runs that record no release");
    }
}
