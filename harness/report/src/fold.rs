//! Folds events into verdicts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hil_timeline::{
    BoardInfo, Failure, PlannedScenario, RunEvent, ScenarioId, ScenarioInfo, Stamp, StepOutcome, Verdict, What,
};
use serde::Serialize;

/// What the first event says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunInfo {
    /// Version of `hil`.
    pub version: String,
    /// Wall clock at the start, milliseconds since 1970.
    pub unix_ms: u64,
    /// The bench.
    pub bench: String,
    /// Kind of broker.
    pub broker: String,
    /// Boards of the bench.
    pub boards: Vec<BoardInfo>,
    /// How many scenarios were to run.
    pub planned: usize,
}

/// One step of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepResult {
    /// `Given`, `When`, `Then`, `And`, …
    pub keyword: String,
    /// Its text.
    pub text: String,
    /// Its line in the feature file.
    pub line: usize,
    /// How it ended; none where it was not run or not finished.
    pub outcome: Option<StepOutcome>,
}

/// One scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScenarioResult {
    /// What it is.
    pub info: ScenarioInfo,
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not pass.
    pub failure: Option<Failure>,
    /// Its steps.
    pub steps: Vec<StepResult>,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Its last console lines and packets, for people; oldest first.
    #[serde(skip)]
    pub tail: Vec<String>,
    #[serde(skip)]
    started: Stamp,
}

impl ScenarioResult {
    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_micros(self.took_us)
    }

    /// The step that did not pass.
    #[must_use]
    pub fn failed_step(&self) -> Option<&StepResult> {
        let bad = |step: &&StepResult| step.outcome.as_ref().is_some_and(|outcome| outcome.verdict != Verdict::Passed);
        self.steps.iter().find(bad)
    }
}

/// How many scenarios ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Every step held.
    pub passed: usize,
    /// The firmware's fault.
    pub failed: usize,
    /// The bench's fault.
    pub errored: usize,
    /// The bench lacks what they need.
    pub skipped: usize,
    /// Ended from outside.
    pub aborted: usize,
}

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// What the first event says; none where a run was killed before it.
    pub info: Option<RunInfo>,
    /// Scenarios in the order in which they began.
    pub scenarios: Vec<ScenarioResult>,
    /// Exit code of a run that was not killed.
    pub exit_code: Option<u8>,
    /// Time from the first to the last event, in microseconds.
    pub took_us: u64,
}

impl RunSummary {
    /// Folds recorded events.
    #[must_use]
    pub fn of(events: &[RunEvent]) -> Self {
        let mut fold = Fold::default();
        for event in events {
            fold.take(event);
        }
        fold.finish()
    }

    /// Counts verdicts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for scenario in &self.scenarios {
            *match scenario.verdict {
                Verdict::Passed => &mut counts.passed,
                Verdict::Failed => &mut counts.failed,
                Verdict::Errored => &mut counts.errored,
                Verdict::Skipped => &mut counts.skipped,
                Verdict::Aborted => &mut counts.aborted,
            } += 1;
        }
        counts
    }
}

/// Folds a run event by event, as it happens or afterwards.
#[derive(Debug, Default)]
pub struct Fold {
    summary: RunSummary,
    open: BTreeMap<ScenarioId, usize>,
    unbegun: Vec<PlannedScenario>,
    last: Stamp,
}

/// Lines of console and traffic kept per scenario.
const TAIL: usize = 120;

impl Fold {
    /// Takes the next event; gives back the scenario that it finished, if it did.
    pub fn take(&mut self, event: &RunEvent) -> Option<&ScenarioResult> {
        self.last = event.at;
        match &event.what {
            What::RunStarted { version, unix_ms, bench, broker, boards, plan, .. } => {
                self.unbegun.clone_from(plan);
                self.summary.info = Some(RunInfo {
                    version: version.clone(),
                    unix_ms: *unix_ms,
                    bench: bench.clone(),
                    broker: broker.clone(),
                    boards: boards.clone(),
                    planned: plan.len(),
                });
                None
            }
            What::RunFinished { exit_code } => {
                self.summary.exit_code = Some(*exit_code);
                None
            }
            What::ScenarioStarted { info } => {
                let is_it = |planned: &PlannedScenario| {
                    (&planned.path, planned.line, &planned.name) == (&info.path, info.line, &info.name)
                };
                if let Some(at) = self.unbegun.iter().position(is_it) {
                    self.unbegun.remove(at);
                }
                self.open.insert(event.scenario?, self.summary.scenarios.len());
                self.summary.scenarios.push(ScenarioResult {
                    info: info.clone(),
                    // What never finishes was ended from outside.
                    verdict: Verdict::Aborted,
                    failure: None,
                    steps: Vec::new(),
                    took_us: 0,
                    tail: Vec::new(),
                    started: event.at,
                });
                None
            }
            _ => self.take_scenario_event(event),
        }
    }

