//! Wills and retained messages, as any subscriber sees them.

use std::time::Duration;

use cucumber::then;
use hil_timeline::{Cursor, Packet, Payload, RunEvent, Stamp, What, escaped};
use hil_verdict::{Due, Holds, WillCase, Wills, seconds, show, signed};

use super::pattern;
use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::stage::{OBSERVER, Stage, refs};
use crate::world::HilWorld;

/// How long the records of one moment may be apart: the end of a connection at the tap, and the will at the observer.
const TOGETHER: Duration = Duration::from_millis(500);

/// Where nothing would make the broker publish a will, this is how long the end of the connection is waited for.
const ENDS: Duration = Duration::from_secs(2);

#[then(expr = "the will of {text} is published on {text}")]
async fn is_published(world: &mut HilWorld, board: Text, topic: Text) -> Result<(), StepError> {
    expect_will(world.stage()?, &board, &topic).await.map(drop)
}

#[then(expr = "the will of {text} is published exactly once on {text}, settling for {span}")]
async fn is_published_once(world: &mut HilWorld, board: Text, topic: Text, settle: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    let (case, seen) = expect_will(stage, &board, &topic).await?;
    let until = seen.at + settle.0;
    stage.wait_until(until).await;
    let again = wills_since(stage, &case, Cursor(seen.seq + 1)).into_iter().find(|event| stage.in_time(event, until));
    match again {
        None => stage.check_observer_was_there(),
        Some(event) => {
            let message = format!("the will of `{board}` was published more than once within {}", seconds(settle.0));
            Err(StepError::failed(message).with_details([format!("again: {}", show(&event, stage.mark().at))]))
        }
    }
}

/// The will of the session that stood at the mark.
fn announced(stage: &Stage, board: &str) -> Result<WillCase, StepError> {
    let events = stage.events();
    let case = WillCase::at_mark(board, &refs(&events), stage.mark().cursor, stage.mark().at);
    case.map_err(|unmet| StepError::from(unmet).with_details(stage.last_words(board)))
}

/// The wills among the records from a place on; a rule needs all of the scenario to tell them from other messages.
fn wills_since(stage: &Stage, case: &WillCase, from: Cursor) -> Vec<RunEvent> {
    let events = stage.events();
    let wills = case.published(OBSERVER, &refs(&events), |keep_alive, last| stage.keep_alive_limits(keep_alive, last));
    let is_new = |event: &&RunEvent| event.seq >= from.0 && !stage.is_consumed(event.seq);
    wills.into_iter().filter(is_new).cloned().collect()
}

/// What was like the will, and how it differed.
fn closest(stage: &Stage, case: &WillCase) -> String {
    let events = stage.events();
    let mut wills = Wills::seen_by(OBSERVER, &case.will);
    refs(&events).into_iter().for_each(|event| {
        wills.take(event);
    });
    wills.closest(stage.mark().at)
}

/// Records that can change when a will is due, or whether it has come.
fn matters(event: &RunEvent) -> bool {
    match &event.what {
        What::Connection { .. } | What::Broker { .. } | What::BrokerDied { .. } => true,
        What::Observed { observer, .. } => observer == OBSERVER,
        What::Packet {
            packet: Packet::Disconnect { .. } | Packet::Connect { .. } | Packet::Connack { .. }, ..
        } => true,
        _ => false,
    }
}

/// Waits for the will in its window, which changes with what becomes known: the end of the connection, another
/// connection of the same client.
async fn expect_will(stage: &mut Stage, board: &str, topic: &str) -> Result<(WillCase, RunEvent), StepError> {
    stage.check_packets(board)?;
    let case = announced(stage, board)?;
    if case.will.topic != topic {
        let message = format!("`{board}` announced its will on `{}`, not on `{topic}`", escaped(&case.will.topic));
        return Err(StepError::failed(message));
    }
    loop {
        let from = stage.end();
        // When a broker in this process is due depends on the stalls until now.
        stage.read_what_waited(stage.recorder().now()).await;
        let due = due(stage, &case);
        let came = wills_since(stage, &case, stage.mark().cursor).into_iter().next();
        let until = match (&due, &came) {
            (Due::Within { from, until, .. }, Some(will)) if will.at >= *from && will.at <= *until => break,
            // Its cause may be recorded a moment later.
            (_, Some(will)) => will.at + TOGETHER,
            (Due::Within { until, .. }, None) => *until,
            // The connection may be about to end; what is known to go on is not waited for.
            (Due::Unknown(_), None) => stage.mark().at + ENDS,
            (Due::Never(_), None) => stage.mark().at,
        };
        if stage.recorder().now() > until {
            stage.settle(until).await;
            if self::due(stage, &case) != due {
                // This process stood still since the window was worked out: it is another one by now.
                continue;
            }
            let came = wills_since(stage, &case, stage.mark().cursor).into_iter().next();
            return Err(not_published(stage, board, &case, &due, came.as_ref()));
        }
        let next = |event: &RunEvent| matters(event).then_some(());
        // Whatever comes is looked at with all that was before; where nothing comes, its time is over.
        let _ = stage.watch_unjudged(from, until, next).await;
    }
    let Some(will) = wills_since(stage, &case, stage.mark().cursor).into_iter().next() else {
        return Err(StepError::errored("the will that was seen is not recorded"));
    };
    stage.consume(will.seq);
    if let Due::Within { from, .. } = due(stage, &case) {
        stage.judge_broker_at(&will, from);
    }
    record_window(stage, board, &case);
    Ok((case, will))
}

