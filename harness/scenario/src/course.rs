//! The course of a run: which scenarios are retried, how often all of them are repeated, and when it stops early.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hil_timeline::{ScenarioId, ScenarioKey, Verdict};
use parking_lot::Mutex;

use crate::tags;
use crate::turn::Turns;

/// How often a scenario that did not pass is retried.
///
/// A value that is not set is taken from the scenario's tag `@retry(n)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retries {
    /// After a bench error that may be gone the next time. The default is 1.
    pub bench: Option<u32>,
    /// After a failure of the firmware. The default is 0.
    pub product: Option<u32>,
}

impl Retries {
    /// The default after a bench error.
    const BENCH: u32 = 1;

    /// How often a scenario with this end may be retried.
    fn allowed(self, ended: &Ended) -> u32 {
        let own = ended.tags.iter().filter_map(|tag| tags::retries(tag)).next_back();
        match ended.verdict {
            // Explicit values override the tag, except `@retry(0)`: such a scenario is never retried.
            Verdict::Failed | Verdict::Errored if own == Some(0) => 0,
            Verdict::Failed => self.product.or(own).unwrap_or(0),
            // Other errors need the user to change something first, such as to connect a board.
            Verdict::Errored if ended.transient => self.bench.or(own).unwrap_or(Self::BENCH),
            Verdict::Errored | Verdict::Passed | Verdict::Skipped | Verdict::Aborted | Verdict::Flaky => 0,
        }
    }
}

/// Why a scenario is skipped once another one failed.
pub const STOPPED: &str = "not run: `--fail-fast` ends the run at the first scenario that does not pass";

/// How to run a plan.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// How often a scenario that did not pass is retried.
    pub retries: Retries,
    /// How often each scenario runs; none for once, without numbers.
    pub repeat: Option<u32>,
    /// Repeats only until a scenario did not pass.
    pub until_fail: bool,
    /// Starts no other scenario once one did not pass.
    pub fail_fast: bool,
    /// The seed of the order; none for the longest first.
    pub shuffle: Option<u32>,
    /// The seed of the choice between boards that are equally good for a role; 0 for the first one.
    pub seed: u32,
    /// How long scenarios took before.
    pub expected: BTreeMap<ScenarioKey, Duration>,
    /// Scenarios that may fail.
    pub quarantined: BTreeSet<ScenarioKey>,
}

/// How an attempt at a scenario ended.
#[derive(Debug, Clone)]
pub struct Ended {
    /// Path, line and name.
    pub key: ScenarioKey,
    /// Its tags: they may say how often it is retried.
    pub tags: Vec<String>,
    /// Its verdict.
    pub verdict: Verdict,
    /// After a bench error: the next attempt may succeed.
    pub transient: bool,
    /// The boards that may be the cause of a bench error; empty if the error says nothing about boards.
    pub suspects: Vec<String>,
}

/// How often each scenario was retried, counted separately for bench errors and firmware failures.
#[derive(Debug, Default)]
struct Counts(BTreeMap<(ScenarioKey, bool), u32>);

impl Counts {
    /// The scenario's key if it is to be retried.
    fn take(&mut self, ended: &Ended, retries: Retries) -> Option<ScenarioKey> {
        let count = self.0.entry((ended.key.clone(), ended.verdict == Verdict::Errored)).or_default();
        (*count < retries.allowed(ended)).then(|| {
            *count += 1;
            ended.key.clone()
        })
    }

    /// Whether the scenario will be retried.
    fn allow(&self, ended: &Ended, retries: Retries) -> bool {
        let count = self.0.get(&(ended.key.clone(), ended.verdict == Verdict::Errored)).copied().unwrap_or_default();
        count < retries.allowed(ended)
    }
}

/// Boards of a scenario in earlier attempts.
#[derive(Debug, Default)]
struct Boards {
    latest: BTreeSet<String>,
    failed_on: BTreeSet<String>,
}

/// What the scenarios of a run share about its course: which are retried, and whether it stops early.
#[derive(Debug)]
pub struct Course {
    pub(crate) options: RunOptions,
    /// None where another process decides whose turn it is.
    pub(crate) turns: Option<Arc<Turns>>,
    /// The boards of names in steps, where another process has chosen them.
    pub(crate) bound: BTreeMap<String, String>,
    /// On which boards scenarios of this repetition ran last, and on which the bench failed them.
    boards: Mutex<BTreeMap<ScenarioKey, Boards>>,
    counts: Mutex<Counts>,
    /// Scenarios that ended in this attempt.
    ended: Mutex<Vec<Ended>>,
    has_failed: AtomicBool,
}

impl Course {
    /// A run with these options, whose scenarios another process hands out.
    #[must_use]
    pub fn new(options: RunOptions) -> Self {
        Self::of(options, None)
    }

    /// A run with these options, whose scenarios wait for their turns here.
    pub(crate) fn with_turns(options: RunOptions, turns: Arc<Turns>) -> Self {
        Self::of(options, Some(turns))
    }

    fn of(options: RunOptions, turns: Option<Arc<Turns>>) -> Self {
        Self {
            options,
            turns,
            bound: BTreeMap::new(),
            boards: Mutex::default(),
            counts: Mutex::default(),
            ended: Mutex::default(),
            has_failed: AtomicBool::new(false),
        }
    }

