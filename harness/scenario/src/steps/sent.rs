//! Messages that a board sends.

use cucumber::{gherkin, then};
use hil_timeline::{Packet, QoS, RunEvent, Stamp};
use hil_verdict::{
    Delivered, MessageMatch, Pauses, Sent, Travel, elsewhere, published_by, seconds, show, topic_matches,
};

use super::below::{MESSAGE, PATTERNS, TEXT};
use super::messages::{again, captured, expect, expect_with, in_order, nothing, once};
use super::{cause, column, doc_string, not_delivered, pattern, rows};
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::{BelowDoc, StepSpec, Takes};
use crate::stage::{Stage, refs};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "{board} publishes {pattern} to {filter}(?:, retained,)? within {span}",
        &[
            (
                r#"Then "lamp" publishes "saya hidup" to "loger" within 2 s"#,
                "The board itself sends this PUBLISH. The payload may be a regular expression: \"/^Suhu: \
                 -?\\d+°C$/\". Each message satisfies one step.",
            ),
            (
                r#"Then "lamp" publishes "online" to "sooko/status", retained, within 5 s"#,
                "The same, and the board asks the broker to retain it.",
            ),
            (
                r#"Then "lamp" publishes "/id=(?<id>\w+)/" to "loger" within 2 s"#,
                "What a named group matches is captured: later steps of the scenario write `${captured:id}` in their texts.",
            ),
        ],
    )
    .capturing(),
    StepSpec::new(
        "{board} publishes to {filter} within {span} the text:",
        &[(r#"Then "lamp" publishes to "sister/temp" within 2 s the text:"#, "The payload is exactly the text below.")],
    )
    .above(&TEXT),
    StepSpec::new(
        "{board} publishes to {filter} within {span} the JSON:",
        &[(
            r#"Then "lamp" publishes to "sister/temp" within 2 s the JSON:"#,
            "The payload is JSON and holds at least what the text below does.",
        )],
    )
    .above(&JSON),
    StepSpec::new(
        "{board} publishes to {filter} within {span} with:",
        &[(
            r#"Then "lamp" publishes to "sister/temp" within 2 s with:"#,
            "One message matches every row of the table. Named groups of patterns are captured, as above.",
        )],
    )
    .above(&MESSAGE)
    .capturing(),
    StepSpec::new(
        "{board} publishes to {filter} in this order within {span}:",
        &[(
            r#"Then "lamp" publishes to "loger" in this order within 2 s:"#,
            "The board's next messages on the topic are the rows of the table, in order and with nothing \
             between them.",
        )],
    )
    .above(&PATTERNS),
    StepSpec::new(
        "{board} publishes {pattern} to {filter} exactly once within {span}, settling for {span}",
        &[(
            r#"Then "lamp" publishes "on" to "loger" exactly once within 2 s, settling for 1 s"#,
            "And no second one comes within the settle time. A message that is sent again with DUP and the same \
             packet identifier is the same message.",
        )],
    ),
    StepSpec::new(
        "{board} publishes {count} messages? to {filter} within {span}",
        &[(
            r#"Then "lamp" publishes 3 messages to "loger" within 2 s"#,
            "No more and no fewer, counted from the mark to the end of the time.",
        )],
    ),
    StepSpec::new(
        "{board} publishes {pattern} to {filter} {period} times, every {span} ± {span}",
        &[(
            r#"Then "lamp" publishes "/^Suhu/" to "sister/temp" 5 times, every 1 s ± 200 ms"#,
            "The gaps between the messages are within the tolerance; the first may be as old as the mark, or \
             come one period after the step begins.",
        )],
    ),
    StepSpec::new(
        "{board} does not publish to {filter} for {span}",
        &[(
            r#"Then "lamp" does not publish to "loger" for 3 s"#,
            "Counted from the mark. Errored unless the board was connected all the time or silenced on purpose.",
        )],
    ),
    StepSpec::new(
        "{board} publishes nothing for {span}",
        &[(
            r#"Then "lamp" publishes nothing for 3 s"#,
            "On no topic. Errored unless the board was connected all the time or silenced on purpose.",
        )],
    ),
    StepSpec::new(
        "{board} publishes its message again with DUP within {span}",
        &[(
            r#"Then "lamp" publishes its message again with DUP within 5 s"#,
            "The same packet identifier, topic and payload as an earlier message (MQTT 3.1.1 §3.3.1.1).",
        )],
    ),
    StepSpec::new(
        "the broker acknowledges the message of {board} within {span}",
        &[(
            r#"Then the broker acknowledges the message of "lamp" within 500 ms"#,
            "PUBACK at QoS 1, PUBCOMP at QoS 2.",
        )],
    ),
];

/// A text that is JSON.
const JSON: BelowDoc = BelowDoc {
    name: "A JSON text",
    takes: Takes::Checked(|text| MessageMatch::json(text).map(drop)),
    about: "JSON between two lines of `\"\"\"`. The payload must contain at least this: further keys are allowed.",
    fields: &[],
    example: &["\"\"\"json", "{\"temp\": [28, 29]}", "\"\"\""],
};

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
    if let Some(event) = stage.expect(within.0, |event| rule.take(event).then(|| event.clone())).await {
        stage.capture_all(board, &captured(Travel::Sent, &event, board, payload)?);
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

#[then(expr = "{text} publishes nothing for {span}")]
async fn publishes_nothing(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    nothing(world.stage()?, Travel::Sent, &board, "#", span.0).await
}

#[then(expr = "{text} publishes its message again with DUP within {span}")]
async fn publishes_again(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    again(world.stage()?, Travel::Sent, &board, within.0).await
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
