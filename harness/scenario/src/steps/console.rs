//! What a board's console says.

use std::time::Duration;

use cucumber::{gherkin, then, when};
use hil_mqtt::TextPattern;
use hil_timeline::{Finding, Payload, RunEvent, Stamp, What};

use super::{pattern, seconds};
use crate::error::StepError;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::story::{last_words, show};
use crate::world::HilWorld;

#[when(expr = "I type {string} at the console of {string}")]
fn type_line(world: &mut HilWorld, text: String, board: String) -> Result<(), StepError> {
    type_lines(world.stage()?, &board, &text)
}

#[when(expr = "I type at the console of {string}:")]
fn type_text(world: &mut HilWorld, board: String, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    let text = super::doc_string(step)?.to_owned();
    type_lines(world.stage()?, &board, &text)
}

/// Writes each line with the end that a terminal sends; the mark is the moment before.
fn type_lines(stage: &mut Stage, board: &str, text: &str) -> Result<(), StepError> {
    stage.check_started(board)?;
    stage.check_console(board)?;
    stage.mark_now();
    for line in text.lines().map(str::trim) {
        stage.board(board)?.write_console(format!("{line}\r").as_bytes());
    }
    Ok(())
}

#[then(expr = "the console of {string} shows {string} within {span}")]
async fn shows(world: &mut HilWorld, board: String, text: String, within: Span) -> Result<(), StepError> {
    if text.is_empty() {
        return Err(StepError::errored("every console shows an empty text: the step can't fail"));
    }
    let wanted = pattern(&text)?;
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let matches = |line: &str| is_shown(&wanted, line);
    let pick = |event: &RunEvent| match &event.what {
        What::Console { board: of, line } if *of == board && matches(line) => Some(()),
        _ => None,
    };
    match stage.expect(within.0, pick).await {
        Some(()) => Ok(()),
        None if lost_console(stage, &board) => {
            let message = format!("the serial port of `{board}` vanished: what it said meanwhile is not known");
            Err(StepError::errored(message).with_details(last_words(stage, &board)))
        }
        None => {
            stage.check_console(&board)?;
            let message = format!("the console of `{board}` did not show {wanted} within {}", seconds(within.0));
            Err(StepError::failed(message).with_details(last_words(stage, &board)))
        }
    }
}

#[then(expr = "the console of {string} or {string} shows {string} exactly once within {span}, settling for {span}")]
async fn one_of_both_shows(
    world: &mut HilWorld,
    first: String,
    second: String,
    text: String,
    within: Span,
    settle: Span,
) -> Result<(), StepError> {
    shown_once(world.stage()?, &[first, second], &text, within, settle).await
}

#[then(expr = "the console of {string} shows {string} exactly once within {span}, settling for {span}")]
async fn shows_once(
    world: &mut HilWorld,
    board: String,
    text: String,
    within: Span,
    settle: Span,
) -> Result<(), StepError> {
    shown_once(world.stage()?, &[board], &text, within, settle).await
}

/// One of the boards shows it, and none of them shows it again.
async fn shown_once(
    stage: &mut Stage,
    boards: &[String],
    text: &str,
    within: Span,
    settle: Span,
) -> Result<(), StepError> {
    let wanted = pattern(text)?;
    for board in boards {
        stage.check_started(board)?;
        stage.check_console(board)?;
    }
    let names = boards.iter().map(|board| format!("`{board}`")).collect::<Vec<_>>().join(" and ");
    let pick = |event: &RunEvent| match &event.what {
        What::Console { board, line } if boards.contains(board) => is_shown(&wanted, line).then(|| event.clone()),
        _ => None,
    };
    let Some(event) = stage.expect(within.0, pick).await else {
        boards.iter().try_for_each(|board| stage.check_console(board))?;
        let message = format!("{names}: {wanted} was not shown on the console within {}", seconds(within.0));
        let words = boards.first().map(|board| last_words(stage, board));
        return Err(StepError::failed(message).with_details(words.into_iter().flatten()));
    };
    match stage.watch(event.at + settle.0, pick).await {
        None => boards.iter().try_for_each(|board| stage.check_console(board)),
        Some(again) => {
            let message = format!("{names}: {wanted} was shown more than once");
            let details = [
                format!("first: {}", show(&event, stage.mark().at)),
                format!("again: {}", show(&again, stage.mark().at)),
            ];
            Err(StepError::failed(message).with_details(details))
        }
    }
}

/// A line contains the text, or matches the pattern.
fn is_shown(wanted: &TextPattern, line: &str) -> bool {
    match wanted {
        TextPattern::Exact(text) => line.contains(text),
        TextPattern::Matching(_) => wanted.matches(&Payload::from(line)),
    }
}

fn found(event: &RunEvent, board: &str, wanted: Finding) -> Option<Stamp> {
    match &event.what {
        What::Found { board: of, finding, .. } if of == board && *finding == wanted => Some(event.at),
        _ => None,
    }
}

#[then(expr = "{string} reboots once within {span}")]
async fn reboots_once(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    const SETTLE: Duration = Duration::from_secs(1);
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let Some(at) = stage.expect(within.0, |event| found(event, &board, Finding::Boot)).await else {
        let message = format!("`{board}` did not reboot within {}", seconds(within.0));
        stage.check_console(&board)?;
        return Err(StepError::failed(message).with_details(last_words(stage, &board)));
    };
    let again = stage.watch(at + SETTLE, |event| found(event, &board, Finding::Boot).map(|_| event.clone())).await;
    match again {
        None => stage.check_console(&board),
        Some(event) => {
            let message = format!("`{board}` rebooted more than once");
            let again = format!("again: {}", show(&event, stage.mark().at));
            Err(StepError::failed(message).with_details(std::iter::once(again).chain(last_words(stage, &board))))
        }
    }
}

fn lost_console(stage: &Stage, board: &str) -> bool {
    let lost = |event: &std::sync::Arc<RunEvent>| matches!(&event.what, What::ConsoleLost { board: of } if of == board);
    !stage.board_is_captured(board) || stage.events_since_mark().iter().any(lost)
}

#[then(expr = "{string} does not reboot for {span}")]
async fn does_not_reboot(world: &mut HilWorld, board: String, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    stage.check_console(&board)?;
    let until = stage.mark().at + span.0;
    let pick = |event: &RunEvent| match &event.what {
        What::ConsoleLost { board: of } if *of == board => Some(None),
        // A boot that a step asked for is no surprise.
        _ => found(event, &board, Finding::Reboot).map(|_| Some(event.clone())),
    };
    match stage.watch(until, pick).await {
        None => stage.check_console(&board),
        Some(None) => {
            Err(StepError::errored(format!("the serial port of `{board}` vanished: a reboot would not be seen")))
        }
        Some(Some(event)) => {
            let message = format!("`{board}` rebooted, which it should not for {}", seconds(span.0));
            let came = format!("came: {}", show(&event, stage.mark().at));
            Err(StepError::failed(message).with_details(std::iter::once(came).chain(last_words(stage, &board))))
        }
    }
}

#[then(expr = "{string} boot-loops within {span}")]
async fn boot_loops(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    if stage.expect(within.0, |event| found(event, &board, Finding::BootLoop)).await.is_some() {
        return Ok(());
    }
    let message = format!("`{board}` did not boot-loop within {}", seconds(within.0));
    Err(StepError::failed(message).with_details(last_words(stage, &board)))
}
