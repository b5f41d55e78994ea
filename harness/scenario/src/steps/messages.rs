//! What the steps about messages that a board sends and about those that it receives have in common.

use std::time::Duration;

use hil_timeline::{Packet, RunEvent, Stamp};
use hil_verdict::{Delivered, MessageMatch, Sent, Travel, elsewhere, retransmission, seconds, show};

use super::{cause, not_delivered, pattern};
use crate::error::StepError;
use crate::stage::{Stage, refs};

/// Waits for a message with the wanted fields. After a time-out, shows what was wrong with the closest one.
pub(super) async fn expect(
    stage: &mut Stage,
    travel: Travel,
    board: &str,
    filter: &str,
    wanted: &MessageMatch,
    within: Duration,
) -> Result<Stamp, StepError> {
    expect_with(stage, travel, board, filter, wanted, (within, within)).await
}

/// The same, with the time limit and the time as written in the feature.
pub(super) async fn expect_with(
    stage: &mut Stage,
    travel: Travel,
    board: &str,
    filter: &str,
    wanted: &MessageMatch,
    (within, written): (Duration, Duration),
) -> Result<Stamp, StepError> {
    stage.check_packets(board)?;
    let mut rule = Delivered::new(travel, board, filter, wanted.clone());
    stage.past(|event| rule.known(event));
    let mark = stage.mark().at;
    // The delivery may have set the mark: it is then just before it.
    let mut captured = Vec::new();
    let mut take = |event: &RunEvent| {
        let taken = rule.take(event);
        if taken && let Some(packet) = travel.message(event, board, filter) {
            captured = wanted.captures(packet);
        }
        taken
    };
    let found = match travel == Travel::Received && stage.consume_at_mark(&mut take) {
        true => Some(mark),
        false => stage.expect(within, |event| take(event).then_some(event.at)).await,
    };
    if let Some(at) = found {
        stage.capture_all(board, &captured);
        return Ok(at);
    }
    let message = format!(
        "`{board}` {} no matching message on `{filter}` within {} of {}",
        travel.verb(),
        seconds(written),
        cause(stage)
    );
    let nothing = || {
        let events = stage.events_since_mark();
        vec![
            format!("closest: nothing {} on `{filter}` since then", travel.verb()),
            elsewhere(&refs(&events), travel, board),
        ]
    };
    let mut details = rule.closest(mark).unwrap_or_else(nothing);
    if travel == Travel::Received {
        details.extend(not_delivered(stage));
    }
    details.extend(stage.last_words(board));
    Err(StepError::failed(message).with_details(details))
}

/// What the named groups of a payload's pattern match in a message.
pub(super) fn captured(
    travel: Travel,
    event: &RunEvent,
    board: &str,
    payload: &str,
) -> Result<Vec<(String, String)>, StepError> {
    let pattern = pattern(payload)?;
    Ok(match travel.message(event, board, "#") {
        Some(Packet::Publish { payload, .. }) => pattern.captures(&payload.0),
        _ => Vec::new(),
    })
}

/// Checks that a matching message comes once and, for a while, not again.
pub(super) async fn once(
    stage: &mut Stage,
    travel: Travel,
    board: &str,
    payload: &str,
    topic: &str,
    within: Duration,
    settle: Duration,
) -> Result<(), StepError> {
    let wanted = MessageMatch::payload(payload)?;
    let at = expect(stage, travel, board, topic, &wanted, within).await?;
    // A retransmission with DUP is the same message.
    let mut sent = Sent::new(travel);
    stage.past(|event| {
        sent.is_new(event);
    });
    let again = |event: &RunEvent| {
        let message = travel.message(event, board, topic).filter(|packet| wanted.wrong(packet).is_empty());
        message.filter(|_| sent.is_new(event)).map(|_| event.clone())
    };
    match stage.watch_since(at, at + settle, again).await {
        None => stage.check_could_speak_since(board, at),
        Some(event) => {
            let message = format!("`{board}` {} `{payload}` on `{topic}` more than once", travel.verb());
            Err(StepError::failed(message).with_details([format!("again: {}", show(&event, stage.mark().at))]))
        }
    }
}

