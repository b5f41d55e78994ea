//! Messages: published by the harness; published, received and acknowledged by boards.

use std::sync::Arc;

use cucumber::{gherkin, then, when};
use hil_timeline::{Cursor, Direction, Effect, Packet, Payload, QoS, RunEvent, What};
use hil_verdict::{
    Delivered, MessageMatch, Travel, elsewhere, heard_on, published_by, seconds, show, subscriptions, topic_matches,
};

use super::{cause, check_topic, column, doc_string, not_delivered, pattern};
use crate::error::StepError;
use crate::parameters::{Delivery, Span, Text};
use crate::stage::{Stage, refs};
use crate::world::HilWorld;

#[when(expr = "I publish {text} to {text}{delivery}")]
async fn publish(world: &mut HilWorld, payload: Text, topic: Text, delivery: Delivery) -> Result<(), StepError> {
    publish_one(world, &payload, &topic, delivery).await
}

#[when(expr = "I publish to {text}{delivery} the text:")]
async fn publish_text(
    world: &mut HilWorld,
    topic: Text,
    delivery: Delivery,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    publish_one(world, doc_string(step)?, &topic, delivery).await
}

async fn publish_one(world: &mut HilWorld, text: &str, topic: &str, delivery: Delivery) -> Result<(), StepError> {
    check_topic(topic)?;
    world.stage()?.publish(topic, Payload::from(text), delivery.qos, delivery.retained).await
}

#[when(expr = "I publish to {text}{delivery}, one after another:")]
async fn publish_all(
    world: &mut HilWorld,
    topic: Text,
    delivery: Delivery,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    check_topic(&topic)?;
    let payloads = column(step)?;
    let publish = async |stage: &mut Stage| {
        let mut first = None;
        for payload in payloads {
            let payload = Payload::from(payload.as_str());
            let event = stage.observer().publish(&topic, payload, delivery.qos, delivery.retained).await?;
            first.get_or_insert(event);
        }
        first.map(|event| Effect::of(&event)).ok_or_else(|| StepError::errored("the table has no row to publish"))
    };
    world.stage()?.act(publish).await
}

#[then(expr = "{text} publishes {text} to {text} within {span}")]
async fn publishes(
    world: &mut HilWorld,
    board: Text,
    payload: Text,
    topic: Text,
    within: Span,
) -> Result<(), StepError> {
    expect_publish(world.stage()?, &board, &payload, &topic, within, false).await
}

#[then(expr = "{text} publishes {text} to {text}, retained, within {span}")]
async fn publishes_retained(
    world: &mut HilWorld,
    board: Text,
    payload: Text,
    topic: Text,
    within: Span,
) -> Result<(), StepError> {
    expect_publish(world.stage()?, &board, &payload, &topic, within, true).await
}

