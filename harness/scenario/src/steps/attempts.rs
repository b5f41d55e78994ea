//! How often a board tries to connect.

use std::sync::Arc;
use std::time::Duration;

use cucumber::then;
use hil_timeline::{RunEvent, Stamp};
use hil_verdict::{Pauses, Side, attempt_opened, seconds};

use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::StepSpec;
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "{board} tries to connect {growth} times with growing pauses(?: of no more than {span})? within {span}",
        &[
            (
                r#"Then "lamp" tries to connect 3 times with growing pauses within 10 s"#,
                "At least that many attempts, with each pause longer than the one before.",
            ),
            (
                r#"Then "lamp" tries to connect 5 times with growing pauses of no more than 4 s within 20 s"#,
                "The pauses grow up to the limit and stay near it.",
            ),
        ],
    ),
    StepSpec::new(
        "{board} tries to connect {period} times, every {span} ± {span}",
        &[(
            r#"Then "js" tries to connect 4 times, every 500 ms ± 200 ms"#,
            "Each pause between the attempts is within the tolerance.",
        )],
    ),
    StepSpec::new(
        "{board} tries to connect no more than {count} times? a minute for {span}",
        &[(r#"Then "lamp" tries to connect no more than 10 times a minute for 30 s"#, "In any minute of that time.")],
    ),
];

#[then(expr = "{text} tries to connect {int} times with growing pauses within {span}")]
async fn tries_with_growing_pauses(
    world: &mut HilWorld,
    board: Text,
    times: usize,
    within: Span,
) -> Result<(), StepError> {
    growing_pauses(world.stage()?, board.0, times, within, None).await
}

#[then(expr = "{text} tries to connect {int} times with growing pauses of no more than {span} within {span}")]
async fn tries_with_bounded_pauses(
    world: &mut HilWorld,
    board: Text,
    times: usize,
    most: Span,
    within: Span,
) -> Result<(), StepError> {
    growing_pauses(world.stage()?, board.0, times, within, Some(most.0)).await
}

/// Checks that pauses grow up to the limit.
async fn growing_pauses(
    stage: &mut Stage,
    board: String,
    times: usize,
    within: Span,
    most: Option<Duration>,
) -> Result<(), StepError> {
    stage.check_packets(&board)?;
    if times < 3 {
        let error = StepError::errored("fewer than three attempts have no two pauses to compare");
        return Err(error.with_hint("ask for 3 or more"));
    }
    stage.check_listening(&board)?;
    let mut attempts: Vec<Stamp> = Vec::new();
    while attempts.len() < times {
        let Some(at) = next_attempt(stage, &board, within.0).await else { break };
        attempts.push(at);
    }
    let pauses = Pauses::between(&attempts, &stage.stalls_since(stage.mark().at));
    let message = if attempts.len() < times {
        format!("`{board}` tried to connect {} of {times} times within {}", attempts.len(), seconds(within.0))
    } else if !stage.holds(pauses.are_bounded(most), pauses.lateness()) {
        format!("a pause between the attempts of `{board}` was longer than {}", seconds(most.unwrap_or_default()))
    } else if !stage.holds(pauses.grow(most), pauses.lateness()) {
        format!("the pauses between the attempts of `{board}` do not grow")
    } else {
        return Ok(());
    };
    let pauses = format!("pauses: {pauses}");
    Err(StepError::failed(message).with_details(std::iter::once(pauses).chain(stage.last_words(&board))))
}

#[then(expr = "{text} tries to connect no more than {int} time(s) a minute for {span}")]
async fn tries_no_more_than(world: &mut HilWorld, board: Text, most: usize, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let until = stage.mark().at + span.0;
    stage.wait_until(until).await;
    stage.check_listening(&board)?;
    let events = stage.events_since_mark();
    let stalls = stage.stalls_since(until);
    let is_certain = |event: &&Arc<RunEvent>| stalls.side(event, until) == Side::Before;
    let attempts = |events: &mut dyn Iterator<Item = &Arc<RunEvent>>| -> Vec<Stamp> {
        events.filter_map(|event| attempt_opened(event, &board)).collect()
    };
    let found = most_in_a_minute(&attempts(&mut events.iter().filter(is_certain)));
    // Attempts hidden by a stall matter only if they decide.
    let possible = |event: &&Arc<RunEvent>| stalls.side(event, until) != Side::After;
    if found <= most && most_in_a_minute(&attempts(&mut events.iter().filter(possible))) > most {
        let hidden = |event: &&Arc<RunEvent>| attempt_opened(event, &board).is_some() && !stage.in_time(event, until);
        let _ = events.iter().filter(|event| possible(event)).find(hidden);
    }
    if found == 0 && !stage.session(&board).connected {
        let message =
            format!("`{board}` was not connected and did not try to connect: this proves nothing about its attempts");
        return Err(StepError::errored(message));
    }
    if found <= most {
        return Ok(());
    }
    let message = format!("`{board}` tried to connect {found} times within a minute, more than {most}");
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

/// The most attempts in any minute.
fn most_in_a_minute(attempts: &[Stamp]) -> usize {
    let minute = Duration::from_secs(60);
    let in_minute = |from: &Stamp| attempts.iter().filter(|at| **at >= *from && at.since(*from) < minute).count();
    attempts.iter().map(in_minute).max().unwrap_or(0)
}

#[then(expr = "{text} tries to connect {int} times, every {span} ± {span}")]
async fn tries_periodically(
    world: &mut HilWorld,
    board: Text,
    times: usize,
    every: Span,
    tolerance: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    if times < 2 {
        return Err(StepError::errored("one attempt has no period").with_hint("ask for 2 or more"));
    }
    stage.check_listening(&board)?;
    let mark = stage.mark().at;
    // The first is due one period from now: earlier waiting does not count.
    let begin = stage.recorder().now().since(mark);
    let mut attempts: Vec<Stamp> = Vec::new();
    while attempts.len() < times {
        let last = attempts.last().map_or(begin, |at| at.since(mark));
        let Some(at) = next_attempt(stage, &board, last + every.0 + tolerance.0).await else { break };
        attempts.push(at);
    }
    let pauses = Pauses::between(&attempts, &stage.stalls_since(mark));
    if attempts.len() == times && stage.holds(pauses.are_every(every.0, tolerance.0), pauses.lateness()) {
        return Ok(());
    }
    let (every, tolerance) = (seconds(every.0), seconds(tolerance.0));
    let message = format!("`{board}` did not try to connect {times} times, every {every} ± {tolerance}");
    let details = [format!("attempts: {}, pauses: {pauses}", attempts.len())];
    Err(StepError::failed(message).with_details(details.into_iter().chain(stage.last_words(&board))))
}

async fn next_attempt(stage: &mut Stage, board: &str, within: Duration) -> Option<Stamp> {
    stage.expect(within, |event| attempt_opened(event, board)).await
}
