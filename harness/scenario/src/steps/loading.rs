//! How far a board has come with an update that it loads.

use cucumber::when;
use hil_timeline::{Effect, RunEvent, percent};
use hil_verdict::seconds;

use super::updates::{last_exchanges, sent};
use crate::error::StepError;
use crate::parameters::Text;
use crate::spec::StepSpec;
use crate::stage::update_path;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[StepSpec::new(
    "{board} has loaded {percent} % of the update {update}",
    &[(
        r#"When "lamp" has loaded 60 % of the update "app-2""#,
        "Waits until that much of it was sent to the board, up to its `connects-within` from the mark; deadlines count from \
         then. The board may still have some of it in its buffers.",
    )],
)];

#[when(expr = "{text} has loaded {int} % of the update {text}")]
async fn has_loaded(world: &mut HilWorld, board: Text, part: u64, firmware: Text) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let (path, limit) = (update_path(&firmware), stage.connects_within(&board));
    let until = stage.mark().at + limit;
    let that_far = |event: &RunEvent| {
        sent(event, &board, &path).filter(|(sent, of)| percent(*sent, *of) >= part).map(|_| event.clone())
    };
    if let Some(event) = stage.watch_all_from(stage.mark().cursor, until, that_far).await {
        stage.took_effect(Effect::of(&event));
        return Ok(());
    }
    stage.check_reachable(&board)?;
    let events = stage.events_since_mark();
    let most = events.iter().filter_map(|event| sent(event, &board, &path)).max();
    let loaded = most.map_or("nothing".to_owned(), |(sent, of)| format!("{} %", percent(sent, of)));
    let limit = seconds(limit);
    let message = format!("`{board}` loaded {loaded} of the update `{firmware}` within {limit} (`connects-within`)");
    Err(StepError::failed(message).with_details(last_exchanges(stage, &board)))
}
