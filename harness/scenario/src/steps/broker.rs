//! Stopping and starting the broker.

use cucumber::when;

use crate::error::StepError;
use crate::world::HilWorld;

#[when("the broker stops")]
async fn stops(world: &mut HilWorld) -> Result<(), StepError> {
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    stage.stop_broker().await;
    stage.mark_from(begin);
    Ok(())
}

#[when("the broker starts")]
async fn starts(world: &mut HilWorld) -> Result<(), StepError> {
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    stage.start_broker().await?;
    stage.mark_from(begin);
    Ok(())
}

#[when("the broker restarts")]
async fn restarts(world: &mut HilWorld) -> Result<(), StepError> {
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    stage.stop_broker().await;
    stage.start_broker().await?;
    stage.mark_from(begin);
    Ok(())
}
