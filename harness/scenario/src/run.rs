//! Runs a plan through cucumber.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cucumber::cli::{self, Empty};
use cucumber::event;
use cucumber::gherkin::{Feature, Rule, Scenario, Step};
use cucumber::{Cucumber, Event, Parser, Writer, parser, runner};
use futures::FutureExt as _;
use futures::stream;
use hil_bench::{LockedBoard, Needs};
use hil_timeline::{Recorder, RoleInfo, ScenarioInfo, ScenarioKey, Verdict, What};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::binding::Binding;
use crate::blame::Blame;
use crate::bound::bound;
use crate::context::RunContext;
use crate::course::{Course, Pass, STOPPED};
use crate::dispatch::universal;
use crate::error::StepError;
use crate::expectations::Expectations;
use crate::forms;
use crate::plan::{Plan, changes_access_point, firmware_named, info, steps_of};
use crate::queue::{self, Prepared};
use crate::radio::OnAir;
use crate::registry::step_info;
use crate::stage::Stage;
use crate::turn::Turn;
use crate::world::{HilWorld, Scene};

/// Runs every scenario of the plan once, as one attempt of a course; what happens is on the context's timeline.
///
/// Scenarios that share no board overlap. When the context is aborted, running steps end, after-hooks run, and
/// scenarios that have not begun are recorded as aborted; when the course is stopped, as skipped.
pub(crate) async fn run_attempt(context: &Arc<RunContext>, course: &Arc<Course>, plan: Plan, pass: Pass) {
    let context = Arc::clone(context);
    let (for_before, for_after) = (Arc::clone(&context), Arc::clone(&context));
    let course = Arc::clone(course);
    // All of them at once: which one starts first depends on the others.
    let queue = Arc::new(Mutex::new(queue::prepare(&context, &course, &plan).await));
    let options: cli::Opts<Empty, runner::basic::Cli, Empty, Empty> = cli::Opts {
        re_filter: None,
        tags_filter: None,
        parser: Empty,
        runner: runner::basic::Cli::default(),
        writer: Empty,
        custom: Empty,
    };
    let runner = runner::Basic::<HilWorld>::default()
        .steps(universal())
        // Boards decide what can overlap, not a number.
        .max_concurrent_scenarios(None)
        // Cucumber's own retries would run on a board that was not recovered.
        .retry_options(|_, _, _, _| None)
        .before(move |feature, rule, scenario, world| {
            let (context, course) = (Arc::clone(&for_before), Arc::clone(&course));
            let prepared = queue.lock().remove(&key_of(feature, scenario)).unwrap_or_default();
            async move { world.inner = Some(before(context, (course, pass), (feature, rule, scenario), prepared).await) }
                .boxed_local()
        })
        .after(move |feature, rule, scenario, _, world| {
            let context = Arc::clone(&for_after);
            async move {
                if let Some(scene) = world.and_then(|world| world.inner.take()) {
                    after(&context, scene, &steps_of(feature, rule, scenario)).await;
                }
            }
            .boxed_local()
        });
    Cucumber::<HilWorld, _, _, _, _, Empty>::custom(Parsed, runner, Silent).with_cli(options).run(plan.features).await;
}

/// Passes on features that are already parsed.
struct Parsed;

impl Parser<Vec<Feature>> for Parsed {
    type Cli = Empty;
    type Output = stream::Iter<std::vec::IntoIter<parser::Result<Feature>>>;

    fn parse(self, features: Vec<Feature>, _: Empty) -> Self::Output {
        stream::iter(features.into_iter().map(Ok).collect::<Vec<_>>())
    }
}

/// Writes nothing: the timeline has everything.
struct Silent;

impl Writer<HilWorld> for Silent {
    type Cli = Empty;

    async fn handle_event(&mut self, _: parser::Result<Event<event::Cucumber<HilWorld>>>, _: &Empty) {}
}

impl cucumber::writer::Normalized for Silent {}

