//! Messages: what the harness publishes, and what boards publish, receive and acknowledge.

use std::collections::HashSet;
use std::sync::Arc;

use cucumber::{gherkin, then, when};
use hil_mqtt::topic_matches;
use hil_timeline::{Cursor, Direction, Packet, Payload, QoS, RunEvent, What};

use super::{column, doc_string, pattern, seconds};
use crate::error::StepError;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::story::{closest_message, heard_on, last_words, published_by, show, subscriptions};
use crate::world::HilWorld;

#[when(regex = r#"^I publish "([^"]*)" to "([^"]*)"(?: with QoS ([012]))?(, retained)?$"#)]
async fn publish(
    world: &mut HilWorld,
    payload: String,
    topic: String,
    qos: String,
    retained: String,
) -> Result<(), StepError> {
    check_topic(&topic)?;
    let qos = read_qos(&qos)?;
    world.stage()?.publish(&topic, Payload::from(payload.as_str()), qos, !retained.is_empty()).await
}

#[when(regex = r#"^I publish to "([^"]*)"(?: with QoS ([012]))?(, retained)? the text:$"#)]
async fn publish_text(
    world: &mut HilWorld,
    topic: String,
    qos: String,
    retained: String,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    check_topic(&topic)?;
    let (qos, text) = (read_qos(&qos)?, doc_string(step)?);
    world.stage()?.publish(&topic, Payload::from(text), qos, !retained.is_empty()).await
}

#[when(regex = r#"^I publish to "([^"]*)"(?: with QoS ([012]))?, one after another:$"#)]
async fn publish_all(
    world: &mut HilWorld,
    topic: String,
    qos: String,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    check_topic(&topic)?;
    let (qos, payloads) = (read_qos(&qos)?, column(step)?);
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    for payload in payloads {
        stage.observer().publish(&topic, Payload::from(payload.as_str()), qos, false).await?;
    }
    stage.mark_from(begin);
    Ok(())
}

/// A topic name has no wildcards and is not empty (MQTT 3.1.1 §4.7).
fn check_topic(topic: &str) -> Result<(), StepError> {
    if topic.is_empty() || topic.contains(['+', '#']) {
        let message = format!("`{topic}` is no topic that can be published to");
        return Err(StepError::errored(message).with_hint("a topic has at least one character and neither `+` nor `#`"));
    }
    Ok(())
}

fn read_qos(text: &str) -> Result<QoS, StepError> {
    let number = text.parse().unwrap_or(0_u8);
    QoS::try_from(number).map_err(StepError::errored)
}

#[then(expr = "{string} publishes {string} to {string} within {span}")]
async fn publishes(
    world: &mut HilWorld,
    board: String,
    payload: String,
    topic: String,
    within: Span,
) -> Result<(), StepError> {
    expect_publish(world.stage()?, &board, &payload, &topic, within, false).await
}

