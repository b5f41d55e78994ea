//! Messages in detail: their fields, number, frequency and order.

use std::time::Duration;

use cucumber::{gherkin, then};
use hil_timeline::{Packet, QoS, RunEvent, Stamp};
use hil_verdict::{
    Acknowledgements, Delivered, Holds, MessageMatch, Pauses, Sent, Travel, completes_qos_2, elsewhere, retransmission,
    seconds, show,
};

use super::{cause, column, doc_string, not_delivered, pattern, rows};
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::stage::{Stage, refs};
use crate::world::HilWorld;

/// Waits for a message with the wanted fields. After a time-out, shows what was wrong with the closest one.
async fn expect(
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
    if travel == Travel::Received && stage.consume_at_mark(|event| rule.take(event)) {
        return Ok(mark);
    }
    if let Some(at) = stage.expect(within, |event| rule.take(event).then_some(event.at)).await {
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

#[then(expr = "{text} publishes to {text} within {span} with:")]
async fn publishes_with(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = MessageMatch::read(rows(step)?)?;
    expect(world.stage()?, Travel::Sent, &board, &topic, &wanted, within.0).await.map(drop)
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

#[then(expr = "{text} publishes to {text} within {span} the JSON:")]
async fn publishes_json(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = MessageMatch::json(doc_string(step)?)?;
    expect(world.stage()?, Travel::Sent, &board, &topic, &wanted, within.0).await.map(drop)
}

#[then(expr = "{text} publishes to {text} within {span} the text:")]
async fn publishes_text(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = MessageMatch::text(doc_string(step)?);
    expect(world.stage()?, Travel::Sent, &board, &topic, &wanted, within.0).await.map(drop)
}

/// Checks that a matching message comes once and, for a while, not again.
async fn once(
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

#[then(expr = "{text} publishes {text} to {text} exactly once within {span}, settling for {span}")]
async fn publishes_once(
    world: &mut HilWorld,
    board: Text,
    payload: Text,
    topic: Text,
    within: Span,
    settle: Span,
) -> Result<(), StepError> {
    once(world.stage()?, Travel::Sent, &board, &payload, &topic, within.0, settle.0).await
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

#[then(expr = "{text} publishes nothing for {span}")]
async fn publishes_nothing(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    nothing(world.stage()?, Travel::Sent, &board, "#", span.0).await
}

async fn nothing(stage: &mut Stage, travel: Travel, board: &str, topic: &str, span: Duration) -> Result<(), StepError> {
    stage.check_packets(board)?;
    stage.check_could_speak(board)?;
    let until = stage.mark().at + span;
    // The delivery may have set the mark: it is then just before it.
    let at_mark =
        travel == Travel::Received && stage.consume_at_mark(|event| travel.message(event, board, topic).is_some());
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

#[then(expr = "{text} publishes to {text} in this order within {span}:")]
async fn publishes_in_order(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    in_order(world.stage()?, Travel::Sent, &board, &topic, within.0, &column(step)?).await
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

/// Checks that the messages on a topic come in this order, with none between them.
async fn in_order(
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

#[then(expr = "{text} publishes {int} message(s) to {text} within {span}")]
async fn publishes_count(
    world: &mut HilWorld,
    board: Text,
    count: usize,
    topic: Text,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let until = stage.mark().at + within.0;
    stage.wait_until(until).await;
    let (mut came, mut first) = (Vec::new(), None);
    let mut sent = Sent::new(Travel::Sent);
    stage.past(|event| {
        sent.is_new(event);
    });
    let mut next = |event: &RunEvent| {
        Travel::Sent.message(event, &board, &topic).filter(|_| sent.is_new(event)).map(|_| event.clone())
    };
    while let Some(event) = stage.expect(within.0, &mut next).await {
        first.get_or_insert(event.at);
        came.push(format!("came: {}", show(&event, stage.mark().at)));
    }
    if came.len() == count {
        return match first {
            Some(first) => stage.check_could_speak_since(&board, first),
            None => stage.check_could_speak(&board),
        };
    }
    if came.len() > count {
        // Further messages don't change the result.
        stage.is_certain();
    }
    let message =
        format!("`{board}` published {} messages to `{topic}` within {}, not {count}", came.len(), seconds(within.0));
    came.truncate(20);
    came.extend(stage.last_words(&board));
    Err(StepError::failed(message).with_details(came))
}

#[then(expr = "{text} publishes {text} to {text} {int} times, every {span} ± {span}")]
async fn publishes_periodically(
    world: &mut HilWorld,
    board: Text,
    payload: Text,
    topic: Text,
    times: usize,
    every: Span,
    tolerance: Span,
) -> Result<(), StepError> {
    let wanted = MessageMatch::payload(&payload)?;
    let stage = world.stage()?;
    if times < 2 {
        return Err(StepError::errored("one message has no period").with_hint("ask for 2 or more"));
    }
    let mut stamps: Vec<Stamp> = Vec::new();
    let mark = stage.mark().at;
    // The first may take one period from now: the time to boot and connect does not count.
    let begin = stage.recorder().now().since(mark);
    while stamps.len() < times {
        let last = stamps.last().map_or(begin, |stamp| stamp.since(mark));
        let within = last + every.0 + tolerance.0;
        match expect_with(stage, Travel::Sent, &board, &topic, &wanted, (within, every.0 + tolerance.0)).await {
            Ok(at) => stamps.push(at),
            Err(error) if stamps.is_empty() => return Err(error),
            Err(_) => {
                let message = format!(
                    "`{board}` published {} of {times} messages to `{topic}`; the next did not come within {}",
                    stamps.len(),
                    seconds(every.0 + tolerance.0)
                );
                return Err(StepError::failed(message).with_details(stage.last_words(&board)));
            }
        }
    }
    let gaps = Pauses::between(&stamps, &stage.stalls_since(mark));
    if stage.holds(gaps.are_every(every.0, tolerance.0), gaps.lateness()) {
        return Ok(());
    }
    let message =
        format!("`{board}` did not publish to `{topic}` every {} ± {}", seconds(every.0), seconds(tolerance.0));
    Err(StepError::failed(message).with_details([format!("gaps: {gaps}")]))
}

#[then(expr = "{text} publishes its message again with DUP within {span}")]
async fn publishes_again(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    again(world.stage()?, Travel::Sent, &board, within.0).await
}

#[then(expr = "{text} receives a message again with DUP within {span}")]
async fn receives_again(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    again(world.stage()?, Travel::Received, &board, within.0).await
}

/// A retransmission: the same packet identifier, topic and payload as before, with DUP (MQTT 3.1.1 §3.3.1.1).
async fn again(stage: &mut Stage, travel: Travel, board: &str, within: Duration) -> Result<(), StepError> {
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

#[then(expr = "the broker acknowledges the message of {text} within {span}")]
async fn broker_acknowledges(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let asks = |event: &RunEvent| match Travel::Sent.message(event, &board, "#")? {
        Packet::Publish { packet_id: Some(id), qos, .. } => Some((*id, *qos)),
        _ => None,
    };
    // An earlier step may have consumed the message.
    let mut asked: Vec<_> = stage.events().iter().filter_map(|event| asks(event)).collect();
    let pick = |event: &RunEvent| {
        asked.extend(asks(event));
        let (of, _, packet) = event.what.reached_board()?;
        let answered = |id: &u16, wanted: QoS| asked.contains(&(*id, wanted));
        match packet {
            Packet::Puback { packet_id, code, .. } if of == board && *code < 0x80 => {
                answered(packet_id, QoS::AtLeastOnce).then_some(())
            }
            Packet::Pubcomp { packet_id, code, .. } if of == board && *code < 0x80 => {
                answered(packet_id, QoS::ExactlyOnce).then_some(())
            }
            _ => None,
        }
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = match asked.is_empty() {
        true => format!("`{board}` published nothing that is acknowledged (QoS 1 or 2) within {}", seconds(within.0)),
        false => format!("the broker did not acknowledge the message of `{board}` within {}", seconds(within.0)),
    };
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
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