async fn before(
    context: Arc<RunContext>,
    (course, Pass { attempt, repetition, id }): (Arc<Course>, Pass),
    (feature, rule, scenario): (&Feature, Option<&Rule>, &Scenario),
    prepared: Prepared,
) -> Scene {
    let id = id.unwrap_or_else(|| context.next_id());
    let recorder = context.timeline.recorder(Some(id));
    let steps = steps_of(feature, rule, scenario);
    let info = info(feature, rule, scenario, &prepared.wanted);
    let (tags, key) = (info.tags.clone(), info.key());
    let begin = |info: ScenarioInfo| {
        recorder.record(What::ScenarioStarted { info, attempt, repetition });
    };
    let Opened { mut stage, turn } = set_stage((&context, &course), &recorder, (prepared, &steps), info, begin).await;
    let (boards, binding) = turn.as_ref().map(|turn| (turn.boards(), turn.binding())).unwrap_or_default();
    if attempt > 1
        && course.used_before(&key, &boards)
        && let Ok(opened) = stage
    {
        stage = recovered(&context, opened, attempt).await;
    }
    let deadline = Instant::now() + context.limits.scenario;
    let expected = steps.iter().map(|step| forms::read(&bound(step, &binding)));
    Scene {
        context,
        course,
        recorder,
        stage,
        turn,
        key,
        tags,
        steps: steps.len(),
        steps_done: 0,
        expectations: Arc::new(Expectations::of(expected)),
        binding,
        verdict: Verdict::Passed,
        failure: None,
        deadline,
    }
}

/// Recovers the boards for a retry; closes the stage if that fails.
async fn recovered(context: &RunContext, mut stage: Stage, attempt: u32) -> Result<Stage, StepError> {
    let recovered = tokio::select! {
        biased;
        () = context.aborted() => Err(StepError::aborted("the run was ended before this attempt began")),
        recovered = stage.recover(attempt) => recovered,
    };
    match recovered {
        Ok(()) => Ok(stage),
        Err(error) => {
            if context.is_aborted() {
                stage.make_safe().await;
            }
            // Dropping the stage releases the boards even if it did not close in time.
            let _ = tokio::time::timeout(HOOK + stage.slowness(), stage.close()).await;
            Err(error)
        }
    }
}

/// How long a stage may take to open or to close.
const HOOK: Duration = Duration::from_secs(15);

/// A stage, and the turn in which it was opened.
struct Opened {
    stage: Result<Stage, StepError>,
    turn: Option<Turn>,
}

/// Waits for the scenario's turn and opens the stage. The scenario starts when it has its boards.
async fn set_stage(
    (context, course): (&Arc<RunContext>, &Course),
    recorder: &Recorder,
    (prepared, steps): (Prepared, &[&Step]),
    info: ScenarioInfo,
    begin: impl Fn(ScenarioInfo),
) -> Opened {
    let without = |info: &ScenarioInfo, error: StepError| {
        begin(info.clone());
        Opened { stage: Err(error), turn: None }
    };
    let is_stopped = || course.is_stopped() && !context.is_aborted();
    if is_stopped() {
        return without(&info, StepError::skipped(STOPPED));
    }
    let ticket = match prepared.ticket {
        Ok(ticket) => ticket,
        Err(error) => return without(&info, error),
    };
    // What this machine lacks for boards that are known is known without a turn.
    if info.roles.is_empty()
        && let Err(error) = met(context, &firmware_named(steps)).await
    {
        return without(&info, error);
    }
    let turn = tokio::select! {
        biased;
        () = context.aborted() => None,
        turn = ticket => turn.ok(),
    };
    let turn = match turn {
        None => return without(&info, StepError::aborted("the run was ended before this scenario began")),
        Some(Err(error)) => return without(&info, error),
        Some(Ok(turn)) => turn,
    };
    let boards = lock(context, turn.boards()).await;
    let on_air = on_air(context, steps).await;
    begin(started(info, &turn));
    let stage = match on_air {
        Ok(on_air) => open(context, recorder, (boards, turn.binding(), on_air), (steps, is_stopped())).await,
        Err(error) => Err(error),
    };
    Opened { stage, turn: Some(turn) }
}

/// Opens the stage of a scenario that has its boards.
async fn open(
    context: &Arc<RunContext>,
    recorder: &Recorder,
    (boards, binding, on_air): (BTreeMap<String, LockedBoard>, Binding, OnAir),
    (steps, is_stopped): (&[&Step], bool),
) -> Result<Stage, StepError> {
    // Only now: an earlier scenario on its boards may just have failed.
    if is_stopped {
        return Err(StepError::skipped(STOPPED));
    }
    let named = firmware_named(steps).into_iter();
    let firmware: Vec<_> = named.map(|(name, firmware)| (binding.board(&name).to_owned(), firmware)).collect();
    met(context, &firmware).await?;
    let open = Stage::open(Arc::clone(context), recorder.clone(), boards, (binding, on_air));
    let late = |_| Err(StepError::errored("the broker of this scenario did not start in time").transient());
    tokio::time::timeout(HOOK, open).await.unwrap_or_else(late)
}