    fn take_scenario_event(&mut self, event: &RunEvent) -> Option<&ScenarioResult> {
        let id = event.scenario?;
        let index = *self.open.get(&id)?;
        let scenario = self.summary.scenarios.get_mut(index)?;
        match &event.what {
            What::StepStarted { keyword, text, line } | What::StepNotRun { keyword, text, line } => {
                let (keyword, text) = (keyword.clone(), text.clone());
                scenario.steps.push(StepResult { keyword, text, line: *line, outcome: None });
            }
            What::StepFinished { outcome } => {
                if let Some(step) = scenario.steps.last_mut() {
                    step.outcome = Some(outcome.clone());
                }
            }
            What::ScenarioFinished { verdict, failure } => {
                scenario.verdict = *verdict;
                scenario.failure.clone_from(failure);
                scenario.took_us = micros(event.at.since(scenario.started));
                self.open.remove(&id);
                return self.summary.scenarios.get(index);
            }
            _ => {
                if let Some(line) = tail_line(event, scenario.started) {
                    if scenario.tail.len() == TAIL {
                        scenario.tail.remove(0);
                    }
                    scenario.tail.push(line);
                }
            }
        }
        None
    }

    /// The run as far as it was recorded.
    #[must_use]
    pub fn finish(mut self) -> RunSummary {
        for index in self.open.values() {
            if let Some(scenario) = self.summary.scenarios.get_mut(*index) {
                scenario.took_us = micros(self.last.since(scenario.started));
                scenario.failure = Some(Failure {
                    message: "the run ended while this scenario ran".to_owned(),
                    details: Vec::new(),
                    hint: None,
                });
            }
        }
        for PlannedScenario { feature, path, line, name } in std::mem::take(&mut self.unbegun) {
            self.summary.scenarios.push(ScenarioResult {
                info: ScenarioInfo { feature, path, line, name, tags: Vec::new(), boards: Vec::new() },
                verdict: Verdict::Aborted,
                failure: Some(Failure {
                    message: "the run ended before this scenario began".to_owned(),
                    details: Vec::new(),
                    hint: None,
                }),
                steps: Vec::new(),
                took_us: 0,
                tail: Vec::new(),
                started: self.last,
            });
        }
        self.summary.took_us = micros(self.last.since(Stamp::default()));
        self.summary
    }