fn due(stage: &Stage, case: &WillCase) -> Due {
    let events = stage.events();
    case.due(&refs(&events), |keep_alive, last| stage.keep_alive_limits(keep_alive, last))
}

/// The page shows the window that was judged.
fn record_window(stage: &Stage, board: &str, case: &WillCase) {
    if let Due::Within { from, until, reason } = due(stage, case) {
        stage.recorder().record(What::WillWindow { board: board.to_owned(), from, until, reason });
    }
}

/// Where this machine stood still, a will that looks late may have been in time, and one that looks early as well: its
/// window counts from a record, which may have been late itself.
fn judge_late(stage: &Stage, will: &RunEvent, from: Stamp, until: Stamp) {
    if will.at > until {
        let _ = stage.in_time(will, until);
    } else {
        let lateness = stage.stalls_since(stage.mark().at).longest();
        stage.holds(Holds::no_longer(from.since(will.at), Duration::ZERO, lateness), lateness);
    }
}

fn not_published(stage: &Stage, board: &str, case: &WillCase, due: &Due, came: Option<&RunEvent>) -> StepError {
    if let Err(error) = stage.check_observer_was_there() {
        return error;
    }
    record_window(stage, board, case);
    let mark = stage.mark().at;
    if let (Due::Within { from, until, .. }, Some(will)) = (due, came) {
        judge_late(stage, will, *from, *until);
    }
    let message = match (due, came) {
        (Due::Within { from, until, reason }, Some(will)) => {
            let when = if will.at < *from { "before" } else { "after" };
            let limit = signed(if will.at < *from { *from } else { *until }, mark);
            format!("the will of `{board}` was published at {}, {when} {limit}: {reason}", signed(will.at, mark))
        }
        (Due::Within { until, reason, .. }, None) => {
            format!(
                "the will of `{board}` was not published on `{}` until {}: {reason}",
                escaped(&case.will.topic),
                signed(*until, mark)
            )
        }
        (Due::Never(why) | Due::Unknown(why), Some(will)) => {
            format!("the will of `{board}` was published at {}, although {why}", signed(will.at, mark))
        }
        (Due::Never(why), None) => format!("the will of `{board}` is never published: {why}"),
        (Due::Unknown(why), None) => format!("the will of `{board}` was not published: {why}"),
    };
    let details = std::iter::once(closest(stage, case)).chain(stage.last_words(board));
    StepError::failed(message).with_details(details)
}

#[then(expr = "no will of {text} is published for {span}")]
async fn is_not_published(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let case = announced(stage, &board)?;
    let until = stage.mark().at + span.0;
    stage.wait_until(until).await;
    let came = wills_since(stage, &case, stage.mark().cursor).into_iter().find(|event| stage.in_time(event, until));
    match came {
        None => stage.check_observer_was_there(),
        Some(event) => {
            let message = format!("the will of `{board}` was published, which it should not for {}", seconds(span.0));
            let came = format!("came: {}", show(&event, stage.mark().at));
            Err(StepError::failed(message).with_details(std::iter::once(came).chain(stage.last_words(&board))))
        }
    }
}

#[then(expr = "a late subscriber to {text} receives {text}, retained")]
async fn late_subscriber(world: &mut HilWorld, topic: Text, payload: Text) -> Result<(), StepError> {
    /// A broker sends retained messages right after its SUBACK.
    const WITHIN: Duration = Duration::from_secs(2);
    let wanted = pattern(&payload)?;
    let stage = world.stage()?;
    // What the harness itself has published is with the broker by then.
    stage.observer().caught_up().await?;
    let enough: Stamp = stage.recorder().now() + WITHIN;
    let received = loop {
        let (name, observer) = stage.late_subscriber().await?;
        let begin = stage.end();
        observer.subscribe(&topic).await?;
        let deadline = stage.recorder().now() + WITHIN;
        let mut received = stage.watch_all_from(begin, deadline, |event| received_by(event, &name)).await;
        if received.is_none() {
            // A broker, or a machine, that is slow is no proof that nothing is retained.
            observer.caught_up().await?;
            let since = stage.events().into_iter().filter(|event| event.seq >= begin.0);
            received = since.into_iter().find_map(|event| received_by(&event, &name));
        }
        // A live copy was still on its way when this one subscribed: it was not late, the next one is.
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
