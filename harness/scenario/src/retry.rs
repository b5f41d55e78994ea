//! Runs a plan with its retries and repetitions.
//!
//! Cucumber's own retries start at once, on the board as the failure left it, and report two scenarios of the same
//! name. Here each attempt is a separate pass over the scenarios that did not pass, and is recorded as an attempt.

use std::sync::Arc;

use crate::context::RunContext;
use crate::course::{Course, Pass, RunOptions};
use crate::plan::Plan;
use crate::run::run_attempt;
use crate::turn::Turns;

/// Runs a plan as often as the options say, and retries scenarios that did not pass. All boards are safe when it returns.
pub async fn run_with_retries(context: Arc<RunContext>, plan: Plan, options: RunOptions) {
    let plan = match options.shuffle {
        Some(seed) => plan.shuffled(seed),
        None => plan,
    };
    // Scenarios that share a board keep a shuffled order.
    let (bench, keeps_order) = (context.bench.config(), options.shuffle.is_some());
    let turns = Turns::new(bench, options.seed, keeps_order, context.timeline.recorder(None));
    let course = Arc::new(Course::with_turns(options, Arc::new(turns)));
    for repetition in 1..=course.options.repeat.unwrap_or(1) {
        course.begin_repetition();
        let numbered = course.options.repeat.map(|_| repetition);
        run_once(&context, &course, plan.clone(), numbered).await;
        if context.is_aborted() || course.is_last_repetition() {
            break;
        }
    }
    context.bench.make_safe().await;
}

/// Runs a plan once, then retries scenarios that did not pass.
async fn run_once(context: &Arc<RunContext>, course: &Arc<Course>, plan: Plan, repetition: Option<u32>) {
    let (mut plan, mut attempt) = (Some(plan), 1);
    while let Some(now) = plan.take() {
        run_attempt(context, course, now.clone(), Pass { attempt, repetition, id: None }).await;
        if context.is_aborted() || course.is_stopped() {
            break;
        }
        let again = course.take_again();
        plan = now.only(|path, line, name| again.contains(&(path.to_owned(), line, name.to_owned())));
        attempt += 1;
    }
}
