//! Programs as devices: ending them other than by cutting their power.

use cucumber::{then, when};
use hil_bench::Signal;
use hil_timeline::{Finding, RunEvent, What};
use hil_verdict::seconds;

use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::world::HilWorld;

#[when(expr = "the program of {text} is asked to end")]
fn is_asked_to_end(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    signal(world, &board, Signal::TERM)
}

#[when(expr = "the program of {text} is killed")]
fn is_killed(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    signal(world, &board, Signal::KILL)
}

fn signal(world: &mut HilWorld, board: &str, signal: Signal) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(board)?;
    let ended = stage.events().into_iter().rev().find_map(|event| match &event.what {
        What::Found { board: of, finding: Finding::AppStarted, .. } if of == board => Some(None),
        What::Found { board: of, finding: Finding::Ended, detail } if of == board => Some(Some(detail.clone())),
        _ => None,
    });
    if let Some(Some(how)) = ended {
        let message = format!("the program of `{board}` had already ended, {how}");
        return Err(StepError::failed(message).with_details(stage.last_words(board)));
    }
    let effect = stage.board(board)?.signal_program(signal)?;
    stage.took_effect(effect);
    Ok(())
}

#[then(expr = "the program of {text} ends with code {int} within {span}")]
async fn ends_with(world: &mut HilWorld, board: Text, code: i32, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let ended = |event: &RunEvent| match &event.what {
        What::Found { board: of, finding: Finding::Ended, detail } if *of == board => Some(detail.clone()),
        _ => None,
    };
    let wanted = format!("with code {code}");
    let message = match stage.expect(within.0, ended).await {
        Some(how) if how == wanted => return Ok(()),
        Some(how) => format!("the program of `{board}` ended {how}, not {wanted}"),
        None => format!("the program of `{board}` did not end within {}", seconds(within.0)),
    };
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}
