//! Messages whose payload is a number or does not matter, and rules for every message.

use cucumber::{gherkin, then};
use hil_timeline::{RunEvent, What};
use hil_verdict::{MessageMatch, NumberCondition, Travel, seconds, show, topic_matches};

use super::below::MESSAGE;
use super::messages::expect;
use super::{cause, rows};
use crate::error::StepError;
use crate::parameters::{Condition, Span, Text};
use crate::spec::StepSpec;
use crate::stage::{OBSERVER, Stage};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "{board} publishes to {filter} within {span}",
        &[(r#"Then "lamp" publishes to "loger" within 5 s"#, "Whatever the payload is.")],
    ),
    StepSpec::new(
        "{board} publishes(?: {pattern})? to {filter} at least {times} times? within {span}",
        &[
            (
                r#"Then "lamp" publishes to "loger" at least 3 times within 10 s"#,
                "Three messages, whatever their payloads are. More are allowed.",
            ),
            (
                r#"Then "lamp" publishes "/^Suhu/" to "sister/temp" at least 3 times within 10 s"#,
                "Three messages with this payload.",
            ),
        ],
    ),
    StepSpec::new(
        "{board} publishes to {filter} a number (?:of )?{number} within {span}",
        &[
            (
                r#"Then "lamp" publishes to "sister/temp" a number above 15 within 2 s"#,
                "The payload is a decimal number, and nothing else: `21.5`, `-3`, `1e3`. Also `below 15`, `at least 15`, \
                 `at most 15` and `between 1 and 5`. A payload with a unit, `NaN` or an infinity is not a number.",
            ),
            (r#"Then "lamp" publishes to "sister/temp" a number of 20 ± 0.5 within 2 s"#, "From 19.5 to 20.5."),
        ],
    ),
    StepSpec::new(
        "every message that {board} publishes to {filter} for {span} (?:matches {pattern}|is a number(?: (?:of )?{number})?)",
        &[
            (
                r#"Then every message that "lamp" publishes to "sister/temp" for 5 s is a number between 15 and 40"#,
                "Counted from the mark. The step fails if there is no message. Errored unless the board was connected from \
                 its first message to the end, or silenced on purpose.",
            ),
            (
                r#"Then every message that "lamp" publishes to "sister/temp" for 5 s matches "/^Suhu: \d+°C$/""#,
                "The same for a text or a regular expression.",
            ),
            (r#"Then every message that "lamp" publishes to "sister/temp" for 5 s is a number"#, "Any number."),
        ],
    ),
    StepSpec::new(
        "every message that {board} publishes to {filter} for {span} matches:",
        &[(
            r#"Then every message that "lamp" publishes to "sister/temp" for 5 s matches:"#,
            "Every row of the table holds for each message.",
        )],
    )
    .above(&MESSAGE),
    StepSpec::new(
        "every message on {filter} for {span} (?:matches {pattern}|is a number(?: (?:of )?{number})?)",
        &[
            (
                r#"Then every message on "sister/#" for 5 s matches "/^Suhu/""#,
                "From any client, as the broker passes it on. The step fails if there is none. Errored unless the \
             harness was connected to the broker all the time.",
            ),
            (r#"Then every message on "sister/temp" for 5 s is a number"#, "Any number."),
            (
                r#"Then every message on "sister/temp" for 5 s is a number at least 15"#,
                "A number that meets a condition.",
            ),
        ],
    ),
];

#[then(expr = "{text} publishes to {text} within {span}")]
async fn publishes_anything(world: &mut HilWorld, board: Text, topic: Text, within: Span) -> Result<(), StepError> {
    expect(world.stage()?, Travel::Sent, &board, &topic, &MessageMatch::any(), within.0).await.map(drop)
}

#[then(expr = "{text} publishes to {text} at least {int} time(s) within {span}")]
async fn publishes_at_least(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    times: usize,
    within: Span,
) -> Result<(), StepError> {
    at_least(world.stage()?, &board, &topic, &MessageMatch::any(), times, within).await
}

#[then(expr = "{text} publishes {text} to {text} at least {int} time(s) within {span}")]
async fn publishes_payload_at_least(
    world: &mut HilWorld,
    board: Text,
    payload: Text,
    topic: Text,
    times: usize,
    within: Span,
) -> Result<(), StepError> {
    at_least(world.stage()?, &board, &topic, &MessageMatch::payload(&payload)?, times, within).await
}

async fn at_least(
    stage: &mut Stage,
    board: &str,
    topic: &str,
    wanted: &MessageMatch,
    times: usize,
    within: Span,
) -> Result<(), StepError> {
    for came in 0..times {
        let error = match expect(stage, Travel::Sent, board, topic, wanted, within.0).await {
            Ok(_) => continue,
            Err(error) => error,
        };
        if came == 0 {
            return Err(error);
        }
        let message = format!(
            "`{board}` published {came} matching messages to `{topic}` within {} of {}, not {times} or more",
            seconds(within.0),
            cause(stage)
        );
        return Err(StepError::failed(message).with_details(stage.last_words(board)));
    }
    Ok(())
}

#[then(expr = "{text} publishes to {text} a number (of ){condition} within {span}")]
async fn publishes_number(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    condition: Condition,
    within: Span,
) -> Result<(), StepError> {
    let wanted = MessageMatch::number(NumberCondition::parse(&condition)?);
    expect(world.stage()?, Travel::Sent, &board, &topic, &wanted, within.0).await.map(drop)
}

#[then(expr = "every message that {text} publishes to {text} for {span} matches {text}")]
async fn every_message_matches(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    span: Span,
    payload: Text,
) -> Result<(), StepError> {
    every_of_board(world.stage()?, &board, &topic, span, &MessageMatch::payload(&payload)?).await
}

#[then(expr = "every message that {text} publishes to {text} for {span} matches:")]
async fn every_message_matches_table(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    span: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    every_of_board(world.stage()?, &board, &topic, span, &MessageMatch::read(rows(step)?)?).await
}

#[then(expr = "every message that {text} publishes to {text} for {span} is a number")]
async fn every_message_is_a_number(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    span: Span,
) -> Result<(), StepError> {
    every_of_board(world.stage()?, &board, &topic, span, &MessageMatch::number(NumberCondition::any())).await
}

#[then(expr = "every message that {text} publishes to {text} for {span} is a number (of ){condition}")]
async fn every_message_is_a_number_that(
    world: &mut HilWorld,
    board: Text,
    topic: Text,
    span: Span,
    condition: Condition,
) -> Result<(), StepError> {
    let wanted = MessageMatch::number(NumberCondition::parse(&condition)?);
    every_of_board(world.stage()?, &board, &topic, span, &wanted).await
}

#[then(expr = "every message on {text} for {span} matches {text}")]
async fn every_message_on_matches(
    world: &mut HilWorld,
    topic: Text,
    span: Span,
    payload: Text,
) -> Result<(), StepError> {
    every_on_topic(world.stage()?, &topic, span, &MessageMatch::payload(&payload)?).await
}

#[then(expr = "every message on {text} for {span} is a number")]
async fn every_message_on_is_a_number(world: &mut HilWorld, topic: Text, span: Span) -> Result<(), StepError> {
    every_on_topic(world.stage()?, &topic, span, &MessageMatch::number(NumberCondition::any())).await
}

#[then(expr = "every message on {text} for {span} is a number (of ){condition}")]
async fn every_message_on_is_a_number_that(
    world: &mut HilWorld,
    topic: Text,
    span: Span,
    condition: Condition,
) -> Result<(), StepError> {
    every_on_topic(world.stage()?, &topic, span, &MessageMatch::number(NumberCondition::parse(&condition)?)).await
}

async fn every_of_board(
    stage: &mut Stage,
    board: &str,
    topic: &str,
    span: Span,
    wanted: &MessageMatch,
) -> Result<(), StepError> {
    stage.check_packets(board)?;
    let wrong = |event: &RunEvent| {
        let packet = Travel::Sent.message(event, board, topic)?;
        let wrong = wanted.wrong(packet);
        (!wrong.is_empty()).then(|| (event.clone(), wrong))
    };
    judge_every(stage, &format!("that `{board}` published to"), topic, span, wrong).await?;
    let until = stage.mark().at + span.0;
    // One from while the action was running counts, as in every step that expects something.
    let holds =
        |event: &RunEvent| Travel::Sent.message(event, board, topic).is_some_and(|it| wanted.wrong(it).is_empty());
    let first = stage.events_since_mark().into_iter().find(|event| holds(event) && stage.in_time(event, until));
    match first {
        Some(first) => stage.check_could_speak_since(board, first.at),
        None => {
            let message =
                format!("`{board}` published nothing to `{topic}` for {} after {}", seconds(span.0), cause(stage));
            Err(StepError::failed(message).with_details(stage.last_words(board)))
        }
    }
}

async fn every_on_topic(stage: &mut Stage, topic: &str, span: Span, wanted: &MessageMatch) -> Result<(), StepError> {
    stage.observe(topic).await?;
    let on_topic = |event: &RunEvent| match &event.what {
        What::Observed { observer, topic: on, payload, .. } if observer == OBSERVER && topic_matches(topic, on) => {
            Some(wanted.wrong_payload(on, payload))
        }
        _ => None,
    };
    let wrong =
        |event: &RunEvent| on_topic(event).filter(|wrong| !wrong.is_empty()).map(|wrong| (event.clone(), wrong));
    judge_every(stage, "on", topic, span, wrong).await?;
    stage.check_observer_was_there()?;
    let until = stage.mark().at + span.0;
    let holds = |event: &RunEvent| on_topic(event).is_some_and(|wrong| wrong.is_empty());
    let is_one = |event: &RunEvent| holds(event) && stage.in_time(event, until);
    if stage.events_since_mark().iter().any(|event| is_one(event)) {
        return Ok(());
    }
    let message = format!("nothing was published on `{topic}` for {} after {}", seconds(span.0), cause(stage));
    Err(StepError::failed(message))
}

/// Waits for the first message that is wrong; there must be none.
async fn judge_every(
    stage: &mut Stage,
    which: &str,
    topic: &str,
    span: Span,
    wrong: impl FnMut(&RunEvent) -> Option<(RunEvent, Vec<String>)>,
) -> Result<(), StepError> {
    let until = stage.mark().at + span.0;
    let Some((event, wrong)) = stage.watch_every(until, wrong).await else { return Ok(()) };
    let message = format!("a message {which} `{topic}` is not as every one should be for {}", seconds(span.0));
    let came = format!("came: {}", show(&event, stage.mark().at));
    let differences = wrong.into_iter().map(|wrong| format!("  {wrong}"));
    Err(StepError::failed(message).with_details(std::iter::once(came).chain(differences)))
}
