//! Messages from one board to another.

use std::sync::Arc;
use std::time::Duration;

use cucumber::then;
use hil_timeline::{Disposition, Packet, Payload, RunEvent, Stamp, What};
use hil_verdict::{Holds, Session, seconds, topic_matches};

use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::StepSpec;
use crate::stage::Stage;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[StepSpec::new(
    "every message that {board} sends(?: for {span})? reaches {board} within {span}, in order",
    &[
        (
            r#"Then every message that "pub" sends reaches "sub" within 200 ms, in order"#,
            "All messages that the first board has sent in this scenario since the second one subscribed. The \
             step fails if there are none. It is errored if equal messages lie closer together than the time.",
        ),
        (
            r#"Then every message that "pub" sends for 5 s reaches "sub" within 200 ms, in order"#,
            "The same, up to that long after the mark.",
        ),
    ],
)];

#[then(expr = "every message that {text} sends reaches {text} within {span}, in order")]
async fn every_message_reaches(
    world: &mut HilWorld,
    sender: Text,
    receiver: Text,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    let until = stage.recorder().now();
    reaches(stage, &sender, &receiver, within.0, until).await
}

#[then(expr = "every message that {text} sends for {span} reaches {text} within {span}, in order")]
async fn every_message_for(
    world: &mut HilWorld,
    sender: Text,
    span: Span,
    receiver: Text,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    let until = stage.mark().at + span.0;
    stage.wait_until(until).await;
    reaches(stage, &sender, &receiver, within.0, until).await
}

/// A sent message.
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
    let (events, stalls) = (stage.events(), stage.stalls_since(Stamp(0)));
    let sent = sent(&events, sender, receiver);
    let judged = sent.iter().take_while(|message| message.at <= until).count();
    if judged == 0 {
        let message = format!("`{sender}` sent nothing that `{receiver}` was subscribed to");
        return Err(StepError::failed(message).with_details(stage.last_words(sender)));
    }
    if let Some(twin) = twins(&sent, within) {
        let message = format!("`{}` on `{}` was sent twice within {}", twin.payload, twin.topic, seconds(within));
        return Err(StepError::errored(format!("{message}: if one of them was lost, it is unclear which"))
            .with_hint("use a shorter time, or make the messages differ"));
    }
    let mut received = events.iter().filter_map(|event| received(event, receiver));
    for (n, message) in sent.iter().take(judged).enumerate() {
        // Skips other messages: others may publish there as well.
        let arrived = received
            .find(|(at, topic, payload)| *at >= message.at && *topic == message.topic && *payload == &message.payload);
        let late = match arrived {
            Some((at, ..)) => {
                let (took, lateness) = (at.since(message.at), stalls.lateness([&at]));
                if stage.holds(Holds::no_longer(took, within, lateness), lateness) {
                    continue;
                }
                format!("took {:.2} s", took.as_secs_f64())
            }
            None => "did not arrive, or arrived before an earlier one".to_owned(),
        };
        let what = format!("message {} of {judged}, `{}` on `{}`,", n + 1, message.payload, message.topic);
        let error = format!("{what} did not reach `{receiver}` within {}: it {late}", seconds(within));
        return Err(StepError::failed(error).with_details(stage.last_words(receiver)));
    }
    Ok(())
}

/// The sender's messages since the receiver first subscribed to them, even if it left later. Retransmissions and
/// messages that the tap dropped don't count.
fn sent(events: &[Arc<RunEvent>], sender: &str, receiver: &str) -> Vec<Sent> {
    let mut subscribed: Vec<String> = Vec::new();
    let mut sent = Vec::new();
    for (n, event) in events.iter().enumerate() {
        if matches!(event.what.reached_board(), Some((board, _, Packet::Suback { .. })) if board == receiver) {
            let session = Session::of(receiver, events[..=n].iter().map(AsRef::as_ref));
            subscribed.extend(session.subscriptions.iter().map(|subscription| subscription.filter.clone()));
        }
        let was_dropped = matches!(event.what, What::Packet { disposition: Some(Disposition::Dropped), .. });
        let Some((board, _, Packet::Publish { topic, payload, dup: false, .. })) = event.what.sent_by_board() else {
            continue;
        };
        if board == sender && !was_dropped && subscribed.iter().any(|filter| topic_matches(filter, topic)) {
            sent.push(Sent { at: event.at, topic: topic.clone(), payload: payload.clone() });
        }
    }
    sent
}

/// A message that was repeated before the first one timed out: their deliveries can't be distinguished.
fn twins(sent: &[Sent], within: Duration) -> Option<&Sent> {
    sent.iter().enumerate().find_map(|(n, one)| {
        let later = sent[n + 1..].iter().take_while(|other| other.at.since(one.at) <= within);
        later.into_iter().find(|other| other.topic == one.topic && other.payload == one.payload)
    })
}

fn received<'a>(event: &'a RunEvent, receiver: &str) -> Option<(Stamp, &'a str, &'a Payload)> {
    match event.what.reached_board()? {
        (board, _, Packet::Publish { topic, payload, .. }) if board == receiver => Some((event.at, topic, payload)),
        _ => None,
    }
}
