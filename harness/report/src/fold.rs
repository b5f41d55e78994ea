//! Folds events into verdicts.

use std::collections::{BTreeMap, HashMap};
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
    /// When it began, on the run's clock; none where it was not run.
    #[serde(skip)]
    pub began: Option<Stamp>,
    /// How it ended; none where it was not run or not finished.
    pub outcome: Option<StepOutcome>,
}

/// One time that a scenario was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// How it ended.
    pub verdict: Verdict,
    /// Why it did not pass.
    pub failure: Option<Failure>,
    /// Its steps.
    pub steps: Vec<StepResult>,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Its last console lines and packets, for people; oldest first. None where it passed.
    #[serde(skip)]
    pub tail: Vec<String>,
    #[serde(skip)]
    started: Stamp,
    #[serde(skip)]
    id: Option<ScenarioId>,
}

impl Attempt {
    /// By which number its events are recorded; none where it never began.
    #[must_use]
    pub fn id(&self) -> Option<ScenarioId> {
        self.id
    }

    /// Microseconds from its begin.
    #[must_use]
    pub fn within(&self, at: Stamp) -> u64 {
        micros(at.since(self.started))
    }

    /// The step that did not pass.
    #[must_use]
    pub fn failed_step(&self) -> Option<&StepResult> {
        let bad = |step: &&StepResult| step.outcome.as_ref().is_some_and(|outcome| outcome.verdict != Verdict::Passed);
        self.steps.iter().find(bad)
    }

    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_micros(self.took_us)
    }

    fn begun(started: Stamp, id: Option<ScenarioId>) -> Self {
        // What never finishes was ended from outside.
        let verdict = Verdict::Aborted;
        Self { verdict, failure: None, steps: Vec::new(), took_us: 0, tail: Vec::new(), started, id }
    }

    fn ended_from_outside(&mut self, message: &str) {
        self.failure = Some(Failure { message: message.to_owned(), details: Vec::new(), hint: None });
    }
}

/// One scenario, with all its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScenarioResult {
    /// What it is.
    pub info: ScenarioInfo,
    /// What its attempts amount to.
    pub verdict: Verdict,
    /// Each time that it was run; at least one.
    pub attempts: Vec<Attempt>,
}

impl ScenarioResult {
    /// The attempt that decided the verdict; where it is flaky, the last that did not pass.
    #[must_use]
    pub fn telling(&self) -> &Attempt {
        let decided = |attempt: &&Attempt| match self.verdict {
            Verdict::Flaky => attempt.verdict != Verdict::Passed,
            verdict => attempt.verdict == verdict,
        };
        let found = self.attempts.iter().rev().find(decided);
        found.unwrap_or(&self.attempts[self.attempts.len() - 1])
    }

    /// Why it did not pass, or not at once.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.telling().failure.as_ref()
    }

    /// How long its last attempt took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.attempts.last().map_or(Duration::ZERO, Attempt::took)
    }

    /// What attempts amount to: a failure of the firmware is not undone by a bench that then failed as well, only by a
    /// pass.
    fn judge(&mut self) {
        let has = |verdict| self.attempts.iter().any(|attempt| attempt.verdict == verdict);
        let last = self.attempts.last().map_or(Verdict::Aborted, |attempt| attempt.verdict);
        self.verdict = match last {
            Verdict::Passed if has(Verdict::Failed) || has(Verdict::Errored) => Verdict::Flaky,
            Verdict::Passed => Verdict::Passed,
            _ if has(Verdict::Failed) => Verdict::Failed,
            _ if has(Verdict::Errored) => Verdict::Errored,
            other => other,
        };
    }
}

/// What a board was made to run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, serde::Deserialize)]
pub struct FirmwareInfo {
    /// The board.
    pub board: String,
    /// Its name in the bench file.
    pub firmware: String,
    /// Beginning of its SHA-256.
    pub hash: String,
    /// Bytes.
    pub size: usize,
    /// What it says of itself.
    pub version: Option<String>,
}

/// How many scenarios ended how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
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
    /// Passed on a retry.
    pub flaky: usize,
}

impl Counts {
    /// Counts verdicts.
    #[must_use]
    pub fn of(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        let mut counts = Self::default();
        for verdict in verdicts {
            *match verdict {
                Verdict::Passed => &mut counts.passed,
                Verdict::Failed => &mut counts.failed,
                Verdict::Errored => &mut counts.errored,
                Verdict::Skipped => &mut counts.skipped,
                Verdict::Aborted => &mut counts.aborted,
                Verdict::Flaky => &mut counts.flaky,
            } += 1;
        }
        counts
    }

