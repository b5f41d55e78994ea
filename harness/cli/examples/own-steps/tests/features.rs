//! Features with a step that only this crate has.

use std::time::Duration;

use cucumber::then;
use hil::timeline::What;
use hil::{HilWorld, Span, StepError};

/// Counts lines of a console since the latest Given or When.
#[then(expr = "the console of {string} shows at most {int} lines for {span}")]
async fn shows_at_most(world: &mut HilWorld, board: String, most: usize, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.board(&board)?;
    stage.wait_until(stage.mark().at + span.0).await;
    let is_line = |what: &What| matches!(what, What::Console { board: of, .. } if *of == board);
    let lines = stage.events_since_mark().iter().filter(|event| is_line(&event.what)).count();
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
