//! Pins that the bench senses.

use cucumber::then;
use hil_timeline::{RunEvent, Stamp, What};

use super::seconds;
use crate::error::StepError;
use crate::parameters::{OnOff, Span};
use crate::stage::Stage;
use crate::story::last_words;
use crate::world::HilWorld;

#[then(expr = "the pin {string} of {string} is {onoff} within {span}")]
async fn is_within(
    world: &mut HilWorld,
    pin: String,
    board: String,
    wanted: OnOff,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    check_pin(stage, &board, &pin)?;
    if stage.wait_for_pin(&board, &pin, wanted.is_on(), within.0).await {
        return Ok(());
    }
    let message = format!("the pin `{pin}` of `{board}` was not {} within {}", word(wanted.is_on()), seconds(within.0));
    Err(StepError::failed(message).with_details(last_words(stage, &board)))
}

#[then(expr = "the pin {string} of {string} stays {onoff} for {span}")]
async fn stays(world: &mut HilWorld, pin: String, board: String, wanted: OnOff, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    check_pin(stage, &board, &pin)?;
    stage.check_could_speak(&board)?;
    let mark = stage.mark().cursor.0;
    if stage.pin_level_before(&board, &pin, mark) != wanted.is_on() {
        return Err(StepError::failed(format!(
            "the pin `{pin}` of `{board}` was not {} to begin with",
            word(wanted.is_on())
        )));
    }
    let until = stage.mark().at + span.0;
    let changed: Option<Stamp> = stage.watch(until, |event| level(event, &board, &pin).map(|_| event.at)).await;
    match changed {
        None => stage.check_could_speak(&board),
        Some(at) => {
            let after = at.seconds_from(stage.mark().at);
            let message = format!("the pin `{pin}` of `{board}` changed after {after:.2} s");
            Err(StepError::failed(message).with_details(last_words(stage, &board)))
        }
    }
}

fn check_pin(stage: &mut Stage, board: &str, pin: &str) -> Result<(), StepError> {
    stage.check_started(board)?;
    let on_board = stage.board(board)?;
    if on_board.pin(pin).is_some() {
        return Ok(());
    }
    let hint = format!("add `pins = {{ {pin} = {{ line = \"GPIO…\" }} }}` to `[boards.{board}]`");
    Err(StepError::errored(format!("board `{board}` has no pin `{pin}` on this bench")).with_hint(hint))
}

fn level(event: &RunEvent, board: &str, pin: &str) -> Option<bool> {
    match &event.what {
        What::Pin { board: of, pin: name, on, .. } if of == board && name == pin => Some(*on),
        _ => None,
    }
}

fn word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}
