//! Cutting and restoring power.

use std::time::Duration;

use cucumber::when;
use hil_timeline::{Finding, RunEvent, What};

use crate::error::StepError;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::story::last_words;
use crate::world::HilWorld;

#[when(expr = "the power of {string} is cut")]
async fn is_cut(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    stage.dies(&board);
    stage.board(&board)?.power_off().await?;
    let cut = stage
        .recorder()
        .timeline()
        .since(begin)
        .into_iter()
        .find(|event| matches!(&event.what, What::Power { board: of, on: false, .. } if *of == board));
    match cut {
        Some(cut) => stage.mark_at(&cut),
        None => return Err(StepError::errored(format!("the power of `{board}` is already off"))),
    }
    Ok(())
}

#[when(expr = "the power of {string} is cut for {span}")]
async fn is_cut_for(world: &mut HilWorld, board: String, span: Span) -> Result<(), StepError> {
    is_cut(world, board.clone()).await?;
    tokio::time::sleep(span.0).await;
    is_restored(world, board).await
}

#[when(expr = "the power of {string} is restored")]
async fn is_restored(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    if stage.is_powered(&board) {
        return Err(StepError::errored(format!("the power of `{board}` is already on")));
    }
    // A board that went on living was not cut; once it is powered again nobody could tell.
    stage.check_power_cuts()?;
    let begin = stage.recorder().timeline().end();
    stage.lives(&board);
    stage.board(&board)?.power_on().await?;
    stage.mark_from(begin);
    boots_afresh(stage, &board).await
}

/// Power that comes back is a fresh boot; a board that does not boot had never lost it. Of a port that hangs on the same
/// supply the first words are lost, but that it went and came back tells as much.
async fn boots_afresh(stage: &Stage, board: &str) -> Result<(), StepError> {
    const BOOT: Duration = Duration::from_secs(5);
    let boot = |event: &RunEvent| match &event.what {
        What::Found { board: of, finding: Finding::Boot, .. } => (of == board).then_some(()),
        What::ConsoleOpened { board: of, .. } => (of == board).then_some(()),
        _ => None,
    };
    if stage.watch(stage.mark().at + BOOT, boot).await.is_some() {
        return Ok(());
    }
    stage.check_console(board)?;
    let message = format!("the power of `{board}` was restored, but it did not boot afresh");
    Err(StepError::errored(message)
        .with_details(last_words(stage, board))
        .with_hint("was its power really off? a second supply or its UART lines may have kept it alive"))
}