#[then(expr = "{string} publishes {string} to {string}, retained, within {span}")]
async fn publishes_retained(
    world: &mut HilWorld,
    board: String,
    payload: String,
    topic: String,
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
    let wanted = pattern(payload)?;
    let mut sent = Sent::before(stage);
    let pick = |event: &RunEvent| {
        let (on, what) = published_by(event, board).filter(|_| sent.is_new(event))?;
        let flagged = matches!(&event.what, What::Packet { packet: Packet::Publish { retain: true, .. }, .. });
        (topic_matches(topic, on) && wanted.matches(what) && (flagged || !retained)).then_some(())
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let kind = if retained { "retained " } else { "" };
    let message = format!(
        "`{board}` published nothing {kind}to `{topic}` matching {wanted} within {} of {}",
        seconds(within.0),
        cause(stage)
    );
    let mut details = vec![closest_message(stage, board, topic)];
    details.extend(last_words(stage, board));
    Err(StepError::failed(message).with_details(details))
}

/// Messages that boards have sent: one that is sent again (DUP, §3.3.1.1) is no second message.
#[derive(Default)]
struct Sent(HashSet<(String, u16, String, Vec<u8>)>);

impl Sent {
    fn before(stage: &Stage) -> Self {
        let mut sent = Self::default();
        let mark = stage.mark().cursor.0;
        // What is behind the mark or has satisfied a step won't be looked at again.
        let past = |event: &&Arc<RunEvent>| event.seq < mark || stage.is_consumed(event.seq);
        for event in stage.events().iter().filter(past) {
            sent.is_new(event);
        }
        sent
    }

    /// Takes a message; whether it is no retransmission of one taken before.
    fn is_new(&mut self, event: &RunEvent) -> bool {
        match event.what.sent_by_board() {
            Some((board, _, Packet::Publish { topic, payload, dup, packet_id: Some(id), .. })) => {
                self.0.insert((board.to_owned(), *id, topic.clone(), payload.0.clone())) || !dup
            }
            _ => true,
        }
    }
}

/// What the mark stands for, for messages.
fn cause(stage: &Stage) -> String {
    let published = stage.events().into_iter().rev().find(|event| event.seq < stage.mark().cursor.0).map(|event| {
        match &event.what {
            What::Published { payload, topic, .. }
            | What::Packet { packet: Packet::Publish { payload, topic, .. }, .. } => {
                format!("publishing `{payload}` to `{}`", topic.escape_debug())
            }
            What::Power { on, .. } => format!("the power going {}", if *on { "on" } else { "off" }),
            What::Fault { fault, .. } => format!("the fault `{fault}`"),
            What::Reset { .. } => "the reset".to_owned(),
            _ => "the mark".to_owned(),
        }
    });
    published.unwrap_or_else(|| "the mark".to_owned())
}

#[then(expr = "{string} publishes to {string} in this order within {span}:")]
async fn publishes_in_order(
    world: &mut HilWorld,
    board: String,
    topic: String,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = column(step)?;
    let patterns = wanted.iter().map(|text| pattern(text)).collect::<Result<Vec<_>, _>>()?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut came = Vec::new();
    for _ in &patterns {
        let mut sent = Sent::before(stage);
        let pick = |event: &RunEvent| {
            let (_, payload) =
                published_by(event, &board).filter(|(on, _)| topic_matches(&topic, on) && sent.is_new(event))?;
            Some((payload.clone(), event.clone()))
        };
        let Some((payload, event)) = stage.expect(within.0, pick).await else { break };
        came.push((payload, show(&event, stage.mark().at)));
    }
    let right = came.len() == patterns.len() && came.iter().zip(&patterns).all(|((p, _), wanted)| wanted.matches(p));
    if right {
        return Ok(());
    }
    let message = format!(
        "`{board}` published {} of {} messages to `{topic}` in the order `{}` within {}",
        came.iter().zip(&patterns).take_while(|((p, _), wanted)| wanted.matches(p)).count(),
        patterns.len(),
        wanted.join("`, `"),
        seconds(within.0)
    );
    let mut details: Vec<_> = came.into_iter().map(|(_, shown)| format!("came: {shown}")).collect();
    details.extend(last_words(stage, &board));
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{string} does not publish to {string} for {span}")]
async fn does_not_publish(world: &mut HilWorld, board: String, topic: String, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    stage.check_could_speak(&board)?;
    let until = stage.mark().at + span.0;
    let pick = |event: &RunEvent| {
        published_by(event, &board).filter(|(on, _)| topic_matches(&topic, on)).map(|_| event.clone())
    };
    if let Some(event) = stage.watch(until, pick).await {
        let message = format!("`{board}` published to `{topic}`, which it should not for {}", seconds(span.0));
        return Err(StepError::failed(message).with_details([format!("came: {}", show(&event, stage.mark().at))]));
    }
    stage.check_could_speak(&board)
}

#[then(expr = "{string} receives {string} on {string} within {span}")]
async fn receives(
    world: &mut HilWorld,
    board: String,
    payload: String,
    topic: String,
    within: Span,
) -> Result<(), StepError> {
    let wanted = pattern(&payload)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let is_it = |event: &RunEvent| match event.what.reached_board() {
        Some((of, _, Packet::Publish { topic: on, payload, .. })) => {
            of == board && topic_matches(&topic, on) && wanted.matches(payload)
        }
        _ => false,
    };
    // The delivery may itself be the mark: it lies just before it.
    let at_mark = stage.consume_at_mark(is_it);
    if at_mark || stage.expect(within.0, |event| is_it(event).then_some(())).await.is_some() {
        return Ok(());
    }
    let message =
        format!("nothing matching {wanted} on `{topic}` was delivered to `{board}` within {}", seconds(within.0));
    let details = [heard_on(stage), subscriptions(stage, &board)].into_iter().chain(last_words(stage, &board));
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{string} acknowledges the message within {span}")]
async fn acknowledges(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
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
        return Err(StepError::failed(message).with_details(last_words(stage, &board)));
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
    details.extend(last_words(stage, &board));
    Err(StepError::failed(message).with_details(details))
}

/// Whether a packet is the right and positive answer to a delivery (MQTT 3.1.1 §4.3).
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
