//! Runs each step under a deadline, stops it on Ctrl-C, and keeps its typed outcome.
//!
//! Cucumber knows no deadlines and no signals. It is therefore given one step that matches everything; this is it. It
//! finds the real step, ours or a user's, and runs that.

use std::any::Any;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use cucumber::World as _;
use cucumber::codegen::LocalBoxFuture;
use cucumber::step::{Collection, Context};
use futures::FutureExt as _;
use hil_timeline::{StepOutcome, Verdict, What};
use regex::Regex;
use tokio::sync::watch;

use crate::context::RunContext;
use crate::error::{self, StepError};
use crate::stage::Stage;
use crate::world::HilWorld;

/// All steps, ours and those of the crate that uses us.
pub(crate) static STEPS: LazyLock<Collection<HilWorld>> = LazyLock::new(HilWorld::collection);

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
            let keyword = step.keyword.trim().to_owned();
            scene.recorder.record(What::StepStarted { keyword, text: step.value.clone(), line: step.position.line });
        }
        let result = perform(world, context).await;
        // A board that goes on without power explains whatever failed because of it.
        let result = match result {
            Err(error) if error.verdict() != Verdict::Failed => Err(error),
            Err(failed) => {
                Err(contradiction(world).and(broker(world)).err().unwrap_or(failed).with_details(stall(world)))
            }
            Ok(()) => contradiction(world),
        };
        let took_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        note(world, &result, took_us);
        if let Err(error) = result {
            // Cucumber must not run the steps after it; nobody reads this text.
            resume_unwind(Box::new(error.to_string()));
        }
    }
    .boxed_local()
}

fn note(world: &mut HilWorld, result: &Result<(), StepError>, took_us: u64) {
    let Some(scene) = &mut world.inner else { return };
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

/// A word where this machine itself was late.
fn stall(world: &HilWorld) -> Option<String> {
    let stage = world.inner.as_ref()?.stage.as_ref().ok()?;
    let stalled = stage.stalled_since(stage.mark().at);
    let span = stalled.as_secs_f64();
    (!stalled.is_zero()).then(|| {
        format!("this machine stood still for {span:.2} s after the mark: what came late may have been in time")
    })
}

fn broker(world: &HilWorld) -> Result<(), StepError> {
    match world.inner.as_ref().map(|scene| &scene.stage) {
        Some(Ok(stage)) => stage.check_broker(),
        _ => Ok(()),
    }
}

async fn perform(world: &mut HilWorld, context: Context) -> Result<(), StepError> {
    let Some(scene) = &world.inner else { return Err(StepError::errored("the step runs outside of `hil`")) };
    let mut died = match &scene.stage {
        Err(error) => return Err(error.clone()),
        Ok(stage) => stage.broker_died(),
    };
    let recorder = scene.recorder.clone();
    let run = Arc::clone(&scene.context);
    let (limit, what) = limit(&run, &context.step.value, scene.deadline);
    let found = STEPS.find(&context.step);
    let (step, context) = match found {
        Ok(Some((step, _, _, context))) => (step, context),
        // The plan has checked this; a step can't vanish.
        Ok(None) => return Err(StepError::errored("undefined step")),
        Err(error) => return Err(StepError::errored(format!("ambiguous step: {error}"))),
    };
    error::forget_shown();
    let body = AssertUnwindSafe(step(world, context)).catch_unwind();
    tokio::select! {
        biased;
        () = run.aborted() => Err(StepError::aborted("the run was ended while this step ran")),
        () = run.bench.keeper_lost() => Err(keeper_lost()),
        reason = broker_died(&mut died) => {
            recorder.record(What::BrokerDied { reason: reason.clone() });
            Err(StepError::errored(format!("the broker ended by itself: {reason}")).transient())
        }
        ended = body => ended.map_err(|panic| from_panic(&*panic)),
        () = tokio::time::sleep_until(limit) => {
            Err(StepError::errored(format!("the {what} deadline passed while this step ran")).transient())
        }
    }
}

/// Waits until the broker has ended although nobody asked it to.
async fn broker_died(died: &mut watch::Receiver<Option<String>>) -> String {
    match died.wait_for(Option::is_some).await {
        Ok(reason) => reason.clone().unwrap_or_default(),
        // It is given back: nobody can tell any more.
        Err(_) => std::future::pending().await,
    }
}

fn keeper_lost() -> StepError {
    StepError::errored("the keeper of the rails has ended: nobody knows what power the boards have")
        .with_hint("something killed it; another one has made the rails safe")
}

/// When the step must have ended, and which limit that is.
fn limit(run: &RunContext, text: &str, scenario: tokio::time::Instant) -> (tokio::time::Instant, &'static str) {
    let step = tokio::time::Instant::now() + run.limits.step + durations_in(text);
    if step < scenario { (step, "step") } else { (scenario, "scenario") }
}

/// The durations that a step's text names: it may take those on top.
fn durations_in(text: &str) -> Duration {
    durations_written(text).filter_map(|written| hil_config::parse_duration(written).ok()).sum()
}

/// Each duration as it is written.
pub(crate) fn durations_written(text: &str) -> impl Iterator<Item = &str> {
    static DURATION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b\d+(?:\.\d+)? ?(?:ms|s|min)\b").ok());
    DURATION.iter().flat_map(move |regex| regex.find_iter(text)).map(|found| found.as_str())
}

fn from_panic(panic: &(dyn Any + Send)) -> StepError {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    error::behind_panic(text).unwrap_or_else(|| StepError::failed(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_may_take_the_durations_it_names_on_top() {
        assert_eq!(durations_in("\"lamp\" does not publish to \"loger\" for 3 s"), Duration::from_secs(3));
        assert_eq!(durations_in("every 1 s within 500 ms"), Duration::from_millis(1500));
        assert_eq!(durations_in("I publish \"5 parts\" to \"sister/temp\""), Duration::ZERO);
    }

    #[test]
    fn a_panic_keeps_the_type_of_the_error_it_was_made_of() {
        let error = StepError::errored("no such pin").with_hint("look");
        let panic = std::panic::catch_unwind(|| resume_unwind(Box::new(error.to_string()))).expect_err("panic");
        assert_eq!(from_panic(&*panic), error);
        let _ = error.to_string();
        let plain: Box<dyn Any + Send> = Box::new("assertion failed".to_owned());
        assert_eq!(from_panic(&*plain), StepError::failed("assertion failed"));
    }
}
