//! Programs as devices: ending them other than by cutting their power.

use cucumber::{then, when};
use hil_bench::Signal;
use hil_timeline::{Finding, RunEvent, What};
use hil_verdict::seconds;

use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::{Expects, StepSpec};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the program of {program} is (?:asked to end|killed)",
        &[
            (
                r#"When the program of "pi" is asked to end"#,
                "Sends SIGTERM to the program of a `process` board. A well-behaved client disconnects cleanly.",
            ),
            (
                r#"When the program of "pi" is killed"#,
                "Sends SIGKILL. The system closes the connections, so the broker notices at once; a power cut is \
                 silent.",
            ),
        ],
    )
    .expecting(Expects::End),
    StepSpec::new(
        "the program of {program} ends with code {exit} within {span}",
        &[(r#"Then the program of "pi" ends with code 0 within 2 s"#, "On its own, or because a step asked it to.")],
    )
    .expecting(Expects::End),
];

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
