//! Runs each step with a deadline, stops it on Ctrl-C, and keeps its typed outcome.
//!
//! Cucumber supports neither deadlines nor signals. It therefore gets a single step that matches everything: `dispatch`
//! finds the real step, built-in or the user's, and runs it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cucumber::codegen::LocalBoxFuture;
use cucumber::gherkin::Step;
use cucumber::step::{Collection, Context};
use futures::FutureExt as _;
use hil_timeline::{Recorder, Stamp, StepOutcome, Verdict, What};
use regex::Regex;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::bound::bound;
use crate::captured;
use crate::durations::durations_written;
use crate::error::{self, StepError};
use crate::forms;
use crate::origin::origin_of;
use crate::quotes::skeleton;
use crate::registry::{STEPS, step_info};
use crate::spec::Kind;
use crate::stage::Stage;
use crate::world::HilWorld;

/// The collection that cucumber gets.
pub(crate) fn universal() -> Collection<HilWorld> {
    let mut collection = Collection::new();
    if let Ok(everything) = Regex::new("(?s)^.*$") {
        collection = collection
            .given(None, everything.clone(), dispatch)
            .when(None, everything.clone(), dispatch)
            .then(None, everything, dispatch);
    }
    collection
}

fn dispatch(world: &mut HilWorld, context: Context) -> LocalBoxFuture<'_, ()> {
    async move {
        let start = Instant::now();
        let step = context.step.clone();
        if let Some(scene) = &mut world.inner {
            scene.steps_done += 1;
            scene.recorder.record(What::StepStarted(step_info(&step)));
        }
        let result = perform(world, context).await;
        let mut result = decided(world, result);
        if result.is_ok() {
            result = listen_on(world).await;
        }
        let result = judge(world, result).await;
        let result = result.map_err(|error| error.with_details(roles_of(world)).with_details(place_of(&step)));
        let took_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        note(world, &result, took_us);
        if let Err(error) = result {
            // Stops cucumber from running the steps after it. The text is not shown.
            resume_unwind(Box::new(error.to_string()));
        }
    }
    .boxed_local()
}

/// Where a step comes from, if it is a part of a composite one.
fn place_of(step: &Step) -> Option<String> {
    let part = origin_of(step)?;
    Some(format!("a part of the step `{}`, at {}:{}", part.step, part.file, part.part_line))
}

/// Which boards play the roles of the scenario: messages name the boards.
fn roles_of(world: &HilWorld) -> Vec<String> {
    world.inner.iter().flat_map(|scene| scene.binding.notes()).collect()
}

/// A step's result, unless a stall of this machine or the broker makes it inconclusive: then it neither passed nor
/// failed.
fn decided(world: &HilWorld, result: Result<(), StepError>) -> Result<(), StepError> {
    let doubt = match world.inner.as_ref().map(|scene| &scene.stage) {
        Some(Ok(stage)) => stage.take_doubt(),
        _ => None,
    };
    match (doubt, result) {
        (Some(doubt), Ok(())) => Err(doubt),
        (Some(doubt), Err(own)) if own.verdict() == Verdict::Failed => match own.own_message() {
            Some(message) => {
                let message = std::iter::once(itself(message));
                Err(doubt.with_details(message.chain(own.failure().details.clone())))
            }
            // A board's trouble explains more than a deadline.
            None => Err(own),
        },
        (_, result) => result,
    }
}

/// Waits a moment before a scenario passes: a crash caused by a command comes just after the answer to it.
async fn listen_on(world: &HilWorld) -> Result<(), StepError> {
    let Some(scene) = world.inner.as_ref().filter(|scene| scene.steps_done == scene.steps) else { return Ok(()) };
    let Ok(stage) = &scene.stage else { return Ok(()) };
    tokio::select! {
        biased;
        () = scene.context.aborted() => Err(StepError::aborted("the run was ended while this step ran")),
        () = stage.listen_on() => Ok(()),
    }
}

/// A step's result, with regard to what its boards and the bench did meanwhile.
async fn judge(world: &mut HilWorld, result: Result<(), StepError>) -> Result<(), StepError> {
    match judge_boards(world, result).await {
        Err(failed) if failed.verdict() == Verdict::Failed => {
            let own = itself(&failed.failure().message);
            Err(bench_fault(world).map_or(failed, |fault| fault.with_details([own])))
        }
        result => result,
    }
}

/// What the step found, as a detail of what explains more.
fn itself(message: &str) -> String {
    format!("the step itself: {message}")
}

/// A board that had too little of this machine's time to do what the step waited for.
fn too_slow(world: &HilWorld, failed: &StepError) -> Option<StepError> {
    let slow = world.inner.as_ref()?.stage.as_ref().ok()?.too_slow()?;
    let own = itself(&failed.failure().message);
    Some(slow.with_details([own]).with_details(failed.failure().details.clone()))
}

/// A failure of the bench that explains the failure of a board.
fn bench_fault(world: &HilWorld) -> Option<StepError> {
    world.inner.as_ref()?.stage.as_ref().ok()?.bench_fault()
}