async fn expect_publish(
    stage: &mut Stage,
    board: &str,
    payload: &str,
    topic: &str,
    within: Span,
    retained: bool,
) -> Result<(), StepError> {
    stage.check_packets(board)?;
    let wanted = MessageMatch::payload(payload)?;
    let wanted = if retained { wanted.retained() } else { wanted };
    let mut rule = Delivered::new(Travel::Sent, board, topic, wanted);
    stage.past(|event| rule.known(event));
    if stage.expect(within.0, |event| rule.take(event).then_some(())).await.is_some() {
        return Ok(());
    }
    let kind = if retained { "retained " } else { "" };
    let message = format!(
        "`{board}` published nothing {kind}to `{topic}` matching {} within {} of {}",
        pattern(payload)?,
        seconds(within.0),
        cause(stage)
    );
    let mark = stage.mark().at;
    let nothing = || {
        let events = stage.events_since_mark();
        vec!["closest: nothing published there since then".to_owned(), elsewhere(&refs(&events), Travel::Sent, board)]
    };
    let details = rule.closest(mark).unwrap_or_else(nothing);
    let details: Vec<_> = details.into_iter().chain(not_delivered(stage)).chain(stage.last_words(board)).collect();
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{text} does not publish to {text} for {span}")]
async fn does_not_publish(world: &mut HilWorld, board: Text, topic: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    stage.check_could_speak(&board)?;
    let until = stage.mark().at + span.0;
    let pick = |event: &RunEvent| {
        published_by(event, &board).filter(|(on, _)| topic_matches(&topic, on)).map(|_| event.clone())
    };
    if let Some(event) = stage.watch(until, pick).await {
        let message = format!("`{board}` published to `{topic}`, which it should not do for {}", seconds(span.0));
        return Err(StepError::failed(message).with_details([format!("came: {}", show(&event, stage.mark().at))]));
    }
    stage.check_could_speak(&board)
}

#[then(expr = "{text} receives {text} on {text} within {span}")]
async fn receives(
    world: &mut HilWorld,
    board: Text,
    payload: Text,
    topic: Text,
    within: Span,
) -> Result<(), StepError> {
    let wanted = pattern(&payload)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut rule = Delivered::new(Travel::Received, &board, &topic, MessageMatch::payload(&payload)?);
    // The delivery may have set the mark: it is then just before it.
    let at_mark = stage.consume_at_mark(|event| rule.take(event));
    if at_mark || stage.expect(within.0, |event| rule.take(event).then_some(())).await.is_some() {
        return Ok(());
    }
    let message =
        format!("nothing matching {wanted} on `{topic}` was delivered to `{board}` within {}", seconds(within.0));
    let events = stage.events_since_mark();
    let session = subscriptions(&stage.session(&board));
    let details = rule.closest(stage.mark().at).unwrap_or_default().into_iter();
    let details = details.chain([heard_on(&refs(&events)), session]).chain(not_delivered(stage));
    let details: Vec<_> = details.chain(stage.last_words(&board)).collect();
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{text} acknowledges the message within {span}")]
async fn acknowledges(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let published = last_published(stage)?;
    let until = stage.mark().at + within.0;
    let delivery = |event: &RunEvent| delivered(event, &board, &published);
    let from = Cursor::after(&published.event);
    let Some((id, qos, on)) = stage.watch_all_from(from, until, delivery).await else {
        let message = format!(
            "`{}` on `{}` was not delivered to `{board}` within {}, so there is nothing to acknowledge",
            published.payload,
            published.topic,
            seconds(within.0)
        );
        let session = subscriptions(&stage.session(&board));
        let details = not_delivered(stage).into_iter().chain([session]).chain(stage.last_words(&board));
        return Err(StepError::failed(message).with_details(details));
    };
    let (topic, payload) = (&published.topic, &published.payload);
    let Some(id) = id else {
        let message = format!("`{payload}` on `{topic}` was delivered to `{board}` at QoS 0: nothing to acknowledge");
        return Err(StepError::failed(message).with_hint("publish and subscribe at QoS 1 or 2"));
    };
    let pick = |event: &RunEvent| {
        let (of, connection, packet) = event.what.sent_by_board()?;
        (of == board && connection == on && acknowledges_it(packet, id, qos)).then_some(())
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message =
        format!("`{board}` did not acknowledge `{payload}` on `{topic}` (packet {id}) within {}", seconds(within.0));
    let mut details = vec![closest_acknowledgement(stage, &board)];
    details.extend(stage.last_words(&board));
    Err(StepError::failed(message).with_details(details))
}

/// Whether a packet is the correct positive answer to a delivery (MQTT 3.1.1 §4.3).
fn acknowledges_it(packet: &Packet, id: u16, qos: QoS) -> bool {
    match (packet, qos) {
        (Packet::Puback { packet_id, code, .. }, QoS::AtLeastOnce)
        | (Packet::Pubrec { packet_id, code, .. }, QoS::ExactlyOnce) => *packet_id == id && *code < 0x80,
        _ => false,
    }
}

/// The latest message of the harness.
struct Published {
    event: Arc<RunEvent>,
    topic: String,
    payload: Payload,
}

fn last_published(stage: &Stage) -> Result<Published, StepError> {
    let last = stage.events().into_iter().rev().find_map(|event| match &event.what {
        What::Published { topic, payload, .. } => {
            Some(Published { topic: topic.clone(), payload: payload.clone(), event: Arc::clone(&event) })
        }
        _ => None,
    });
    last.ok_or_else(|| StepError::errored("no message was published in this scenario"))
}

/// Packet identifier, QoS and connection of a delivery of a message to a board.
fn delivered(event: &RunEvent, board: &str, published: &Published) -> Option<(Option<u16>, QoS, u32)> {
    match event.what.reached_board()? {
        (of, connection, Packet::Publish { topic, payload, packet_id, qos, .. })
            if of == board && *topic == published.topic && *payload == published.payload =>
        {
            Some((*packet_id, *qos, connection))
        }
        _ => None,
    }
}

fn closest_acknowledgement(stage: &Stage, board: &str) -> String {
    let mark = stage.mark().at;
    let acknowledgement = stage.events_since_mark().into_iter().find(|event| {
        matches!(&event.what, What::Packet { board: of, direction: Direction::FromBoard,
            packet: Packet::Puback { .. } | Packet::Pubrec { .. }, .. } if of == board)
    });
    match acknowledgement {
        Some(event) => format!("closest: {}", show(&event, mark)),
        None => "closest: no acknowledgement at all since then".to_owned(),
    }
}
