//! Cutting and restoring power.

use cucumber::when;
use hil_timeline::{Effect, Evidence, RunEvent, What};
use hil_verdict::{is_fresh_boot, show};

use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::StepSpec;
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[StepSpec::new(
    "the power of {railed} is (?:cut|cut for {span}|restored)",
    &[
        (r#"When the power of "lamp" is cut"#, "Switches all rails off. The board's connections fall silent."),
        (r#"When the power of "lamp" is cut for 500 ms"#, "Switches all rails off, waits, and switches them on again."),
        (
            r#"When the power of "lamp" is restored"#,
            "Switches all rails on. The step is errored if the board does not boot from power-on: its power was \
             not off.",
        ),
    ],
)];

#[when(expr = "the power of {text} is cut")]
async fn is_cut(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    cut(world.stage()?, &board).await
}

/// Cuts the power of a board.
pub(super) async fn cut(stage: &mut Stage, board: &str) -> Result<(), StepError> {
    stage.before_stop(board);
    stage.act(async |stage| switch(stage, board, false).await).await
}

/// Switches the rails of a board; it takes effect when their driver says so.
async fn switch(stage: &mut Stage, board: &str, on: bool) -> Result<Effect, StepError> {
    let effect = match on {
        true => stage.board(board)?.power_on().await?,
        false => stage.board(board)?.power_off().await?,
    };
    effect.ok_or_else(|| {
        StepError::errored(format!("the power of `{board}` is already {}", if on { "on" } else { "off" }))
    })
}

#[when(expr = "the power of {text} is cut for {span}")]
async fn is_cut_for(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    is_cut(world, board.clone()).await?;
    tokio::time::sleep(span.0).await;
    is_restored(world, board).await
}

#[when(expr = "the power of {text} is restored")]
async fn is_restored(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    restore(world.stage()?, &board).await
}

/// Restores the power of a board, which must boot from power-on.
pub(super) async fn restore(stage: &mut Stage, board: &str) -> Result<(), StepError> {
    if stage.is_powered(board) {
        return Err(StepError::errored(format!("the power of `{board}` is already on")));
    }
    // Checked before power returns: afterwards a board that kept running can't be recognized.
    stage.check_power_cuts()?;
    stage.before_start(board);
    stage.act(async |stage| switch(stage, board, true).await).await?;
    boots_from_power_on(stage, board).await
}

/// Checks that restored power causes a boot: a board that does not boot never lost its power. A port on the same supply
/// loses the first output, but its own disappearance and return prove as much.
async fn boots_from_power_on(stage: &Stage, board: &str) -> Result<(), StepError> {
    let until = stage.mark().at + stage.ready_within(board);
    let boot = |event: &RunEvent| is_fresh_boot(event, board).map(|evidence| (evidence, event.clone()));
    let hint = "check that its power was really off: a second supply or its UART lines may have kept it running";
    match stage.watch_from(stage.mark().cursor, until, boot).await {
        Some((Evidence::Contradicted, event)) => {
            let cause = match &event.what {
                What::Found { detail, .. } => detail.clone(),
                _ => String::new(),
            };
            let message =
                format!("the power of `{board}` was restored, but its reset cause is `{cause}`, not power-on");
            note_evidence(stage, board, Evidence::Contradicted, message.clone());
            Err(StepError::errored(message).with_details(stage.last_words(board)).with_hint(hint))
        }
        Some((evidence, event)) => {
            note_evidence(stage, board, evidence, show(&event, stage.mark().at));
            Ok(())
        }
        None => {
            stage.check_console(board)?;
            let message = format!("the power of `{board}` was restored, but it did not boot");
            note_evidence(stage, board, Evidence::Contradicted, message.clone());
            Err(StepError::errored(message).with_details(stage.last_words(board)).with_hint(hint))
        }
    }
}

/// Records the evidence for the cut from the boot. A measurement at the cut itself is stronger.
fn note_evidence(stage: &Stage, board: &str, evidence: Evidence, detail: String) {
    let latest = stage.events().into_iter().rev().find_map(|event| match &event.what {
        What::PowerCut { board: of, evidence, .. } if of == board => Some(*evidence),
        What::Power { board: of, on: false, .. } if of == board => Some(Evidence::Unproven),
        _ => None,
    });
    if latest != Some(Evidence::Sensed) || evidence == Evidence::Contradicted {
        stage.recorder().record(What::PowerCut { board: board.to_owned(), evidence, detail });
    }
}
