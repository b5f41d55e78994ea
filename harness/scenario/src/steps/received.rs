//! Messages that a board receives.

use std::sync::Arc;
use std::time::Duration;

use cucumber::{gherkin, then};
use hil_timeline::{Cursor, Direction, Packet, Payload, QoS, RunEvent, Stamp, What};
use hil_verdict::{
    Acknowledgements, Delivered, Holds, MessageMatch, Travel, completes_qos_2, heard_on, seconds, show, subscriptions,
};

use super::below::{MESSAGE, PATTERNS};
use super::messages::{again, captured, expect, in_order, nothing, once};
use super::{column, not_delivered, pattern, rows};
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::StepSpec;
use crate::stage::{Stage, refs};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "{board} receives {pattern} on {filter} within {span}",
        &[(r#"Then "lamp" receives "on" on "sooko/lampu" within 1 s"#, "The broker sends this message to the board.")],
    )
    .capturing(),
    StepSpec::new(
        "{board} receives on {filter} within {span} with:",
        &[(
            r#"Then "lamp" receives on "sooko/lampu" within 1 s with:"#,
            "As `publishes … with:`, for a message to the board.",
        )],
    )
    .above(&MESSAGE)
    .capturing(),
    StepSpec::new(
        "{board} receives on {filter} in this order within {span}:",
        &[(
            r#"Then "lamp" receives on "sooko/lampu" in this order within 2 s:"#,
            "The next messages on the topic are the rows of the table, in order.",
        )],
    )
    .above(&PATTERNS),
    StepSpec::new(
        "{board} receives {pattern} on {filter} exactly once within {span}, settling for {span}",
        &[(
            r#"Then "lamp" receives "on" on "sooko/lampu" exactly once within 1 s, settling for 1 s"#,
            "And no second one within the settle time.",
        )],
    ),
    StepSpec::new(
        "{board} receives nothing on {filter} for {span}",
        &[(
            r#"Then "lamp" receives nothing on "sooko/#" for 1 s"#,
            "Errored unless the board was connected all the time or silenced on purpose.",
        )],
    ),
    StepSpec::new(
        "{board} receives a message again with DUP within {span}",
        &[(
            r#"Then "lamp" receives a message again with DUP within 5 s"#,
            "The broker delivers an unacknowledged message again.",
        )],
    ),
    StepSpec::new(
        "{board} acknowledges the message within {span}",
        &[(
            r#"Then "lamp" acknowledges the message within 500 ms"#,
            "The board answers the message of the latest When with PUBACK (QoS 1) or PUBREC (QoS 2).",
        )],
    ),
    StepSpec::new(
        "{board} and the broker complete the QoS 2 exchange within {span}",
        &[(
            r#"Then "lamp" and the broker complete the QoS 2 exchange within 1 s"#,
            "PUBLISH, PUBREC, PUBREL and PUBCOMP with one packet identifier, in either direction.",
        )],
    ),
    StepSpec::new(
        "{percent} percent of the acknowledgements of {board} take no more than {span}",
        &[(
            r#"Then 95 percent of the acknowledgements of "lamp" take no more than 50 ms"#,
            "Counts all messages delivered to the board in this scenario at QoS 1 and 2.",
        )],
    ),
];

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
    let mut found = None;
    let at_mark = stage.consume_at_mark(|event| {
        found = rule.take(event).then(|| event.clone());
        found.is_some()
    });
    // It may have satisfied an earlier step.
    if !at_mark {
        found = stage.expect(within.0, |event| rule.take(event).then(|| event.clone())).await;
    }
    if let Some(event) = found {
        stage.capture_all(&board, &captured(Travel::Received, &event, &board, &payload)?);
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

#[then(expr = "{text} receives on {text} within {span} with:")]
async fn receives_with(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = MessageMatch::read(rows(step)?)?;
    expect(world.stage()?, Travel::Received, &board, &topic, &wanted, within.0).await.map(drop)
}

#[then(expr = "{text} receives on {text} in this order within {span}:")]
async fn receives_in_order(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    in_order(world.stage()?, Travel::Received, &board, &topic, within.0, &column(step)?).await
}

#[then(expr = "{text} receives {text} on {text} exactly once within {span}, settling for {span}")]
async fn receives_once(
    world: &mut HilWorld,
    board: Text,
    payload: Text,
    topic: Text,
    within: Span,
    settle: Span,
) -> Result<(), StepError> {
    once(world.stage()?, Travel::Received, &board, &payload, &topic, within.0, settle.0).await
}

#[then(expr = "{text} receives nothing on {text} for {span}")]
async fn receives_nothing(world: &mut HilWorld, board: Text, topic: Text, span: Span) -> Result<(), StepError> {
    nothing(world.stage()?, Travel::Received, &board, &topic, span.0).await
}

#[then(expr = "{text} receives a message again with DUP within {span}")]
async fn receives_again(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    again(world.stage()?, Travel::Received, &board, within.0).await
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

#[then(expr = "{text} and the broker complete the QoS 2 exchange within {span}")]
async fn completes_exchange(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    // Includes the message, which may have set the mark.
    let from = hil_timeline::Cursor(stage.mark().cursor.0.saturating_sub(1));
    let (mut id, mut seen) = (None, Vec::new());
    let pick = |event: &RunEvent| completes_qos_2(event, &board, &mut id, &mut seen).then_some(());
    let until = stage.mark().at + within.0;
    if stage.watch_all_from(from, until, pick).await.is_some() {
        return Ok(());
    }
    let got = if seen.is_empty() { "nothing at QoS 2".to_owned() } else { seen.join(", ") };
    let message = format!("the QoS 2 exchange of `{board}` was not completed within {}", seconds(within.0));
    let details = std::iter::once(format!("closest: {got}")).chain(stage.last_words(&board));
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{int} percent of the acknowledgements of {text} take no more than {span}")]
async fn acknowledges_quickly(world: &mut HilWorld, percent: usize, board: Text, most: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    if !(1..=100).contains(&percent) {
        return Err(StepError::errored(format!("{percent} percent is not from 1 to 100")));
    }
    let begin = stage.events().first().map_or(Stamp(0), |event| event.at);
    // Earlier deliveries count; those not yet acknowledged get the full time.
    let mut acknowledgements = Acknowledgements::of(&board, refs(&stage.events()));
    let delivered = acknowledgements.deliveries();
    if delivered == 0 {
        let message = format!("nothing that is acknowledged was delivered to `{board}` in this scenario");
        return Err(StepError::failed(message));
    }
    let until = stage.recorder().now() + most.0;
    // Acknowledgements that are missing by then count as never.
    let _ = stage.watch_unjudged(stage.begin(), until, |event| acknowledgements.take(event).then_some(())).await;
    let found = acknowledgements.percentile(percent);
    if found.is_none() {
        let end = stage.end();
        stage.settle(until).await;
        // One that was read later but may have come in time.
        let mut late = stage.mine(end).into_iter().filter(|event| acknowledgements.take_one(event));
        let _ = late.find(|event| !stage.in_time(event, until));
    }
    let lateness = stage.stalls_since(begin).lateness(acknowledgements.stamps());
    let holds = match found {
        Some(us) => Holds::no_longer(Duration::from_micros(us), most.0, lateness),
        None => Holds::No,
    };
    if stage.holds(holds, lateness) {
        return Ok(());
    }
    let found = found.map_or_else(|| "forever".to_owned(), |us| format!("{:.3} s", us as f64 / 1e6));
    let message = format!(
        "{percent} percent of the {} acknowledgements of `{board}` took {found}, more than {}",
        delivered,
        seconds(most.0)
    );
    Err(StepError::failed(message))
}