/// Waits until the scenario may use the access point.
async fn on_air(context: &RunContext, steps: &[&Step]) -> Result<OnAir, StepError> {
    let Some(radio) = &context.radio else { return Ok(OnAir::Without) };
    tokio::select! {
        biased;
        () = context.aborted() => Err(StepError::aborted("the run was ended before this scenario began")),
        turn = radio.turn(changes_access_point(steps)) => Ok(turn?),
    }
}

/// A scenario as it starts: on these boards.
fn started(info: ScenarioInfo, turn: &Turn) -> ScenarioInfo {
    let binding = turn.binding();
    let played = |RoleInfo { role, .. }: RoleInfo| RoleInfo { boards: vec![binding.board(&role).to_owned()], role };
    ScenarioInfo { boards: turn.boards(), roles: info.roles.into_iter().map(played).collect(), ..info }
}

/// Checks that this machine has what these firmware need on these boards.
async fn met(context: &RunContext, firmware: &[(String, String)]) -> Result<(), StepError> {
    let needs = tokio::select! {
        biased;
        () = context.aborted() => Needs::Met,
        needs = context.needs(firmware) => needs,
    };
    match needs {
        Needs::Met => Ok(()),
        Needs::Lacking(what) => Err(StepError::skipped(what)),
        Needs::Unknown(why) => Err(StepError::errored(why).transient()),
    }
}

/// Locks the boards, which are free: it is the scenario's turn.
async fn lock(context: &RunContext, names: Vec<String>) -> BTreeMap<String, LockedBoard> {
    let mut boards = BTreeMap::new();
    for name in names {
        if let Some(board) = context.bench.lock(&name).await {
            boards.insert(name, board);
        }
    }
    boards
}

async fn after(context: &RunContext, mut scene: Scene, steps: &[&Step]) {
    for step in steps.iter().skip(scene.steps_done) {
        scene.recorder.record(What::StepNotRun(step_info(step)));
    }
    let mut blame = Blame::default();
    if let Ok(mut stage) = std::mem::replace(&mut scene.stage, Err(StepError::errored("the stage is closed"))) {
        stage.record_gauges();
        if scene.verdict == Verdict::Passed
            && let Err(error) = stage.check_health(&scene.expectations, scene.steps_done + 1).await
        {
            scene.fail(error);
        }
        if scene.verdict == Verdict::Passed
            && scene.steps_done == scene.steps
            && let Some(error) = stage.bench_fault_at_end()
        {
            scene.fail(error);
        }
        if context.is_aborted() {
            stage.make_safe().await;
        }
        blame = Blame::of(&scene, stage.troubled());
        // Dropping the stage releases the boards even if it did not close in time.
        let patience = HOOK + stage.slowness();
        if tokio::time::timeout(patience, stage.close()).await.is_err() && scene.verdict == Verdict::Passed {
            scene.fail(StepError::errored("the stage of this scenario did not close in time").transient());
        }
    }
    if scene.verdict == Verdict::Passed && scene.steps_done < scene.steps {
        scene.fail(StepError::errored("not every step of this scenario ran"));
    }
    if blame.is_empty() {
        blame = Blame::of(&scene, Vec::new());
    }
    let ended = blame.ended(&scene);
    blame.settle(&mut scene, &ended);
    let failure = scene.failure.map(|error| error.failure().clone());
    scene.recorder.record(What::ScenarioFinished { verdict: scene.verdict, failure });
    // What follows from the verdict comes after it in the record. With `--fail-fast` the next scenario must not begin,
    // so this comes before its boards are free.
    scene.course.note_end(ended);
    // Only now: a scenario that waits for these boards must not begin before this record.
    drop(scene.turn);
}

/// The key of a scenario within a run.
fn key_of(feature: &Feature, scenario: &Scenario) -> ScenarioKey {
    let path = feature.path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    (path, scenario.position.line, scenario.name.clone())
}
