//! Features with a step that only this crate has.

use std::time::Duration;

use cucumber::then;
use hil::timeline::What;
use hil::{HilWorld, Span, StepError, Text};

/// Counts lines of a console since the latest Given or When.
#[then(expr = "the console of {text} shows at most {int} lines for {span}")]
async fn shows_at_most(world: &mut HilWorld, board: Text, most: usize, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.board(&board)?;
    let until = stage.mark().at + span.0;
    stage.wait_until(until).await;
    let is_line = |what: &What| matches!(what, What::Console { board: of, .. } if *of == board);
    // What came after the end does not count; where this machine stood still over the end, the step is errored.
    let events = stage.events_since_mark();
    let lines = events.iter().filter(|event| is_line(&event.what) && stage.in_time(event, until)).count();
    if lines <= most {
        return Ok(());
    }
    Err(StepError::failed(format!("the console of `{board}` showed {lines} lines, not at most {most}")))
}

/// A plain assertion is the firmware's fault.
#[then(expr = "I am patient")]
async fn patient(_world: &mut HilWorld) {
    assert!(Duration::from_millis(1) > Duration::ZERO);
}

fn main() -> std::process::ExitCode {
    hil::test_features("features")
}
