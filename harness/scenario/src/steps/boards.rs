//! What one board sends and another gets.

use std::sync::Arc;
use std::time::Duration;

use cucumber::then;
use hil_mqtt::Session;
use hil_timeline::{Packet, Payload, RunEvent, Stamp};

use super::seconds;
use crate::error::StepError;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::story::last_words;
use crate::world::HilWorld;

#[then(expr = "every message that {string} sends reaches {string} within {span}, in order")]
async fn every_message_reaches(
    world: &mut HilWorld,
    sender: String,
    receiver: String,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    let until = stage.recorder().now();
    reaches(stage, &sender, &receiver, within.0, until).await
}

#[then(expr = "every message that {string} sends for {span} reaches {string} within {span}, in order")]
async fn every_message_for(
    world: &mut HilWorld,
    sender: String,
    span: Span,
    receiver: String,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    let until = stage.mark().at + span.0;
    stage.wait_until(until).await;
    reaches(stage, &sender, &receiver, within.0, until).await
}

/// A message on its way.
struct Sent {
    at: Stamp,
    topic: String,
    payload: Payload,
}

async fn reaches(
    stage: &mut Stage,
    sender: &str,
    receiver: &str,
    within: Duration,
    until: Stamp,
) -> Result<(), StepError> {
    stage.check_packets(sender)?;
    stage.check_packets(receiver)?;
    stage.wait_until(until + within).await;
    let events = stage.events();
    let sent = sent(&events, sender, receiver, until);
    if sent.is_empty() {
        let message = format!("`{sender}` sent nothing that `{receiver}` was subscribed to");
        return Err(StepError::failed(message).with_details(last_words(stage, sender)));
    }
    let mut received = events.iter().filter_map(|event| received(event, receiver));
    for (n, message) in sent.iter().enumerate() {
        // Others may publish there as well: what is not looked for is passed by.
        let arrived = received
            .find(|(at, topic, payload)| *at >= message.at && *topic == message.topic && *payload == &message.payload);
        let late = match arrived {
            Some((at, ..)) if at.since(message.at) <= within => continue,
            Some((at, ..)) => format!("took {}", seconds(at.since(message.at))),
            None => "did not come, or came before an earlier one".to_owned(),
        };
        let what = format!("message {} of {}, `{}` on `{}`,", n + 1, sent.len(), message.payload, message.topic);
        let error = format!("{what} did not reach `{receiver}` within {}: it {late}", seconds(within));
        return Err(StepError::failed(error).with_details(last_words(stage, receiver)));
    }
    Ok(())
}

/// What the sender sent while the receiver was subscribed to it.
fn sent(events: &[Arc<RunEvent>], sender: &str, receiver: &str, until: Stamp) -> Vec<Sent> {
    let of = |(n, event): (usize, &Arc<RunEvent>)| {
        let (board, _, Packet::Publish { topic, payload, .. }) = event.what.sent_by_board()? else { return None };
        let subscribed = || Session::of(receiver, events[..n].iter().map(AsRef::as_ref)).receives(topic);
        (board == sender && event.at <= until && subscribed()).then(|| Sent {
            at: event.at,
            topic: topic.clone(),
            payload: payload.clone(),
        })
    };
    events.iter().enumerate().filter_map(of).collect()
}

fn received<'a>(event: &'a RunEvent, receiver: &str) -> Option<(Stamp, &'a str, &'a Payload)> {
    match event.what.reached_board()? {
        (board, _, Packet::Publish { topic, payload, .. }) if board == receiver => Some((event.at, topic, payload)),
        _ => None,
    }
}
