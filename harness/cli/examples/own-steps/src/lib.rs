//! Steps for the lamp.

use std::time::Duration;

use cucumber::then;
use hil::timeline::{Packet, What};
use hil::{HilWorld, Span, StepError, Text};

/// Counts lines of a console since the latest Given or When.
#[then(expr = "the console of {text} shows at most {int} lines for {span}")]
async fn shows_at_most(world: &mut HilWorld, board: Text, most: usize, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.board(&board)?;
    let until = stage.mark().at + span.0;
    stage.wait_until(until).await;
    let is_line = |what: &What| matches!(what, What::Console { board: of, .. } if *of == board);
    let events = stage.events_since_mark();
    let lines = events.iter().filter(|event| is_line(&event.what) && stage.in_time(event, until)).count();
    if lines <= most {
        return Ok(());
    }
    Err(StepError::failed(format!("the console of `{board}` showed {lines} lines, not at most {most}")))
}

/// Looks at the packets that the board itself has sent.
#[then(expr = "{text} has sent only messages of at most {int} bytes")]
async fn sends_small_messages(world: &mut HilWorld, board: Text, most: usize) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    for event in stage.events() {
        let Some((of, _, Packet::Publish { topic, payload, .. })) = event.what.sent_by_board() else { continue };
        if *of == *board && payload.0.len() > most {
            return Err(StepError::failed(format!("`{board}` sent {} bytes on `{topic}`", payload.0.len())));
        }
    }
    Ok(())
}

/// A plain assertion is the firmware's fault.
#[then(expr = "I am patient")]
async fn patient(_world: &mut HilWorld) {
    assert!(Duration::from_millis(1) > Duration::ZERO);
}