    /// Each verdict's word and count, in the order in which reports name them.
    #[must_use]
    pub fn words(&self) -> [(&'static str, usize); 6] {
        [
            ("passed", self.passed),
            ("flaky", self.flaky),
            ("failed", self.failed),
            ("errored", self.errored),
            ("skipped", self.skipped),
            ("aborted", self.aborted),
        ]
    }
}

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// What the first event says; none where a run was killed before it.
    pub info: Option<RunInfo>,
    /// What boards were made to run, each once.
    pub firmware: Vec<FirmwareInfo>,
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
        Counts::of(self.scenarios.iter().map(|scenario| scenario.verdict))
    }
}

/// Folds a run event by event, as it happens or afterwards.
#[derive(Debug, Default)]
pub struct Fold {
    summary: RunSummary,
    open: BTreeMap<ScenarioId, usize>,
    /// Where a scenario stands in the summary, by path, line and name.
    places: HashMap<Key, usize>,
    /// What is planned and has not begun, with its place in the plan.
    unbegun: HashMap<Key, (usize, PlannedScenario)>,
    last: Stamp,
}

/// Path, line and name.
type Key = (String, usize, String);

/// Lines of console and traffic kept per scenario.
const TAIL: usize = 120;

impl Fold {
    /// Takes the next event; gives back the scenario that it finished, if it did.
    pub fn take(&mut self, event: &RunEvent) -> Option<&ScenarioResult> {
        self.last = event.at;
        match &event.what {
            What::RunStarted { version, unix_ms, bench, broker, boards, plan, .. } => {
                let keyed = |(place, planned): (usize, &PlannedScenario)| {
                    ((planned.path.clone(), planned.line, planned.name.clone()), (place, planned.clone()))
                };
                self.unbegun = plan.iter().enumerate().map(keyed).collect();
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
            What::ScenarioStarted { info, attempt } => {
                self.begin(event.scenario?, info, *attempt, event.at);
                None
            }
            What::Firmware { board, firmware, hash, size, version } => {
                let (board, firmware, hash) = (board.clone(), firmware.clone(), hash.clone());
                let info = FirmwareInfo { board, firmware, hash, size: *size, version: version.clone() };
                if let Err(at) = self.summary.firmware.binary_search(&info) {
                    self.summary.firmware.insert(at, info);
                }
                None
            }
            _ => self.take_scenario_event(event),
        }
    }

    fn begin(&mut self, id: ScenarioId, info: &ScenarioInfo, attempt: u32, at: Stamp) {
        let key = (info.path.clone(), info.line, info.name.clone());
        self.unbegun.remove(&key);
        let known = self.places.get(&key).copied().filter(|_| attempt > 1);
        let place = known.unwrap_or_else(|| {
            self.summary.scenarios.push(ScenarioResult {
                info: info.clone(),
                verdict: Verdict::Aborted,
                attempts: Vec::new(),
            });
            self.summary.scenarios.len() - 1
        });
        self.places.insert(key, place);
        self.open.insert(id, place);
        if let Some(scenario) = self.summary.scenarios.get_mut(place) {
            scenario.attempts.push(Attempt::begun(at, Some(id)));
            scenario.judge();
        }
    }

    fn take_scenario_event(&mut self, event: &RunEvent) -> Option<&ScenarioResult> {
        let id = event.scenario?;
        let index = *self.open.get(&id)?;
        let scenario = self.summary.scenarios.get_mut(index)?;
        // A retry begins when the attempt before it has ended.
        let attempt = scenario.attempts.last_mut()?;
        match &event.what {
            What::StepStarted { keyword, text, line } | What::StepNotRun { keyword, text, line } => {
                let (keyword, text) = (keyword.clone(), text.clone());
                let began = matches!(event.what, What::StepStarted { .. }).then_some(event.at);
                attempt.steps.push(StepResult { keyword, text, line: *line, began, outcome: None });
            }
            What::StepFinished { outcome } => {
                if let Some(step) = attempt.steps.last_mut() {
                    step.outcome = Some(outcome.clone());
                }
            }
            What::ScenarioFinished { verdict, failure } => {
                attempt.verdict = *verdict;
                attempt.failure.clone_from(failure);
                attempt.took_us = micros(event.at.since(attempt.started));
                if *verdict == Verdict::Passed {
                    // Nobody looks for a cause; of many scenarios these lines would be most of what is kept.
                    attempt.tail = Vec::new();
                }
                scenario.judge();
                self.open.remove(&id);
                return self.summary.scenarios.get(index);
            }
            _ => {
                if let Some(line) = tail_line(event, attempt.started) {
                    if attempt.tail.len() == TAIL {
                        attempt.tail.remove(0);
                    }
                    attempt.tail.push(line);
                }
            }
        }
        None
    }

    /// The run as far as it was recorded.
    #[must_use]
    pub fn finish(mut self) -> RunSummary {
        for index in self.open.values() {
            let attempt = self.summary.scenarios.get_mut(*index).and_then(|scenario| scenario.attempts.last_mut());
            if let Some(attempt) = attempt {
                attempt.took_us = micros(self.last.since(attempt.started));
                attempt.ended_from_outside("the run ended while this scenario ran");
            }
        }
        let mut unbegun: Vec<_> = std::mem::take(&mut self.unbegun).into_values().collect();
        unbegun.sort_by_key(|(place, _)| *place);
        for (_, PlannedScenario { feature, path, line, name }) in unbegun {
            let mut attempt = Attempt::begun(self.last, None);
            attempt.ended_from_outside("the run ended before this scenario began");
            self.summary.scenarios.push(ScenarioResult {
                info: ScenarioInfo { feature, path, line, name, tags: Vec::new(), boards: Vec::new() },
                verdict: Verdict::Aborted,
                attempts: vec![attempt],
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

    /// One scenario with attempts that ended so.
    pub(crate) fn tried(verdicts: &[Verdict]) -> Vec<RunEvent> {
        let info = ScenarioInfo {
            feature: "The lamp".into(),
            path: "features/lamp/on-off.feature".into(),
            line: 7,
            name: "on and off".into(),
            tags: vec!["wifi".into()],
            boards: vec!["lamp".into()],
        };
        let mut events: Vec<RunEvent> = Vec::new();
        for (n, verdict) in (1..).zip(verdicts) {
            let failure = (*verdict != Verdict::Passed).then(|| Failure {
                message: format!("attempt {n} {}", verdict.word()),
                details: vec![],
                hint: None,
            });
            let outcome =
                StepOutcome { verdict: *verdict, took_us: 5000, mark: None, deadline: None, failure: failure.clone() };
            for what in [
                What::ScenarioStarted { info: info.clone(), attempt: n },
                What::StepStarted { keyword: "Then".into(), text: "it shines".into(), line: 9 },
                What::StepFinished { outcome },
                What::ScenarioFinished { verdict: *verdict, failure },
            ] {
                let seq = events.len() as u64;
                events.push(RunEvent { seq, at: Stamp(seq * 10_000), scenario: Some(ScenarioId(n)), what });
            }
        }
        events
    }

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
            attempt: 1,
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
            let outcome =
                StepOutcome { verdict, took_us: 20_000, mark: None, deadline: None, failure: failure.clone() };
            push(at + 40, n, What::StepFinished { outcome });
            push(at + 50, n, What::ScenarioFinished { verdict, failure });
        }
        push(9000, None, What::RunFinished { exit_code: 100 });
        events
    }

    #[test]
    fn verdicts_are_counted() {
        let run = RunSummary::of(&sample());
        let expected = Counts { passed: 1, failed: 1, errored: 1, skipped: 1, aborted: 0, flaky: 0 };
        assert_eq!((run.counts(), run.exit_code), (expected, Some(100)));
        assert_eq!(run.scenarios[1].telling().failed_step().map(|step| step.line), Some(22));
        assert_eq!(run.scenarios[0].took(), Duration::from_millis(50));
    }

    /// What a scenario's attempts amount to, and which of them tells.
    #[test]
    fn only_a_pass_undoes_a_failure() {
        use Verdict::{Aborted, Errored, Failed, Flaky, Passed, Skipped};
        for (attempts, verdict, telling) in [
            (&[Passed][..], Passed, 0),
            (&[Errored, Passed], Flaky, 0),
            (&[Failed, Errored, Passed], Flaky, 1),
            (&[Failed, Errored], Failed, 0),
            (&[Errored, Failed], Failed, 1),
            (&[Failed, Failed], Failed, 1),
            (&[Errored, Errored], Errored, 1),
            (&[Failed, Aborted], Failed, 0),
            (&[Errored, Skipped], Errored, 0),
            (&[Aborted], Aborted, 0),
        ] {
            let run = RunSummary::of(&tried(attempts));
            assert_eq!(run.scenarios.len(), 1, "{attempts:?}");
            let scenario = &run.scenarios[0];
            assert_eq!(scenario.verdict, verdict, "{attempts:?}");
            assert!(std::ptr::eq(scenario.telling(), &raw const scenario.attempts[telling]), "{attempts:?}");
        }
    }

    #[test]
    fn a_retry_that_is_cut_off_leaves_the_verdict_of_the_attempt_before() {
        let mut events = tried(&[Verdict::Errored, Verdict::Passed]);
        events.truncate(events.len() - 1);
        let run = RunSummary::of(&events);
        assert_eq!(
            (run.scenarios[0].verdict, run.scenarios[0].attempts[1].verdict),
            (Verdict::Errored, Verdict::Aborted)
        );
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