    /// The same with boards that another process has chosen for names in steps.
    pub(crate) fn bound_to(mut self, bound: BTreeMap<String, String>) -> Self {
        self.bound = bound;
        self
    }

    /// Notes the boards of an attempt, and those on which the bench failed it.
    pub(crate) fn note_boards(&self, key: &ScenarioKey, boards: Vec<String>, failed_on: Vec<String>) {
        let mut all = self.boards.lock();
        let of = all.entry(key.clone()).or_default();
        of.latest = boards.into_iter().collect();
        of.failed_on.extend(failed_on);
    }

    /// The boards on which the bench failed a scenario.
    pub(crate) fn failed_on(&self, key: &ScenarioKey) -> BTreeSet<String> {
        self.boards.lock().get(key).map(|of| of.failed_on.clone()).unwrap_or_default()
    }

    /// Whether the previous attempt of a scenario used one of these boards.
    pub(crate) fn used_before(&self, key: &ScenarioKey, boards: &[String]) -> bool {
        self.boards.lock().get(key).is_some_and(|of| boards.iter().any(|board| of.latest.contains(board)))
    }

    /// Whether a scenario that ended like this is tried again.
    pub(crate) fn tries_again(&self, ended: &Ended) -> bool {
        matches!(ended.verdict, Verdict::Failed | Verdict::Errored)
            && self.counts.lock().allow(ended, self.options.retries)
    }

    /// Notes that a scenario has ended. If the run has failed with it, no other scenario begins with `--fail-fast`.
    pub fn note_end(&self, ended: Ended) {
        let is_bad = matches!(ended.verdict, Verdict::Failed | Verdict::Errored);
        let is_last = !self.counts.lock().allow(&ended, self.options.retries);
        if is_bad && is_last && !self.options.quarantined.contains(&ended.key) {
            self.has_failed.store(true, Ordering::SeqCst);
        }
        self.ended.lock().push(ended);
    }

    /// Whether no other scenario may begin.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.options.fail_fast && self.has_failed.load(Ordering::SeqCst)
    }

    /// Whether the run ends after this repetition.
    #[must_use]
    pub fn is_last_repetition(&self) -> bool {
        (self.options.until_fail || self.options.fail_fast) && self.has_failed.load(Ordering::SeqCst)
    }

    /// The scenarios that ended since the last call and are tried again.
    #[must_use]
    pub fn take_again(&self) -> BTreeSet<ScenarioKey> {
        let ended = std::mem::take(&mut *self.ended.lock());
        let mut counts = self.counts.lock();
        ended.into_iter().filter_map(|ended| counts.take(&ended, self.options.retries)).collect()
    }

    /// How the scenario that ended last in this attempt did so.
    pub(crate) fn last_end(&self) -> Option<Ended> {
        self.ended.lock().last().cloned()
    }

    /// Begins a repetition, whose scenarios have all their retries.
    pub fn begin_repetition(&self) {
        *self.counts.lock() = Counts::default();
        self.boards.lock().clear();
        self.ended.lock().clear();
    }
}

/// One attempt at the scenarios of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pass {
    /// From 1.
    pub(crate) attempt: u32,
    /// From 1, if the run repeats its scenarios.
    pub(crate) repetition: Option<u32>,
    /// The number of the scenario, if another process has chosen it.
    pub(crate) id: Option<ScenarioId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bench_errors_are_retried_once_and_failures_only_on_request() {
        let allowed = |retries: Retries, verdict, tags: &[&str]| {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let (key, suspects) = ((String::new(), 1, String::new()), Vec::new());
            retries.allowed(&Ended { key, tags, verdict, transient: true, suspects })
        };
        let stays = Ended {
            key: (String::new(), 1, String::new()),
            tags: vec!["retry(3)".to_owned()],
            verdict: Verdict::Errored,
            transient: false,
            suspects: Vec::new(),
        };
        assert_eq!(
            Retries { bench: Some(5), product: Some(5) }.allowed(&stays),
            0,
            "the user must change the bench first"
        );
        let (usual, none, three) = (
            Retries::default(),
            Retries { bench: Some(0), product: Some(0) },
            Retries { bench: Some(1), product: Some(3) },
        );
        assert_eq!((allowed(usual, Verdict::Errored, &[]), allowed(usual, Verdict::Failed, &[])), (1, 0));
        assert_eq!((allowed(none, Verdict::Errored, &[]), allowed(none, Verdict::Failed, &[])), (0, 0));
        assert_eq!((allowed(three, Verdict::Errored, &[]), allowed(three, Verdict::Failed, &[])), (1, 3));
        assert_eq!(allowed(usual, Verdict::Failed, &["wifi", "retry(2)"]), 2);
        assert_eq!(allowed(three, Verdict::Failed, &["retry(0)"]), 0);
        assert_eq!((allowed(three, Verdict::Failed, &["retry"]), allowed(none, Verdict::Failed, &["retry"])), (3, 0));
        assert_eq!(allowed(usual, Verdict::Failed, &["retry"]), 1);
        assert_eq!(
            (allowed(none, Verdict::Errored, &["retry(3)"]), allowed(usual, Verdict::Errored, &["retry(3)"])),
            (0, 3)
        );
        for verdict in [Verdict::Passed, Verdict::Skipped, Verdict::Aborted] {
            assert_eq!(allowed(three, verdict, &["retry"]), 0);
        }
    }
}
