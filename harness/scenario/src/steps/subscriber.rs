//! What any subscriber receives.

use std::time::Duration;

use cucumber::then;
use hil_timeline::{Payload, RunEvent, Stamp, What};
use hil_verdict::{seconds, show, topic_matches};

use super::pattern;
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::StepSpec;
use crate::stage::OBSERVER;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "a late subscriber to {kept} receives {pattern}, retained",
        &[(
            r#"Then a late subscriber to "sooko/status" receives "offline", retained"#,
            "A client that subscribes only now gets the message, marked as retained.",
        )],
    ),
    StepSpec::new(
        "nothing is retained on {kept}",
        &[(
            r#"Then nothing is retained on "sooko/status""#,
            "A client that subscribes only now gets nothing at first. Errored unless a board has been connected \
             since it was started, or a step has published there.",
        )],
    ),
    StepSpec::new(
        "a subscriber to {filter} receives {pattern} within {span}",
        &[(
            r#"Then a subscriber to "$SYS/broker/clients/connected" receives "/^[1-9]/" within 12 s"#,
            "The harness is the subscriber. It is always subscribed to `#`, and to topics with `$` from this \
             step on.",
        )],
    ),
    StepSpec::new(
        "nothing is published outside {filters} for {span}",
        &[(
            r#"Then nothing is published outside "sooko/#, loger" for 3 s"#,
            "No message on any topic that none of these filters matches. Errored unless a board has been \
             connected since it was started.",
        )],
    ),
];

#[then(expr = "a late subscriber to {text} receives {text}, retained")]
async fn late_subscriber(world: &mut HilWorld, topic: Text, payload: Text) -> Result<(), StepError> {
    /// A broker sends retained messages right after its SUBACK.
    const WITHIN: Duration = Duration::from_secs(2);
    let wanted = pattern(&payload)?;
    let stage = world.stage()?;
    // By then the broker has what the harness published.
    stage.observer().caught_up().await?;
    let enough: Stamp = stage.recorder().now() + WITHIN;
    let received = loop {
        let (name, observer) = stage.late_subscriber().await?;
        let begin = stage.end();
        observer.subscribe(&topic).await?;
        let deadline = stage.recorder().now() + WITHIN;
        let mut received = stage.watch_all_from(begin, deadline, |event| received_by(event, &name)).await;
        if received.is_none() {
            // A slow broker or machine does not prove that nothing is retained.
            observer.caught_up().await?;
            let since = stage.events().into_iter().filter(|event| event.seq >= begin.0);
            received = since.into_iter().find_map(|event| received_by(&event, &name));
        }
        // A live copy was still on its way, so this subscriber was not late; the next one is.
        if !matches!(received, Some((_, false))) || stage.recorder().now() >= enough {
            break received;
        }
    };
    match received {
        Some((payload, true)) if wanted.matches(&payload) => Ok(()),
        Some((payload, retained)) => {
            let kind = if retained { "retained" } else { "not retained" };
            let message =
                format!("a late subscriber to `{topic}` received `{payload}`, {kind}, not {wanted}, retained");
            Err(StepError::failed(message))
        }
        None => Err(StepError::failed(format!("nothing is retained on `{topic}`: a late subscriber got nothing"))),
    }
}

fn received_by(event: &RunEvent, name: &str) -> Option<(Payload, bool)> {
    match &event.what {
        What::Observed { observer, payload, retain, .. } if observer == name => Some((payload.clone(), *retain)),
        _ => None,
    }
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
