//! The result of a run: its scenarios, attempts and verdicts.

use std::collections::BTreeMap;
use std::time::Duration;

use hil_timeline::{
    BoardInfo, Choice, Failure, HostName, Provenance, Runs, ScenarioId, ScenarioInfo, Stamp, StepInfo, StepOutcome,
    Verdict,
};
use serde::{Deserialize, Serialize};

/// Data of the first event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunInfo {
    /// Version of `hil`.
    pub version: String,
    /// Wall clock at the start, milliseconds since 1970.
    pub unix_ms: u64,
    /// The bench.
    pub bench: String,
    /// The project file whose firmware it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// Kind of broker.
    pub broker: String,
    /// Boards of the bench.
    pub boards: Vec<BoardInfo>,
    /// The commit, the job and the computer.
    #[serde(skip_serializing_if = "Provenance::is_empty")]
    pub provenance: Provenance,
    /// How many scenarios were planned.
    pub planned: usize,
    /// What was chosen of all scenarios, and how often it runs.
    #[serde(skip_serializing_if = "Choice::is_default")]
    pub choice: Choice,
}

/// One step of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StepResult {
    /// Its text and place.
    #[serde(flatten)]
    pub info: StepInfo,
    /// When it began, on the run's clock; none if it did not run.
    #[serde(skip)]
    pub began: Option<Stamp>,
    /// How it ended; none if it did not run or did not finish.
    pub outcome: Option<StepOutcome>,
}

/// One attempt at a scenario.
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
    /// Where it ran, in a run on several hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
    /// The board that played each of its roles.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, String>,
    /// Its last console lines and packets as text, oldest first. None if it passed.
    #[serde(skip)]
    pub tail: Vec<String>,
    #[serde(skip)]
    pub(crate) started: Stamp,
    #[serde(skip)]
    pub(crate) id: Option<ScenarioId>,
}

impl Attempt {
    /// The id of its events; none if it never began.
    #[must_use]
    pub fn id(&self) -> Option<ScenarioId> {
        self.id
    }

    /// Microseconds since it began.
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

    pub(crate) fn begun(started: Stamp, id: Option<ScenarioId>, host: Option<HostName>) -> Self {
        // An attempt that never finishes is aborted.
        let verdict = Verdict::Aborted;
        let (steps, tail, roles) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { verdict, failure: None, steps, took_us: 0, host, roles, tail, started, id }
    }

    /// Which board played each of its roles: `lamp on lamp-2, sensor on dht-1`; empty without roles.
    #[must_use]
    pub fn cast(&self) -> String {
        self.roles.iter().map(|(role, board)| format!("{role} on {board}")).collect::<Vec<_>>().join(", ")
    }

    pub(crate) fn ended_from_outside(&mut self, message: &str) {
        self.failure = Some(Failure { message: message.to_owned(), details: Vec::new(), hint: None });
    }
}

/// One scenario, with all its attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ScenarioResult {
    /// Its name and place.
    pub info: ScenarioInfo,
    /// Which repetition it is, if the run repeats its scenarios: each is a result of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition: Option<u32>,
    /// The verdict of all attempts.
    pub verdict: Verdict,
    /// Its attempts; at least one.
    pub attempts: Vec<Attempt>,
}

impl ScenarioResult {
    /// It did not pass, but is in quarantine: it does not make the run fail.
    #[must_use]
    pub fn is_excused(&self) -> bool {
        self.info.quarantine.is_some() && matches!(self.verdict, Verdict::Failed | Verdict::Errored | Verdict::Flaky)
    }

