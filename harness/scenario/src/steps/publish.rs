//! Messages: what the harness publishes, and what boards publish, receive and acknowledge.

use cucumber::{gherkin, then, when};
use hil_timeline::{Direction, Packet, Payload, QoS, RunEvent, What};

use super::{column, pattern, seconds};
use crate::error::StepError;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::story::{closest_message, last_words, published_by, show};
use crate::world::HilWorld;

#[when(regex = r#"^I publish "([^"]*)" to "([^"]*)"(?: with QoS ([0-9]))?(, retained)?$"#)]
async fn publish(
    world: &mut HilWorld,
    payload: String,
    topic: String,
    qos: String,
    retained: String,
) -> Result<(), StepError> {
    let qos = read_qos(&qos)?;
    world.stage()?.publish(&topic, Payload::from(payload.as_str()), qos, !retained.is_empty()).await
}

#[when(regex = r#"^I publish to "([^"]*)"(?: with QoS ([0-9]))?, one after another:$"#)]
async fn publish_all(
    world: &mut HilWorld,
    topic: String,
    qos: String,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let (qos, payloads) = (read_qos(&qos)?, column(step)?);
    let stage = world.stage()?;
    let begin = stage.recorder().timeline().end();
    for payload in payloads {
        stage.observer().publish(&topic, Payload::from(payload.as_str()), qos, false).await?;
    }
    stage.mark_from(begin);
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
    stage.board(board)?;
    let wanted = pattern(payload)?;
    let pick = |event: &RunEvent| {
        let (on, what) = published_by(event, board)?;
        let flagged = matches!(&event.what, What::Packet { packet: Packet::Publish { retain: true, .. }, .. });
        (on == topic && wanted.matches(what) && (flagged || !retained)).then_some(())
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
    stage.board(&board)?;
    let mut came = Vec::new();
    for _ in &patterns {
        let pick = |event: &RunEvent| {
            let (_, payload) = published_by(event, &board).filter(|(on, _)| *on == topic)?;
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
    stage.board(&board)?;
    stage.check_could_speak(&board)?;
    let until = stage.mark().at + span.0;
    let pick = |event: &RunEvent| published_by(event, &board).filter(|(on, _)| *on == topic).map(|_| event.clone());
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
    stage.board(&board)?;
    // The delivery may itself be the mark: it lies just before it.
    let pick = |event: &RunEvent| match &event.what {
        What::Packet {
            board: of,
            direction: Direction::ToBoard,
            packet: Packet::Publish { topic: on, payload, .. },
            ..
        } => (*of == board && *on == topic && wanted.matches(payload)).then_some(()),
        _ => None,
    };
    let mark = stage.mark();
    let at_mark = stage.events().iter().any(|event| event.seq + 1 == mark.cursor.0 && pick(event).is_some());
    if at_mark || stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message =
        format!("nothing matching {wanted} on `{topic}` was delivered to `{board}` within {}", seconds(within.0));
    Err(StepError::failed(message).with_details(last_words(stage, &board)))
}

#[then(expr = "{string} acknowledges the message within {span}")]
async fn acknowledges(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.board(&board)?;
    let (topic, payload) = last_published(stage)?;
    let Some((id, on)) = delivered(stage, &board, &topic, &payload) else {
        let message =
            format!("`{payload}` on `{topic}` was not delivered to `{board}`, so there is nothing to acknowledge");
        return Err(StepError::failed(message).with_details(last_words(stage, &board)));
    };
    let Some(id) = id else {
        let message = format!("`{payload}` on `{topic}` was delivered to `{board}` at QoS 0: nothing to acknowledge");
        return Err(StepError::failed(message).with_hint("publish and subscribe at QoS 1 or 2"));
    };
    let pick = |event: &RunEvent| match &event.what {
        What::Packet { board: of, connection, direction: Direction::FromBoard, packet, .. } => {
            let acknowledged = matches!(packet,
                Packet::Puback { packet_id, .. } | Packet::Pubrec { packet_id, .. } if *packet_id == id);
            (*of == board && *connection == on && acknowledged).then_some(())
        }
        _ => None,
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

fn last_published(stage: &Stage) -> Result<(String, Payload), StepError> {
    let last = stage.events().into_iter().rev().find_map(|event| match &event.what {
        What::Published { topic, payload, .. } => Some((topic.clone(), payload.clone())),
        _ => None,
    });
    last.ok_or_else(|| StepError::errored("no message was published in this scenario"))
}

/// Packet identifier and connection of the latest delivery of a message to a board.
fn delivered(stage: &Stage, board: &str, topic: &str, payload: &Payload) -> Option<(Option<u16>, u32)> {
    stage.events().into_iter().rev().find_map(|event| match &event.what {
        What::Packet {
            board: of,
            connection,
            direction: Direction::ToBoard,
            packet: Packet::Publish { topic: t, payload: p, packet_id, .. },
            ..
        } if of == board && t == topic && p == payload => Some((*packet_id, *connection)),
        _ => None,
    })
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
