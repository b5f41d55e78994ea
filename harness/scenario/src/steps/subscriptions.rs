//! Subscribing, unsubscribing, and what any subscriber receives.

use cucumber::{gherkin, then};
use hil_timeline::{Packet, RunEvent, What};
use hil_verdict::{Asked, Granted, seconds, show, topic_matches};

use super::{pattern, rows};
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::stage::{OBSERVER, Stage};
use crate::world::HilWorld;

/// The first SUBACK since the mark that answers a SUBSCRIBE which `wanted` takes, with what was asked; else the last.
async fn answered(
    stage: &mut Stage,
    board: &str,
    within: std::time::Duration,
    wanted: impl Fn(&[Granted]) -> bool,
) -> Result<Vec<Granted>, Vec<Granted>> {
    let mut asked = Asked::by(board);
    let found = stage.expect(within, |event| asked.take(event).filter(|granted| wanted(granted))).await;
    found.ok_or(asked.closest)
}

#[then(expr = "{text} subscribes within {span} to:")]
async fn subscribes_to(
    world: &mut HilWorld,
    board: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = Granted::read(rows(step)?)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    match answered(stage, &board, within.0, |granted| granted == wanted).await {
        Ok(_) => Ok(()),
        Err(closest) => {
            let message =
                format!("`{board}` did not subscribe as expected in one SUBSCRIBE within {}", seconds(within.0));
            let details = std::iter::once(Granted::shown(&closest)).chain(stage.last_words(&board));
            Err(StepError::failed(message).with_details(details))
        }
    }
}

#[then(expr = "the subscription of {text} to {text} is refused within {span}")]
async fn subscription_is_refused(
    world: &mut HilWorld,
    board: Text,
    filter: Text,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let refused = |granted: &[Granted]| granted.iter().any(|granted| granted.filter == filter && granted.code >= 0x80);
    match answered(stage, &board, within.0, refused).await {
        Ok(_) => Ok(()),
        Err(closest) => {
            let message =
                format!("the subscription of `{board}` to `{filter}` was not refused within {}", seconds(within.0));
            let details = std::iter::once(Granted::shown(&closest)).chain(stage.last_words(&board));
            Err(StepError::failed(message).with_details(details))
        }
    }
}

#[then(expr = "{text} unsubscribes from {text} within {span}")]
async fn unsubscribes(world: &mut HilWorld, board: Text, filter: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut asked = None;
    let pick = |event: &RunEvent| {
        if let Some((of, on, Packet::Unsubscribe { packet_id, filters, .. })) = event.what.sent_by_board()
            && of == board
            && let Some(at) = filters.iter().position(|asked| *asked == filter)
        {
            asked = Some((on, *packet_id, at));
        }
        match event.what.reached_board()? {
            (of, on, Packet::Unsuback { packet_id, codes, .. }) if of == board => {
                let (_, _, at) = asked.filter(|asked| (asked.0, asked.1) == (on, *packet_id))?;
                // 3.1.1 has no codes.
                codes.get(at).is_none_or(|code| *code < 0x80).then_some(())
            }
            _ => None,
        }
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = match asked {
        None => format!("`{board}` did not unsubscribe from `{filter}` within {}", seconds(within.0)),
        Some(_) => format!("the broker did not confirm that `{board}` unsubscribes from `{filter}`"),
    };
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

#[then(expr = "nothing is retained on {text}")]
async fn nothing_is_retained(world: &mut HilWorld, topic: Text) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_could_be_retained(&topic)?;
    // By then the broker has what the harness published.
    stage.observer().caught_up().await?;
    let (name, observer) = stage.late_subscriber().await?;
    let begin = stage.end();
    observer.subscribe(&topic).await?;
    // Brokers deliver retained messages with the subscription: they have arrived once nothing is pending.
    observer.caught_up().await?;
    let retained = |event: &RunEvent| match &event.what {
        What::Observed { observer, topic: on, retain: true, .. } => *observer == name && topic_matches(&topic, on),
        _ => false,
    };
    let events = stage.events();
    match events.iter().find(|event| event.seq >= begin.0 && retained(event)) {
        None => Ok(()),
        Some(event) => {
            let message = format!("a message is retained on `{topic}`, but none should be");
            Err(StepError::failed(message).with_details([show(event, stage.mark().at)]))
        }
    }
}

#[then(expr = "a subscriber to {text} receives {text} within {span}")]
async fn subscriber_receives(world: &mut HilWorld, topic: Text, payload: Text, within: Span) -> Result<(), StepError> {
    let wanted = pattern(&payload)?;
    let stage = world.stage()?;
    stage.observe(&topic).await?;
    let mut closest = None;
    let mark = stage.mark().at;
    let pick = |event: &RunEvent| match &event.what {
        What::Observed { topic: on, payload, .. } if topic_matches(&topic, on) => {
            closest = Some(show(event, mark));
            wanted.matches(payload).then_some(())
        }
        _ => None,
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    stage.check_observer_was_there()?;
    let message = format!("no subscriber to `{topic}` received {wanted} within {}", seconds(within.0));
    let closest = closest.map_or_else(|| "closest: nothing came".to_owned(), |closest| format!("closest: {closest}"));
    Err(StepError::failed(message).with_details([closest]))
}

#[then(expr = "nothing is published outside {text} for {span}")]
async fn nothing_elsewhere(world: &mut HilWorld, filters: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    let allowed: Vec<&str> = filters.split(',').map(str::trim).collect();
    let until = stage.mark().at + span.0;
    let pick = |event: &RunEvent| match &event.what {
        What::Observed { observer, topic, .. } if observer == OBSERVER && !topic.starts_with('$') => {
            let inside = allowed.iter().any(|filter| topic_matches(filter, topic));
            (!inside).then(|| event.clone())
        }
        _ => None,
    };
    match stage.watch(until, pick).await {
        None => {
            stage.check_observer_was_there()?;
            stage.check_could_be_published()
        }
        Some(event) => {
            let message =
                format!("something was published outside `{filters}`, which should not happen for {}", seconds(span.0));
            Err(StepError::failed(message).with_details([format!("came: {}", show(&event, stage.mark().at))]))
        }
    }
}
