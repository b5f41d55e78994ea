//! Pins that the bench senses and drives.

use std::sync::Arc;

use cucumber::{then, when};
use hil_config::PinDirection;
use hil_timeline::{RunEvent, Stamp, What};
use hil_verdict::{seconds, signed};

use crate::error::StepError;
use crate::parameters::{OnOff, Span, Text};
use crate::spec::StepSpec;
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the pin {pin} of {board} is {onoff} within {span}",
        &[(
            r#"Then the pin "led" of "lamp" is on within 1 s"#,
            "The pin is on, or turns on in time. Steps about a pin see its changes in order, each change once.",
        )],
    ),
    StepSpec::new(
        "the pin {pin} of {board} stays {onoff} for {span}",
        &[(r#"Then the pin "led" of "lamp" stays off for 1 s"#, "The pin does not change, counted from the mark.")],
    ),
    StepSpec::new(
        "the pin {pin} of {board} pulses {count} times? within {span}",
        &[(
            r#"Then the pin "led" of "lamp" pulses 3 times within 5 s"#,
            "It goes on and off exactly that many times between the mark and the end of the time.",
        )],
    ),
    StepSpec::new(
        "I press the button {driven} of {board} for {span}",
        &[(
            r#"When I press the button "button" of "lamp" for 200 ms"#,
            "Drives a pin of the bench on, waits, and drives it off. Deadlines count from when it went on.",
        )],
    ),
    StepSpec::new(
        "the pin {driven} of {board} is driven {onoff}",
        &[(
            r#"When the pin "button" of "lamp" is driven on"#,
            "Drives a pin of the bench. It is released when the scenario ends.",
        )],
    ),
];

#[then(expr = "the pin {text} of {text} is {onoff} within {span}")]
async fn is_within(world: &mut HilWorld, pin: Text, board: Text, wanted: OnOff, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    check_pin(stage, &board, &pin)?;
    if stage.wait_for_pin(&board, &pin, wanted.is_on(), within.0).await {
        return Ok(());
    }
    check_changes_are_seen(stage, &board, &pin)?;
    known(stage.pin_level_before(&board, &pin, stage.end().0), &board, &pin)?;
    let message = format!("the pin `{pin}` of `{board}` was not {} within {}", word(wanted.is_on()), seconds(within.0));
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

#[then(expr = "the pin {text} of {text} stays {onoff} for {span}")]
async fn stays(world: &mut HilWorld, pin: Text, board: Text, wanted: OnOff, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    check_pin(stage, &board, &pin)?;
    stage.check_could_speak(&board)?;
    check_doubt(stage, &board, &pin)?;
    let mark = stage.mark().cursor.0;
    if known(stage.pin_level_before(&board, &pin, mark), &board, &pin)? != wanted.is_on() {
        return Err(StepError::failed(format!(
            "the pin `{pin}` of `{board}` was not {} to begin with",
            word(wanted.is_on())
        )));
    }
    let (begin, until) = (begun_at(stage), stage.mark().at + span.0);
    let change = |event: &RunEvent| level(event, &board, &pin).map(|_| changed_at(event)).filter(|at| *at >= begin);
    let seen =
        stage.watch(until, |event| if is_gap(event, &board, &pin) { Some(None) } else { change(event).map(Some) });
    let seen = seen.await.flatten();
    // A change within the time may be about to be read.
    check_changes_are_seen(stage, &board, &pin)?;
    let events = stage.events_since_mark();
    let late = |event: &&Arc<RunEvent>| change(event).is_some() && stage.in_time(event, until);
    let changed = seen.or_else(|| events.iter().find(late).and_then(|event| change(event)));
    match changed {
        None => stage.check_could_speak(&board),
        Some(at) => {
            let after = at.seconds_from(stage.mark().at);
            let message = format!("the pin `{pin}` of `{board}` changed after {after:.2} s");
            Err(StepError::failed(message).with_details(stage.last_words(&board)))
        }
    }
}

#[then(expr = "the pin {text} of {text} pulses {int} time(s) within {span}")]
async fn pulses(world: &mut HilWorld, pin: Text, board: Text, wanted: usize, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    check_pin(stage, &board, &pin)?;
    let (mark, begin) = (stage.mark(), begun_at(stage));
    let until = mark.at + within.0;
    stage.wait_until(until).await;
    check_changes_are_seen(stage, &board, &pin)?;
    let events = stage.events_since_mark();
    let in_time = |event: &&Arc<RunEvent>| level(event, &board, &pin).is_some() && stage.in_time(event, until);
    let changes = events.iter().filter(in_time);
    let changes = changes.filter_map(|event| Some((changed_at(event), level(event, &board, &pin)?)));
    // Split by when the line changed, not by when the change was read.
    let (early, levels): (Vec<_>, Vec<_>) = changes.partition(|(at, _)| *at < begin);
    let before = early.last().map(|(_, on)| *on).or_else(|| stage.pin_level_before(&board, &pin, mark.cursor.0));
    let before = known(before, &board, &pin)?;
    let counted = count_pulses(before, levels.iter().map(|(_, on)| *on));
    if counted == wanted {
        // A board that does not run makes no pulse either.
        return if wanted == 0 { stage.check_shows_life(&board) } else { Ok(()) };
    }
    let message =
        format!("the pin `{pin}` of `{board}` pulsed {counted} times within {}, not {wanted}", seconds(within.0));
    let change = |(at, on): &(Stamp, bool)| format!("{} at {}", word(*on), signed(*at, mark.at));
    let changes: Vec<_> = levels.iter().take(20).map(change).collect();
    let changes = if changes.is_empty() { "it did not change".to_owned() } else { changes.join(", ") };
    Err(StepError::failed(message).with_details(std::iter::once(changes).chain(stage.last_words(&board))))
}

/// A pulse is over when the pin is off again.
fn count_pulses(mut on: bool, levels: impl Iterator<Item = bool>) -> usize {
    let mut pulses = 0;
    let mut rose = false;
    for level in levels {
        if level && !on {
            rose = true;
        } else if !level && on && rose {
            pulses += 1;
            rose = false;
        }
        on = level;
    }
    pulses
}

#[when(expr = "I press the button {text} of {text} for {span}")]
async fn i_press(world: &mut HilWorld, pin: Text, board: Text, held: Span) -> Result<(), StepError> {
    drive(world, &pin, &board, true).await?;
    tokio::time::sleep(held.0).await;
    world.stage()?.board(&board)?.drive_pin(&pin, false).await.map(drop).map_err(StepError::from)
}

#[when(expr = "the pin {text} of {text} is driven {onoff}")]
async fn is_driven(world: &mut HilWorld, pin: Text, board: Text, wanted: OnOff) -> Result<(), StepError> {
    drive(world, &pin, &board, wanted.is_on()).await
}

/// Drives a pin; deadlines count from here.
async fn drive(world: &mut HilWorld, pin: &str, board: &str, on: bool) -> Result<(), StepError> {
    let stage = world.stage()?;
    has_pin(stage, board, pin)?;
    let is_driven = stage.board(board)?.pin(pin).is_some_and(|pin| pin.direction == PinDirection::Drive);
    if !is_driven {
        let hint = format!("add `direction = \"drive\"` to `boards.{board}.pins.{pin}` if the bench may drive it");
        return Err(StepError::errored(format!("the bench senses the pin `{pin}` of `{board}`")).with_hint(hint));
    }
    stage.act(async |stage| Ok::<_, StepError>(stage.board(board)?.drive_pin(pin, on).await?)).await
}

fn check_pin(stage: &mut Stage, board: &str, pin: &str) -> Result<(), StepError> {
    stage.check_started(board)?;
    has_pin(stage, board, pin)
}

fn has_pin(stage: &mut Stage, board: &str, pin: &str) -> Result<(), StepError> {
    let on_board = stage.board(board)?;
    if on_board.pin(pin).is_some() {
        return Ok(());
    }
    let hint = format!("add `pins = {{ {pin} = {{ line = \"GPIO…\" }} }}` to `[boards.{board}]`");
    let bench = stage.bench_title();
    Err(StepError::errored(format!("{bench} gives board `{board}` no pin `{pin}`")).with_hint(hint))
}

/// When a pin changed: as the kernel reports it, else when it was recorded.
fn changed_at(event: &RunEvent) -> Stamp {
    match &event.what {
        What::Pin { edge: Some(edge), .. } => edge.at,
        _ => event.at,
    }
}

/// When the action of the mark began: an earlier change was not caused by it, whenever it was read.
fn begun_at(stage: &Stage) -> Stamp {
    let cursor = stage.mark().cursor.0;
    stage.events().iter().rev().find(|event| event.seq < cursor).map_or(stage.mark().at, |event| event.at)
}

/// A level that a step needs: what is unknown is neither on nor off.
fn known(level: Option<bool>, board: &str, pin: &str) -> Result<bool, StepError> {
    let unknown = || StepError::errored(format!("the level of the pin `{pin}` of `{board}` is unknown"));
    level.ok_or_else(unknown)
}

fn is_gap(event: &RunEvent, board: &str, pin: &str) -> bool {
    matches!(&event.what, What::PinGap { board: of, pin: name, .. } if of == board && name == pin)
}

/// Checks that every change of a pin since the mark is recorded: otherwise its behaviour is unknown.
fn check_changes_are_seen(stage: &mut Stage, board: &str, pin: &str) -> Result<(), StepError> {
    stage.board(board)?.catch_up_pins();
    check_doubt(stage, board, pin)?;
    check_gaps(stage, board, pin)
}

/// Checks that the bench sees changes of a pin: otherwise it proves nothing that none was seen.
fn check_doubt(stage: &mut Stage, board: &str, pin: &str) -> Result<(), StepError> {
    let Some(doubt) = stage.board(board)?.pin_doubt(pin) else { return Ok(()) };
    let error = StepError::errored(format!("the pin `{pin}` of `{board}` {doubt}"));
    Err(match doubt.hint() {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

/// Checks that no changes of a pin were lost.
fn check_gaps(stage: &Stage, board: &str, pin: &str) -> Result<(), StepError> {
    let events = stage.events_since_mark();
    let lost = |event: &&Arc<RunEvent>| is_gap(event, board, pin);
    let lost: u32 = events.iter().filter(lost).map(|event| gap(event)).fold(0, u32::saturating_add);
    if lost == 0 {
        return Ok(());
    }
    let (changes, were) = if lost == 1 { ("1 change".to_owned(), "was") } else { (format!("{lost} changes"), "were") };
    let message = format!("{changes} of the pin `{pin}` of `{board}` {were} lost: its behaviour is unknown");
    let hint = "the kernel keeps up to 1024 unread changes per line; the program that watches the pin must not stall";
    Err(StepError::errored(message).with_hint(hint).transient().about(board))
}

fn gap(event: &RunEvent) -> u32 {
    match &event.what {
        What::PinGap { lost, .. } => *lost,
        _ => 0,
    }
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

#[cfg(test)]
mod tests {
    use super::count_pulses;

    #[test]
    fn a_pulse_rises_and_falls_and_a_level_from_before_is_not_one() {
        assert_eq!(count_pulses(false, [true, false, true, false].into_iter()), 2);
        assert_eq!(count_pulses(true, [false, true, false, true].into_iter()), 1, "the last one is not over");
        assert_eq!(count_pulses(false, [true, true, false, false].into_iter()), 1);
        assert_eq!(count_pulses(false, std::iter::empty()), 0);
    }
}
