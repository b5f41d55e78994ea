//! Wills and retained messages, as any subscriber sees them.

use std::time::Duration;

use cucumber::then;
use hil_timeline::{Packet, Payload, RunEvent, Stamp, What, Will};

use super::{pattern, seconds};
use crate::error::StepError;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::story::{last_words, show};
use crate::world::HilWorld;

/// The name under which the stage's observer records.
const OBSERVER: &str = "observer";

#[then(expr = "the will of {string} is published on {string}")]
async fn is_published(world: &mut HilWorld, board: String, topic: String) -> Result<(), StepError> {
    expect_will(world.stage()?, &board, &topic).await.map(drop)
}

#[then(expr = "the will of {string} is published exactly once on {string}, settling for {span}")]
async fn is_published_once(world: &mut HilWorld, board: String, topic: String, settle: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    let (will, at) = expect_will(stage, &board, &topic).await?;
    let again = stage.watch(at + settle.0, |event| is_will(event, &will).then(|| event.clone())).await;
    match again {
        None => stage.check_observer_was_there(),
        Some(event) => {
            let message = format!("the will of `{board}` was published more than once within {}", seconds(settle.0));
            Err(StepError::failed(message).with_details([format!("again: {}", show(&event, stage.mark().at))]))
        }
    }
}

/// The will as announced, and the keep alive that came with it, of the session that stood at the mark.
fn announced(stage: &Stage, board: &str) -> Result<(Will, Duration, Stamp), StepError> {
    let session = stage.session_at_mark(board);
    let connect = session.connect.as_ref();
    let Some(Packet::Connect { keep_alive, will, .. }) = connect else {
        let message = format!("`{board}` was not connected at the mark, so that no will of it can be published");
        return Err(StepError::errored(message).with_hint("wait for it first: `Given \"…\" is connected`"));
    };
    let Some(will) = will else {
        let message = format!("`{board}` connected without a will: the broker has nothing to publish");
        return Err(StepError::failed(message).with_details(last_words(stage, board)));
    };
    let last = session.last_from_board.as_ref().map_or(stage.mark().at, |(at, _)| *at);
    Ok((will.clone(), Duration::from_secs(u64::from(*keep_alive)), last))
}

fn is_will(event: &RunEvent, will: &Will) -> bool {
    matches!(&event.what, What::Observed { observer, topic, payload, .. }
        if observer == OBSERVER && *topic == will.topic && *payload == will.payload)
}

/// Waits for the will in the broker's window after the board's last packet.
async fn expect_will(stage: &mut Stage, board: &str, topic: &str) -> Result<(Will, Stamp), StepError> {
    stage.check_packets(board)?;
    let (will, keep_alive, last) = announced(stage, board)?;
    if will.topic != topic {
        let message = format!("`{board}` announced its will on `{}`, not on `{topic}`", will.topic.escape_debug());
        return Err(StepError::failed(message));
    }
    if keep_alive.is_zero() {
        let message = format!("`{board}` connected with keep alive 0: the broker never notices that it is gone");
        return Err(StepError::failed(message).with_details(last_words(stage, board)));
    }
    let (window, published) = loop {
        let window = stage.will_window(keep_alive, last);
        let within = (last + window.not_after).since(stage.mark().at);
        let published = stage.expect(within, |event| is_will(event, &will).then_some(event.at)).await;
        // The window is larger where this machine stood still meanwhile.
        if published.is_some() || stage.will_window(keep_alive, last) == window {
            break (window, published);
        }
    };
    match published {
        Some(at) if at.since(last) >= window.not_before => Ok((will, at)),
        Some(at) => {
            let message = format!(
                "the will of `{board}` was published {:.2} s after its last packet, before {}",
                at.since(last).as_secs_f64(),
                seconds(window.not_before)
            );
            Err(StepError::failed(message).with_details(last_words(stage, board)))
        }
        None => {
            stage.check_observer_was_there()?;
            let message = format!(
                "the will of `{board}` was not published on `{topic}` within {:.2} s of its last packet",
                window.not_after.as_secs_f64()
            );
            Err(StepError::failed(message).with_details(last_words(stage, board)))
        }
    }
}

#[then(expr = "no will of {string} is published for {span}")]
async fn is_not_published(world: &mut HilWorld, board: String, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let (will, ..) = announced(stage, &board)?;
    let until = stage.mark().at + span.0;
    let came = stage.watch(until, |event| is_will(event, &will).then(|| event.clone())).await;
    match came {
        None => stage.check_observer_was_there(),
        Some(event) => {
            let message = format!("the will of `{board}` was published, which it should not for {}", seconds(span.0));
            let came = format!("came: {}", show(&event, stage.mark().at));
            Err(StepError::failed(message).with_details(std::iter::once(came).chain(last_words(stage, &board))))
        }
    }
}

#[then(expr = "a late subscriber to {string} receives {string}, retained")]
async fn late_subscriber(world: &mut HilWorld, topic: String, payload: String) -> Result<(), StepError> {
    /// A broker sends retained messages right after its SUBACK.
    const WITHIN: Duration = Duration::from_secs(2);
    let wanted = pattern(&payload)?;
    let stage = world.stage()?;
    let deadline = tokio::time::Instant::now() + WITHIN;
    let received = loop {
        let (name, observer) = stage.late_subscriber().await?;
        let timeline = stage.recorder().timeline().clone();
        let begin = timeline.end();
        observer.subscribe(&topic).await?;
        let received = timeline.wait_for(begin, deadline, |event| received_by(event, &name)).await;
        // A live copy was still on its way when this one subscribed: it was not late, the next one is.
        if !matches!(received, Ok((_, false))) || tokio::time::Instant::now() >= deadline {
            break received;
        }
    };
    match received {
        Ok((payload, true)) if wanted.matches(&payload) => Ok(()),
        Ok((payload, retained)) => {
            let kind = if retained { "retained" } else { "not retained" };
            let message =
                format!("a late subscriber to `{topic}` received `{payload}`, {kind}, not {wanted}, retained");
            Err(StepError::failed(message))
        }
        Err(_) => Err(StepError::failed(format!("nothing is retained on `{topic}`: a late subscriber got nothing"))),
    }
}

fn received_by(event: &RunEvent, name: &str) -> Option<(Payload, bool)> {
    match &event.what {
        What::Observed { observer, payload, retain, .. } if observer == name => Some((payload.clone(), *retain)),
        _ => None,
    }
}