    /// The run so far.
    #[must_use]
    pub fn so_far(&self) -> &RunSummary {
        &self.summary
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A console line, a packet or another sign of life, with its time within the scenario.
fn tail_line(event: &RunEvent, started: Stamp) -> Option<String> {
    use hil_timeline::{ConnectionChange, Direction};
    let on = |on: &bool| if *on { "on" } else { "off" };
    let line = match &event.what {
        What::Packet { board, direction, packet, .. } => match direction {
            Direction::FromBoard => format!("{board} -> {packet}"),
            Direction::ToBoard => format!("{board} <- {packet}"),
        },
        What::Console { board, line } => format!("{board} |  {line}"),
        What::Power { board, on: state, .. } => format!("{board} power {}", on(state)),
        What::Reset { board, .. } => format!("{board} reset"),
        What::Pin { board, pin, on: state, .. } => format!("{board} pin {pin} {}", on(state)),
        What::Fault { board, fault, phase } => format!("{board} {fault} {phase:?}").to_lowercase(),
        What::Found { board, finding, detail } => format!("{board} found {finding:?}: {detail}"),
        What::ConsoleLost { board } => format!("{board} console lost"),
        What::ConsoleOpened { board, gap_ms } => format!("{board} console back after {gap_ms} ms"),
        What::Bench { board, note } => format!("{board} bench: {note}"),
        What::Broker { running, .. } => format!("broker {}", if *running { "started" } else { "stopped" }),
        What::BrokerLog { line } => format!("broker: {line}"),
        What::BrokerDied { reason } => format!("broker died: {reason}"),
        What::Connection { board, change, .. } => match change {
            ConnectionChange::Opened => format!("{board} connection opened"),
            ConnectionChange::Upgraded { layer } => format!("{board} connection speaks {layer}"),
            ConnectionChange::Refused { reason } => format!("{board} connection refused: {reason}"),
            ConnectionChange::Closed { how } => format!("{board} connection {how}"),
        },
        _ => return None,
    };
    Some(format!("{:>9.3} s  {line}", event.at.seconds_from(started)))
}

/// Shares events with [`RunSummary::of`] where they are kept behind pointers.
impl FromIterator<Arc<RunEvent>> for RunSummary {
    fn from_iter<I: IntoIterator<Item = Arc<RunEvent>>>(events: I) -> Self {
        let mut fold = Fold::default();
        for event in events {
            fold.take(&event);
        }
        fold.finish()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use hil_timeline::{Direction, Packet, Payload, QoS, Timeline};

    use super::*;

    /// A small run with one scenario of each verdict, the last one unfinished before its last two events.
    pub(crate) fn sample() -> Vec<RunEvent> {
        let mut events = Vec::new();
        let mut push = |at: u64, scenario: Option<u32>, what: What| {
            let seq = events.len() as u64;
            events.push(RunEvent { seq, at: Stamp(at * 1000), scenario: scenario.map(ScenarioId), what });
        };
        let board = BoardInfo { name: "lamp".into(), kind: "virtual".into(), chip: "esp32c3".into(), simulated: true };
        push(
            0,
            None,
            What::RunStarted {
                schema: 1,
                version: "0.1.0".into(),
                unix_ms: 1_795_000_000_000,
                bench: "bench.toml".into(),
                broker: "embedded".into(),
                boards: vec![board],
                plan: vec![],
            },
        );
        let started = |name: &str, line| What::ScenarioStarted {
            info: ScenarioInfo {
                feature: "The lamp".into(),
                path: "features/lamp/on-off.feature".into(),
                line,
                name: name.into(),
                tags: vec![],
                boards: vec!["lamp".into()],
            },
        };
        let step = |text: &str, line| What::StepStarted { keyword: "Then".into(), text: text.into(), line };
        let failure = |message: &str| Failure {
            message: message.into(),
            details: vec!["closest: `saya mati` on `loger` at +0.31 s".into()],
            hint: Some("look at the \u{1}lamp <b>".into()),
        };
        let ends = [
            (1, Verdict::Passed, None),
            (2, Verdict::Failed, Some(failure("`lamp` published nothing"))),
            (3, Verdict::Errored, Some(failure("board `lamp` does not answer"))),
            (
                4,
                Verdict::Skipped,
                Some(Failure { message: "this bench has no `relay`".into(), details: vec![], hint: None }),
            ),
        ];
        for (id, verdict, failure) in ends {
            let n = Some(id);
            let at = u64::from(id) * 1000;
            push(at, n, started(if id < 3 { "on and off" } else { "others" }, id as usize * 10));
            push(at + 10, n, step("\"lamp\" publishes", id as usize * 10 + 2));
            let packet = Packet::Publish {
                topic: "loger".into(),
                payload: Payload::from("<script>alert(1)</script>"),
                qos: QoS::AtLeastOnce,
                retain: false,
                dup: false,
                packet_id: Some(1),
                aliased: false,
                properties: Vec::new(),
            };
            let direction = Direction::FromBoard;
            push(
                at + 20,
                n,
                What::Packet {
                    board: "lamp".into(),
                    connection: 1,
                    direction,
                    bytes: 30,
                    fate: None,
                    answer_us: None,
                    packet,
                },
            );
            push(at + 30, n, What::Console { board: "lamp".into(), line: "\u{1b}[31mred".into() });
            let outcome = StepOutcome { verdict, took_us: 20_000, mark: None, failure: failure.clone() };
            push(at + 40, n, What::StepFinished { outcome });
            push(at + 50, n, What::ScenarioFinished { verdict, failure });
        }
        push(9000, None, What::RunFinished { exit_code: 100 });
        events
    }

    #[test]
    fn verdicts_are_counted() {
        let run = RunSummary::of(&sample());
        let expected = Counts { passed: 1, failed: 1, errored: 1, skipped: 1, aborted: 0 };
        assert_eq!((run.counts(), run.exit_code), (expected, Some(100)));
        assert_eq!(run.scenarios[1].failed_step().map(|step| step.line), Some(22));
        assert_eq!(run.scenarios[0].took(), Duration::from_millis(50));
    }

    #[test]
    fn events_survive_the_trip_through_their_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("events.jsonl");
        let timeline = Timeline::in_file(hil_timeline::Epoch::start(), &path).expect("file");
        let written: Vec<_> = sample().into_iter().map(|event| timeline.record(event.scenario, event.what)).collect();
        let read = hil_timeline::read_events(&path).expect("readable");
        assert_eq!(read.iter().collect::<Vec<_>>(), written.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    }
}