/// Checks that no message comes on a topic for a while.
pub(super) async fn nothing(
    stage: &mut Stage,
    travel: Travel,
    board: &str,
    topic: &str,
    span: Duration,
) -> Result<(), StepError> {
    stage.check_packets(board)?;
    stage.check_could_speak(board)?;
    let until = stage.mark().at + span;
    // The delivery may have set the mark: it is then just before it.
    let at_mark = travel == Travel::Received
        && !stage.has_waited()
        && stage.consume_at_mark(|event| travel.message(event, board, topic).is_some());
    if at_mark {
        return Err(StepError::failed(format!("`{board}` received something on `{topic}`, which it should not do")));
    }
    if let Some(event) = stage.watch(until, |event| travel.message(event, board, topic).map(|_| event.clone())).await {
        let message =
            format!("`{board}` {} something on `{topic}`, which it should not do for {}", travel.verb(), seconds(span));
        return Err(StepError::failed(message).with_details([format!("came: {}", show(&event, stage.mark().at))]));
    }
    stage.check_could_speak(board)
}

/// Checks that the messages on a topic come in this order, with none between them.
pub(super) async fn in_order(
    stage: &mut Stage,
    travel: Travel,
    board: &str,
    topic: &str,
    within: Duration,
    wanted: &[String],
) -> Result<(), StepError> {
    let patterns = wanted.iter().map(|text| pattern(text)).collect::<Result<Vec<_>, _>>()?;
    stage.check_packets(board)?;
    let mut sent = Sent::new(travel);
    stage.past(|event| {
        sent.is_new(event);
    });
    let mut came: Vec<RunEvent> = Vec::new();
    // The first delivery may have set the mark: it is then just before it.
    if travel == Travel::Received {
        stage.consume_at_mark(|event| {
            came.extend(travel.message(event, board, topic).map(|_| event.clone()));
            !came.is_empty()
        });
    }
    while came.len() < patterns.len() {
        let next = |event: &RunEvent| {
            travel.message(event, board, topic).filter(|_| sent.is_new(event)).map(|_| event.clone())
        };
        let Some(event) = stage.expect(within, next).await else { break };
        came.push(event);
    }
    let matches = |event: &RunEvent, pattern: &hil_verdict::TextPattern| matches!(travel.message(event, board, "#"), Some(Packet::Publish { payload, .. }) if pattern.matches(payload));
    let right = came.iter().zip(&patterns).take_while(|(event, pattern)| matches(event, pattern)).count();
    if right == patterns.len() {
        return Ok(());
    }
    let message = format!(
        "`{board}` {} {right} of {} messages on `{topic}` in the order `{}` within {}",
        travel.verb(),
        patterns.len(),
        wanted.join("`, `"),
        seconds(within)
    );
    let mark = stage.mark().at;
    let details = came.iter().map(|event| format!("came: {}", show(event, mark)));
    let details: Vec<_> = details.chain(stage.last_words(board)).collect();
    Err(StepError::failed(message).with_details(details))
}

/// A retransmission: the same packet identifier, topic and payload as before, with DUP (MQTT 3.1.1 §3.3.1.1).
pub(super) async fn again(stage: &mut Stage, travel: Travel, board: &str, within: Duration) -> Result<(), StepError> {
    stage.check_packets(board)?;
    let mut known = Vec::new();
    for event in stage.events().iter().filter(|event| event.seq < stage.mark().cursor.0) {
        retransmission(event, travel, board, &mut known);
    }
    if stage.expect(within, |event| retransmission(event, travel, board, &mut known).then_some(())).await.is_some() {
        return Ok(());
    }
    let message = format!("`{board}` {} nothing again with DUP within {}", travel.verb(), seconds(within));
    Err(StepError::failed(message).with_details(stage.last_words(board)))
}
