//! Runs single scenarios, for runs whose scenarios another process hands out.

use std::collections::BTreeMap;
use std::panic::PanicHookInfo;
use std::sync::Arc;

use hil_timeline::{ScenarioId, ScenarioKey, Verdict};
use parking_lot::Mutex;

use crate::context::RunContext;
use crate::course::{Course, Pass, RunOptions};
use crate::plan::Plan;
use crate::run::run_attempt;
use crate::turn::Turns;

/// How an attempt at a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnd {
    /// Its verdict.
    pub verdict: Verdict,
    /// After a bench error: the next attempt may succeed on the same boards.
    pub transient: bool,
    /// The boards that may be the cause of a bench error; empty if the error says nothing about boards.
    pub suspects: Vec<String>,
}

/// Which attempt at a scenario it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The number of its events in the run.
    pub id: ScenarioId,
    /// From 1.
    pub attempt: u32,
    /// From 1, if the run repeats its scenarios.
    pub repetition: Option<u32>,
    /// The board of each name in its steps.
    pub bound: BTreeMap<String, String>,
    /// The attempt before it used one of these boards: they are recovered first.
    pub recovers: bool,
}

/// Runs a plan of one scenario once; what happens is on the context's timeline. It waits for its boards, so several may
/// be started at once.
pub async fn run_one(context: &Arc<RunContext>, plan: Plan, attempt: Attempt) -> AttemptEnd {
    let _quiet = QuietPanics::begin();
    let Attempt { id, attempt, repetition, bound, recovers } = attempt;
    let turns = Turns::new(context.bench.config(), 0, true, context.timeline.recorder(None));
    let course = Course::with_turns(RunOptions::default(), Arc::new(turns)).bound_to(bound);
    if recovers && let Some(info) = plan.list(None).pop() {
        course.note_boards(&info.key(), course.bound.values().cloned().collect(), Vec::new());
    }
    let course = Arc::new(course);
    run_attempt(context, &course, plan, Pass { attempt, repetition, id: Some(id) }).await;
    // A scenario that never came to its end was ended from outside.
    let aborted = AttemptEnd { verdict: Verdict::Aborted, transient: false, suspects: Vec::new() };
    course.last_end().map_or(aborted, |ended| AttemptEnd {
        verdict: ended.verdict,
        transient: ended.transient,
        suspects: ended.suspects,
    })
}

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// Cucumber replaces the panic hook while it runs, and puts back the one that it found. Runs that overlap would leave that
/// of another run behind; so the first takes the hook away, and the last puts it back.
struct QuietPanics;

static HOOK: Mutex<(usize, Option<Hook>)> = Mutex::new((0, None));

impl QuietPanics {
    fn begin() -> Self {
        let mut hook = HOOK.lock();
        if hook.0 == 0 {
            hook.1 = Some(std::panic::take_hook());
        }
        hook.0 += 1;
        Self
    }
}

impl Drop for QuietPanics {
    fn drop(&mut self) {
        let mut hook = HOOK.lock();
        hook.0 -= 1;
        // In a panic the hook can't be set.
        if let (0, false, Some(own)) = (hook.0, std::thread::panicking(), hook.1.take()) {
            std::panic::set_hook(own);
        }
    }
}

impl Plan {
    /// A plan for each of its scenarios.
    #[must_use]
    pub fn split(self) -> BTreeMap<ScenarioKey, Plan> {
        let (features, rest) = self.take_features();
        let mut plans = BTreeMap::new();
        for feature in features {
            for single in crate::plan::single_features(feature) {
                let plan = rest.with_features(vec![single]);
                if let Some(info) = plan.list(None).pop() {
                    plans.insert(info.key(), plan);
                }
            }
        }
        plans
    }
}
