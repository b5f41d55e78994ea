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
use hil_timeline::{Recorder, ScenarioKey, Verdict, What};
use tokio::time::Instant;

use crate::context::RunContext;
use crate::course::{Course, Ended, Pass, STOPPED};
use crate::dispatch::universal;
use crate::error::StepError;
use crate::expectations::Expectations;
use crate::forms;
use crate::plan::{Plan, boards_named, firmware_named, info, lacking, steps_of};
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
            async move { world.inner = Some(before(context, (course, pass), feature, rule, scenario).await) }
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
    feature: &Feature,
    rule: Option<&Rule>,
    scenario: &Scenario,
) -> Scene {
    let id = id.unwrap_or_else(|| context.next_id());
    let recorder = context.timeline.recorder(Some(id));
    let steps = steps_of(feature, rule, scenario);
    let names = boards_named(context.bench.config(), &steps);
    let info = info(feature, rule, scenario, names.clone());
    let tags = info.tags.clone();
    let key = info.key();
    let started = What::ScenarioStarted { info, attempt, repetition };
    let mut turn = None;
    let mut stage = set_stage((&context, &course), &recorder, names, (&tags, &steps), started, &mut turn).await;
    if attempt > 1
        && let Ok(opened) = stage
    {
        stage = recovered(&context, opened, attempt).await;
    }
    let deadline = Instant::now() + context.limits.scenario;
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
        expectations: Arc::new(Expectations::of(steps.iter().map(|step| forms::read(step)))),
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

/// Waits for the scenario's turn and opens the stage. The scenario starts when it has its boards.
async fn set_stage(
    (context, course): (&Arc<RunContext>, &Course),
    recorder: &Recorder,
    names: Vec<String>,
    (tags, steps): (&[String], &[&Step]),
    started: What,
    turn: &mut Option<Turn>,
) -> Result<Stage, StepError> {
    let not_begun = || Err(StepError::aborted("the run was ended before this scenario began"));
    let begin = || recorder.record(started.clone());
    if course.is_stopped() && !context.is_aborted() {
        begin();
        return Err(StepError::skipped(STOPPED));
    }
    if let Some(lacking) = lacking(context.bench.config(), tags) {
        begin();
        return Err(StepError::skipped(lacking));
    }
    let firmware = firmware_named(steps);
    let needs = tokio::select! {
        biased;
        () = context.aborted() => Needs::Met,
        needs = context.needs(&firmware) => needs,
    };
    match needs {
        Needs::Met => {}
        Needs::Lacking(what) => {
            begin();
            return Err(StepError::skipped(what));
        }
        Needs::Unknown(why) => {
            begin();
            return Err(StepError::errored(why).transient());
        }
    }
    let boards = tokio::select! {
        biased;
        () = context.aborted() => None,
        boards = async {
            *turn = Some(context.turn(&names).await);
            lock(context, names).await
        } => Some(boards),
    };
    begin();
    match boards {
        // Only now: an earlier scenario on its boards may just have failed.
        _ if course.is_stopped() && !context.is_aborted() => Err(StepError::skipped(STOPPED)),
        None => not_begun(),
        Some(boards) => {
            let open = Stage::open(Arc::clone(context), recorder.clone(), boards);
            let late = |_| Err(StepError::errored("the broker of this scenario did not start in time").transient());
            tokio::time::timeout(HOOK, open).await.unwrap_or_else(late)
        }
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
    if let Ok(mut stage) = scene.stage {
        stage.record_gauges();
        if scene.verdict == Verdict::Passed
            && let Err(error) = stage.check_health(&scene.expectations, scene.steps_done + 1).await
        {
            scene.verdict = error.verdict();
            scene.failure = Some(error);
        }
        if scene.verdict == Verdict::Passed
            && scene.steps_done == scene.steps
            && let Some(error) = stage.bench_fault_at_end()
        {
            scene.verdict = Verdict::Errored;
            scene.failure = Some(error);
        }
        if context.is_aborted() {
            stage.make_safe().await;
        }
        // Dropping the stage releases the boards even if it did not close in time.
        let patience = HOOK + stage.slowness();
        if tokio::time::timeout(patience, stage.close()).await.is_err() && scene.verdict == Verdict::Passed {
            scene.verdict = Verdict::Errored;
            scene.failure = Some(StepError::errored("the stage of this scenario did not close in time").transient());
        }
    }
    if scene.verdict == Verdict::Passed && scene.steps_done < scene.steps {
        scene.verdict = Verdict::Errored;
        scene.failure = Some(StepError::errored("not every step of this scenario ran"));
    }
    let ended = ended(&scene.key, &scene.tags, scene.verdict, scene.failure.as_ref());
    let failure = scene.failure.map(|error| error.failure().clone());
    scene.recorder.record(What::ScenarioFinished { verdict: scene.verdict, failure });
    // What follows from the verdict comes after it in the record. With `--fail-fast` the next scenario must not begin,
    // so this comes before its boards are free.
    scene.course.note_end(ended);
    // Only now: a scenario that waits for these boards must not begin before this record.
    drop(scene.turn);
}

fn ended(key: &ScenarioKey, tags: &[String], verdict: Verdict, failure: Option<&StepError>) -> Ended {
    let transient = failure.is_some_and(StepError::is_transient);
    Ended { key: key.clone(), tags: tags.to_vec(), verdict, transient }
}
