//! Faults of a board's network.

use cucumber::when;
use hil_link::{Ending, Way};
use hil_timeline::{FaultPhase, What};

use crate::error::StepError;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::world::HilWorld;

fn record(stage: &mut Stage, board: &str, fault: String, phase: FaultPhase) {
    let event = stage.recorder().record(What::Fault { board: board.to_owned(), fault, phase });
    stage.mark_at(&event);
}

#[when(expr = "the network of {string} goes silent")]
fn goes_silent(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.network(&board)?.silence(&Way::BOTH);
    record(stage, &board, "silence".to_owned(), FaultPhase::Begins);
    Ok(())
}

#[when(expr = "the network of {string} goes silent for {span}")]
async fn goes_silent_for(world: &mut HilWorld, board: String, span: Span) -> Result<(), StepError> {
    goes_silent(world, board.clone())?;
    tokio::time::sleep(span.0).await;
    recovers(world, board)
}

#[when(expr = "the network of {string} recovers")]
fn recovers(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    let control = stage.network(&board)?.clone();
    // Recorded first: what was held comes after it.
    record(stage, &board, "silence or delay".to_owned(), FaultPhase::Ends);
    control.clear();
    Ok(())
}

#[when(expr = "the network of {string} is delayed by {span}")]
fn is_delayed(world: &mut HilWorld, board: String, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.network(&board)?.delay(&Way::BOTH, span.0);
    record(stage, &board, format!("delay of {} ms", span.0.as_millis()), FaultPhase::Begins);
    Ok(())
}

#[when(expr = "the connection of {string} is closed")]
fn is_closed(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    end(world, &board, Ending::Close, "close")
}

#[when(expr = "the connection of {string} is reset")]
fn is_reset(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    end(world, &board, Ending::Reset, "reset")
}

fn end(world: &mut HilWorld, board: &str, ending: Ending, word: &str) -> Result<(), StepError> {
    let stage = world.stage()?;
    if !stage.session(board).connected {
        return Err(StepError::errored(format!("`{board}` has no connection that could be ended")));
    }
    let control = stage.network(board)?.clone();
    record(stage, board, word.to_owned(), FaultPhase::Happens);
    control.end(ending);
    Ok(())
}
