//! The console of a board.

use cucumber::{gherkin, then, when};
use hil_timeline::{Effect, RunEvent, What};
use hil_verdict::{TextPattern, captured, is_shown, nearest_line, seconds, show};

use super::pattern;
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::{BelowDoc, Expects, StepSpec, Takes};
use crate::stage::{Stage, refs};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the console of {board}(?: or {board})? shows {shown}(?: within {span}| exactly once within {span}, \
         settling for {span})",
        &[
            (
                r#"Then the console of "lamp" shows "mqtt running" within 10 s"#,
                r#"A line contains the text, or matches "/a regular expression/"."#,
            ),
            (
                r#"Then the console of "lamp" shows "/heap: (?<heap>\d+)/" within 10 s"#,
                "What a named group matches is captured: later steps write `${captured:heap}`. If it is a number, it is also a \
                 [gauge](#gauges): from this line on, every matching line of the scenario has a value of it.",
            ),
            (
                r#"Then the console of "sub" shows "got Suhu: 28°C" exactly once within 1 s, settling for 500 ms"#,
                "And no second time within the settle time.",
            ),
            (
                "Then the console of \"client\" or \"client-2\" shows \"job\" exactly once within 2 s, settling for \
                 500 ms",
                "One of them shows it, once.",
            ),
        ],
    )
    .expecting(Expects::Line)
    .capturing(),
    StepSpec::new(
        "the console of {board} does not show {shown} for {span}",
        &[(
            r#"Then the console of "lamp" does not show "error" for 5 s"#,
            "No line contains the text, or matches. Counted from the mark. Errored unless the console was open all the time, \
             and the board has shown a sign of life since it was started.",
        )],
    ),
    StepSpec::new(
        "I type {text} at the console of {board}",
        &[(
            r#"When I type "connect id=a" at the console of "client""#,
            "Sends the line to the board's UART. Deadlines count from just before it.",
        )],
    ),
    StepSpec::new(
        "I type at the console of {board}:",
        &[(r#"When I type at the console of "client":"#, "Sends each line of the text.")],
    )
    .above(&LINES),
];

/// Lines to type.
const LINES: BelowDoc = BelowDoc {
    name: "Lines to type",
    takes: Takes::Text,
    about: "A text between two lines of `\"\"\"`; each line is sent with CR.",
    fields: &[],
    example: &["\"\"\"", "connect id=a", "subscribe sooko/#:1", "\"\"\""],
};

#[when(expr = "I type {text} at the console of {text}")]
async fn type_line(world: &mut HilWorld, text: Text, board: Text) -> Result<(), StepError> {
    type_lines(world.stage()?, &board, &text).await
}

#[when(expr = "I type at the console of {text}:")]
async fn type_text(world: &mut HilWorld, board: Text, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    let text = super::doc_string(step)?.to_owned();
    type_lines(world.stage()?, &board, &text).await
}

/// Writes each line with the line end of a terminal. Output since the first line matches; deadlines count from the last
/// line.
async fn type_lines(stage: &mut Stage, board: &str, text: &str) -> Result<(), StepError> {
    stage.check_started(board)?;
    stage.check_console(board)?;
    let write = async |stage: &mut Stage| {
        let cursor = stage.end();
        let mut at = stage.recorder().now();
        // Every line unchanged: an interpreter needs the indentation, and an empty line is Enter.
        for line in text.split('\n') {
            at = stage.board(board)?.write_console(format!("{line}\r").as_bytes()).await?.at;
        }
        Ok::<_, StepError>(Effect { cursor, at })
    };
    stage.act(write).await
}

#[then(expr = "the console of {text} shows {text} within {span}")]
async fn shows(world: &mut HilWorld, board: Text, text: Text, within: Span) -> Result<(), StepError> {
    if text.is_empty() {
        return Err(StepError::errored("every console shows an empty text: the step can't fail"));
    }
    let wanted = pattern(&text)?;
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let pick = |event: &RunEvent| match &event.what {
        What::Console { board: of, line } if *of == board && is_shown(&wanted, line) => {
            Some((event.seq, captured(&wanted, line)))
        }
        _ => None,
    };
    match stage.expect(within.0, pick).await {
        Some((seq, captured)) => {
            stage.capture_all(&board, &captured);
            stage.add_console_gauges(&board, &wanted, &captured, seq);
            Ok(())
        }
        None if lost_console(stage, &board) => {
            let message = format!("the serial port of `{board}` vanished: its output meanwhile is unknown");
            Err(StepError::errored(message).with_details(stage.last_words(&board)))
        }
        None => {
            stage.check_console(&board)?;
            let message = format!("the console of `{board}` did not show {wanted} within {}", seconds(within.0));
            let details = closest_line(stage, &board, &wanted).into_iter().chain(stage.last_words(&board));
            Err(StepError::failed(message).with_details(details))
        }
    }
}

#[then(expr = "the console of {text} does not show {text} for {span}")]
async fn does_not_show(world: &mut HilWorld, board: Text, text: Text, span: Span) -> Result<(), StepError> {
    let wanted = pattern(&text)?;
    let stage = world.stage()?;
    stage.check_started(&board)?;
    stage.check_console(&board)?;
    let until = stage.mark().at + span.0;
    let pick = |event: &RunEvent| match &event.what {
        What::Console { board: of, line } if *of == board && is_shown(&wanted, line) => Some(event.clone()),
        _ => None,
    };
    if let Some(event) = stage.watch_every(until, pick).await {
        let message =
            format!("the console of `{board}` showed {wanted}, which it should not do for {}", seconds(span.0));
        return Err(StepError::failed(message).with_details([format!("came: {}", show(&event, stage.mark().at))]));
    }
    if stage.is_powered(&board) && lost_console(stage, &board) {
        let message = format!("the serial port of `{board}` vanished: its output meanwhile is unknown");
        return Err(StepError::errored(message).with_details(stage.last_words(&board)).transient().about(&*board));
    }
    stage.check_console(&board)?;
    stage.check_shows_life(&board)
}

/// The line since the mark that is most like the wanted one.
fn closest_line(stage: &Stage, board: &str, wanted: &TextPattern) -> Option<String> {
    let wanted = match wanted {
        TextPattern::Exact(text) => text.clone(),
        TextPattern::Matching(regex) => regex.as_str().to_owned(),
    };
    let events = stage.events_since_mark();
    let mine = refs(&events).into_iter().filter(|event| event.what.board() == Some(board));
    nearest_line(&wanted, mine).map(|event| format!("closest: {}", show(event, stage.mark().at)))
}

#[then(expr = "the console of {text} or {text} shows {text} exactly once within {span}, settling for {span}")]
async fn one_of_both_shows(
    world: &mut HilWorld,
    first: Text,
    second: Text,
    text: Text,
    within: Span,
    settle: Span,
) -> Result<(), StepError> {
    shown_once(world.stage()?, &[first.0, second.0], &text, within, settle).await
}

#[then(expr = "the console of {text} shows {text} exactly once within {span}, settling for {span}")]
async fn shows_once(
    world: &mut HilWorld,
    board: Text,
    text: Text,
    within: Span,
    settle: Span,
) -> Result<(), StepError> {
    shown_once(world.stage()?, &[board.0], &text, within, settle).await
}

/// Waits until one of the boards shows a text, and checks that none shows it again.
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
        let closest = boards.iter().filter_map(|board| closest_line(stage, board, &wanted)).collect::<Vec<_>>();
        let words = boards.first().map(|board| stage.last_words(board));
        return Err(StepError::failed(message).with_details(closest.into_iter().chain(words.into_iter().flatten())));
    };
    match stage.watch_since(event.at, event.at + settle.0, pick).await {
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

fn lost_console(stage: &Stage, board: &str) -> bool {
    let events = stage.events();
    !stage.board_is_captured(board) || hil_verdict::console_lost(board, stage.mark().cursor, refs(&events))
}
