//! Cutting and restoring power.

use cucumber::when;
use hil_timeline::What;

use crate::error::StepError;
use crate::parameters::Span;
use crate::world::HilWorld;

#[when(expr = "the power of {string} is cut")]
async fn is_cut(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
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
    let begin = stage.recorder().timeline().end();
    stage.board(&board)?.power_on().await?;
    stage.mark_from(begin);
    Ok(())
}