/// A step's result, with regard to what its boards did meanwhile.
async fn judge_boards(world: &mut HilWorld, result: Result<(), StepError>) -> Result<(), StepError> {
    let ended_from_outside = |error: &StepError| error.verdict() == Verdict::Aborted || error.is_about_the_keeper();
    if result.as_ref().is_err_and(ended_from_outside) {
        return result;
    }
    if world.inner.as_ref().is_some_and(|scene| scene.recorder.timeline().is_full()) {
        return Err(record_full());
    }
    let result =
        result.map_err(|error| if error.is_a_deadline() { error.with_details(troubles(world)) } else { error });
    // A board that runs without power explains any other failure.
    let without_power = contradiction(world);
    // A crash is a failure, whatever the step waited for. An error about a board that does not boot explains itself.
    let healthy = health(world).await;
    match (result, without_power, healthy) {
        (_, Err(contradicted), _) => Err(contradicted),
        (Err(own), _, Err(trouble)) if own.explains_trouble() => Err(own.with_details(earlier(&trouble))),
        (Err(own), _, Err(trouble)) => {
            let own = own.own_message().map(itself);
            Err(trouble.with_details(own))
        }
        (Ok(()), _, Err(trouble)) => Err(trouble),
        (Err(failed), _, Ok(())) if failed.verdict() == Verdict::Failed => {
            Err(broker(world).err().or_else(|| too_slow(world, &failed)).unwrap_or(failed).with_details(stall(world)))
        }
        (result, _, Ok(())) => result,
    }
}

/// Failed recovery attempts of the boards since their last success.
fn troubles(world: &HilWorld) -> Vec<String> {
    match world.inner.as_ref().map(|scene| &scene.stage) {
        Some(Ok(stage)) => stage.troubles(),
        _ => Vec::new(),
    }
}

/// An earlier trouble, as a detail of a failure that explains more.
fn earlier(trouble: &StepError) -> [String; 1] {
    [format!("before that: {}", trouble.failure().message)]
}

/// Whether every board of the scenario is healthy so far.
async fn health(world: &mut HilWorld) -> Result<(), StepError> {
    let Some(scene) = &mut world.inner else { return Ok(()) };
    let (expectations, step) = (Arc::clone(&scene.expectations), scene.steps_done);
    match &mut scene.stage {
        Ok(stage) => stage.check_health(&expectations, step).await,
        Err(_) => Ok(()),
    }
}

fn note(world: &mut HilWorld, result: &Result<(), StepError>, took_us: u64) {
    let Some(scene) = &mut world.inner else { return };
    if let Ok(stage) = &mut scene.stage {
        stage.record_gauges();
    }
    let verdict = result.as_ref().map_or_else(StepError::verdict, |()| Verdict::Passed);
    let mark = scene.stage.as_ref().ok().map(|stage| stage.mark().at);
    let failure = result.as_ref().err().map(|error| error.failure().clone());
    let deadline = scene.stage.as_ref().ok().and_then(Stage::take_deadline);
    let outcome = StepOutcome { verdict, took_us, mark, deadline, failure };
    scene.recorder.record(What::StepFinished { outcome });
    if let Err(error) = result {
        scene.verdict = verdict;
        scene.failure = Some(error.clone());
    }
}

fn contradiction(world: &HilWorld) -> Result<(), StepError> {
    match world.inner.as_ref().map(|scene| &scene.stage) {
        Some(Ok(stage)) => stage.check_power_cuts(),
        _ => Ok(()),
    }
}

/// A note if this machine stalled.
fn stall(world: &HilWorld) -> Option<String> {
    let stage = world.inner.as_ref()?.stage.as_ref().ok()?;
    let stalled = stage.stalled_since(stage.mark().at);
    let span = stalled.as_secs_f64();
    (!stalled.is_zero())
        .then(|| format!("this machine stalled for {span:.2} s after the mark: late events may have been in time"))
}

fn broker(world: &HilWorld) -> Result<(), StepError> {
    match world.inner.as_ref().map(|scene| &scene.stage) {
        Some(Ok(stage)) => stage.check_broker(),
        _ => Ok(()),
    }
}