    /// The word that reports show: that of its verdict, or `quarantined` for a failure that is excused.
    #[must_use]
    pub fn word(&self) -> &'static str {
        if self.is_excused() { "quarantined" } else { self.verdict.word() }
    }

    /// Its name, with the repetition if there is one.
    #[must_use]
    pub fn title(&self) -> String {
        match self.repetition {
            Some(n) => format!("{} (repetition {n})", self.info.name),
            None => self.info.name.clone(),
        }
    }

    /// The attempt that decided the verdict; for a flaky scenario, the last one that did not pass.
    #[must_use]
    pub fn telling(&self) -> &Attempt {
        let decided = |attempt: &&Attempt| match self.verdict {
            Verdict::Flaky => attempt.verdict != Verdict::Passed,
            verdict => attempt.verdict == verdict,
        };
        let found = self.attempts.iter().rev().find(decided);
        found.unwrap_or(&self.attempts[self.attempts.len() - 1])
    }

    /// Why it did not pass, or not at the first attempt.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        self.telling().failure.as_ref()
    }

    /// How long its last attempt took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.attempts.last().map_or(Duration::ZERO, Attempt::took)
    }

    /// The verdict of all attempts: a failure of the firmware is not undone by a later bench error, only by a pass.
    pub(crate) fn judge(&mut self) {
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

/// A host of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HostResult {
    /// Its name.
    pub name: HostName,
    /// Its bench.
    pub bench: String,
    /// Beginning of the SHA-256 of its bench file.
    pub bench_hash: String,
    /// Why it did not take part to the end; none if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<String>,
    /// The largest uncertainty of its clock in a measurement, in microseconds.
    pub clock_within_us: u64,
}

/// A board that a run set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// The board.
    pub board: String,
    /// What the bench failed at on it.
    pub reasons: Vec<String>,
}

/// The firmware of a board.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FirmwareInfo {
    /// The board.
    pub board: String,
    /// Its name in the bench file.
    pub firmware: String,
    /// Beginning of its SHA-256.
    pub hash: String,
    /// Bytes.
    pub size: usize,
    /// Its own version.
    pub version: Option<String>,
    /// What runs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<Runs>,
    /// The host of the board, in a run on several hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostName>,
}

impl FirmwareInfo {
    /// Its board, with the host if there are several.
    #[must_use]
    pub fn board_name(&self) -> String {
        self.host.as_ref().map_or_else(|| self.board.clone(), |host| format!("{host}/{}", self.board))
    }
}

/// The number of scenarios for each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Every step passed.
    pub passed: usize,
    /// The firmware failed.
    pub failed: usize,
    /// The bench failed.
    pub errored: usize,
    /// The bench lacks what they need.
    pub skipped: usize,
    /// Ended from outside.
    pub aborted: usize,
    /// Passed on a retry.
    pub flaky: usize,
    /// Did not pass, or not at once, but are in quarantine: in none of the other numbers.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub quarantined: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn is_zero(count: &usize) -> bool {
    *count == 0
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

    /// The word and count of each verdict, in the order of reports.
    #[must_use]
    pub fn words(&self) -> [(&'static str, usize); 7] {
        [
            ("passed", self.passed),
            ("flaky", self.flaky),
            ("failed", self.failed),
            ("errored", self.errored),
            ("skipped", self.skipped),
            ("aborted", self.aborted),
            ("quarantined", self.quarantined),
        ]
    }
}

/// A whole run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunSummary {
    /// Data of the first event; none if the run was killed before it.
    pub info: Option<RunInfo>,
    /// The firmware of the boards, each once.
    pub firmware: Vec<FirmwareInfo>,
    /// The hosts, in the order in which they joined; none if it ran on one machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostResult>,
    /// Boards that were set aside, in the order in which they were.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set_aside: Vec<SetAside>,
    /// Scenarios in the order in which they began.
    pub scenarios: Vec<ScenarioResult>,
    /// Exit code, unless the run was killed.
    pub exit_code: Option<u8>,
    /// Time from the first to the last event, in microseconds.
    pub took_us: u64,
}

impl RunSummary {
    /// Counts verdicts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let (excused, others): (Vec<_>, Vec<_>) = self.scenarios.iter().partition(|scenario| scenario.is_excused());
        let counts = Counts::of(others.iter().map(|scenario| scenario.verdict));
        Counts { quarantined: excused.len(), ..counts }
    }

    /// Whether the run came to its end: it was neither killed nor ended from outside.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        is_whole(self.exit_code)
    }
}

/// Whether a run with this exit code came to its end.
pub(crate) fn is_whole(exit_code: Option<u8>) -> bool {
    exit_code.is_some_and(|code| code != ENDED_FROM_OUTSIDE)
}

/// The exit code of a run that was ended from outside.
const ENDED_FROM_OUTSIDE: u8 = 130;

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