async fn perform(world: &mut HilWorld, context: Context) -> Result<(), StepError> {
    let Some(scene) = &world.inner else { return Err(StepError::errored("the step runs outside of `hil`")) };
    let (mut died, health, waiting) = match &scene.stage {
        Err(error) => return Err(error.clone()),
        Ok(stage) => (stage.broker_died(), stage.health(&scene.expectations, scene.steps_done), stage.waiting()),
    };
    let recorder = scene.recorder.clone();
    let timeline = recorder.timeline().clone();
    let run = Arc::clone(&scene.context);
    let limit =
        Limit { step: Instant::now() + run.limits.step + durations_in(&context.step.value), scenario: scene.deadline };
    // Such a step reports itself why its firmware does not run.
    let starts_firmware = forms::read(&context.step).is_some_and(|step| step.first(Kind::Firmware).is_some());
    let asked = bound(&filled(&context.step, &scene.stage)?, &scene.binding);
    let found = STEPS.find(&asked);
    let (step, context) = match found {
        Ok(Some((step, _, _, context))) => (step, context),
        // The plan has checked this.
        Ok(None) => return Err(StepError::errored("undefined step")),
        Err(error) => return Err(StepError::errored(format!("ambiguous step: {error}"))),
    };
    error::forget_shown();
    let body = AssertUnwindSafe(step(world, context)).catch_unwind();
    tokio::select! {
        biased;
        () = run.aborted() => Err(StepError::aborted("the run was ended while this step ran")),
        () = run.bench.keeper_lost() => Err(keeper_lost()),
        () = timeline.full() => Err(record_full()),
        reason = broker_died(&mut died) => {
            recorder.record(What::BrokerDied { reason: reason.clone() });
            Err(StepError::errored(format!("the broker exited unexpectedly: {reason}")).transient())
        }
        ended = body => ended.map_err(|panic| from_panic(&*panic)),
        concern = health.concern(), if !starts_firmware => Err(StepError::interrupted(concern.what())),
        what = limit.passed(&recorder, &waiting) => {
            Err(StepError::deadline(format!("the {what} deadline passed while this step ran")))
        }
    }
}

/// The step with the values that earlier steps captured.
fn filled(step: &Step, stage: &Result<Stage, StepError>) -> Result<Step, StepError> {
    let Ok(stage) = stage else { return Ok(step.clone()) };
    if let Some(name) = captured::asked(step).iter().find(|name| stage.captured(name).is_none()) {
        let hint = "the group took no part in the match; write it so that it always does";
        return Err(StepError::errored(format!("`{name}` was not captured")).with_hint(hint));
    }
    Ok(captured::filled(step, |name| stage.captured(name).unwrap_or_default().to_owned()))
}

/// When a step must be done.
struct Limit {
    step: Instant,
    scenario: Instant,
}

impl Limit {
    /// Waits until a limit has passed, and returns its name. A step that waits reports until when, because its text may
    /// not name the time: a will is due after one and a half keep alives.
    async fn passed(&self, recorder: &Recorder, waiting: &AtomicU64) -> &'static str {
        /// For what a step does after waiting: a broker has 5 s to answer.
        const AFTERWARDS: Duration = Duration::from_secs(10);
        let reported = || match waiting.load(Ordering::Relaxed) {
            // The step does not wait.
            0 => None,
            until => Some(Stamp(until) + AFTERWARDS),
        };
        loop {
            let until = reported();
            let step = until.map_or(self.step, |until| self.step.max(recorder.timeline().epoch().instant(until)));
            tokio::time::sleep_until(step.min(self.scenario)).await;
            if self.scenario <= Instant::now() {
                return "scenario";
            }
            if reported() <= until {
                return "step";
            }
        }
    }
}

/// Waits until the broker has exited unexpectedly.
async fn broker_died(died: &mut watch::Receiver<Option<String>>) -> String {
    match died.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        // The broker is gone: it can't exit unexpectedly any more.
        Err(_) => std::future::pending().await,
    }
}

/// An incomplete record can't support a verdict.
fn record_full() -> StepError {
    StepError::errored("the record of this run is full: later events are missing")
        .with_hint("a board that floods its console or the broker fills it; `--max-record MIB` raises the limit")
}

fn keeper_lost() -> StepError {
    StepError::keeper_lost("the power keeper exited; the power state of the boards is unknown")
        .with_hint("it was killed or received a signal; the record of the run shows whether its rails were made safe")
}

/// The sum of the durations in a step's text, which extend its limit. Texts in quotes are payloads, not times.
fn durations_in(text: &str) -> Duration {
    let plain = skeleton(text);
    durations_written(&plain).filter_map(|written| hil_config::parse_duration(written).ok()).sum()
}

fn from_panic(panic: &(dyn Any + Send)) -> StepError {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    error::from_panic_text(text).unwrap_or_else(|| StepError::failed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_durations_in_a_step_extend_its_limit() {
        assert_eq!(durations_in("\"lamp\" does not publish to \"loger\" for 3 s"), Duration::from_secs(3));
        assert_eq!(durations_in("every 1 s within 500 ms"), Duration::from_millis(1500));
        assert_eq!(durations_in("I publish \"5 parts\" to \"sister/temp\""), Duration::ZERO);
        for quoted in
            [r#"I publish "wait 24 min" to "t""#, r#"I publish '{"a": "9 min"}' to "t""#, r#"shows "a \"5 s\" b" x"#]
        {
            assert_eq!(durations_in(quoted), Duration::ZERO, "{quoted}");
        }
        assert_eq!(durations_in(r#"the broker's "x" waits 2 s"#), Duration::from_secs(2));
    }

    #[test]
    fn a_panic_keeps_the_type_of_its_error() {
        let error = StepError::errored("no such pin").with_hint("look");
        let panic = std::panic::catch_unwind(|| resume_unwind(Box::new(error.to_string()))).expect_err("panic");
        assert_eq!(from_panic(&*panic), error);
        let _ = error.to_string();
        let plain: Box<dyn Any + Send> = Box::new("assertion failed".to_owned());
        assert_eq!(from_panic(&*plain), StepError::failed("assertion failed"));
    }
}
