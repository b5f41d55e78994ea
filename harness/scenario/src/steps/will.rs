//! Wills, as subscribers see them.

use std::time::Duration;

use cucumber::then;
use hil_timeline::{Cursor, Packet, RunEvent, Stamp, What, escaped};
use hil_verdict::{Due, Holds, WillCase, Wills, seconds, show, signed};

use crate::error::StepError;
use crate::parameters::{Span, Text};
use crate::spec::StepSpec;
use crate::stage::{OBSERVER, Stage, refs};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the will of {board} is published(?: exactly once)? on {topic}(?:, settling for {span})?",
        &[
            (
                r#"Then the will of "lamp" is published on "sooko/status""#,
                "Within the broker's window: one and a half keep alives after the last packet, or at once if the \
                 connection ends, is taken over, or the board sends DISCONNECT with a reason other than 0x00; plus \
                 the will delay. An early will fails too. A message that a client published is not a will.",
            ),
            (
                r#"Then the will of "lamp" is published exactly once on "sooko/status", settling for 2 s"#,
                "The same, and no second one comes within the settle time.",
            ),
        ],
    ),
    StepSpec::new(
        "no will of {board} is published for {span}",
        &[(r#"Then no will of "lamp" is published for 3 s"#, "Counted from the mark.")],
    ),
];

/// How far the records of one moment may be apart: the end of a connection at the tap, and the will at the observer.
const TOGETHER: Duration = Duration::from_millis(500);

/// How long to wait for the end of the connection if nothing else would make the broker publish the will.
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

/// The will of the session at the mark.
fn announced(stage: &Stage, board: &str) -> Result<WillCase, StepError> {
    let events = stage.events();
    let case = WillCase::at_mark(board, &refs(&events), stage.mark().cursor, stage.mark().at);
    case.map_err(|unmet| StepError::from(unmet).with_details(stage.last_words(board)))
}

/// The wills since a place in the timeline; all records of the scenario are needed to tell them from other messages.
fn wills_since(stage: &Stage, case: &WillCase, from: Cursor) -> Vec<RunEvent> {
    let events = stage.events();
    let wills = case.published(OBSERVER, &refs(&events), |keep_alive, last| stage.keep_alive_limits(keep_alive, last));
    let is_new = |event: &&RunEvent| event.seq >= from.0 && !stage.is_consumed(event.seq);
    wills.into_iter().filter(is_new).cloned().collect()
}

/// The message most like the will, and how it differs.
fn closest(stage: &Stage, case: &WillCase) -> String {
    let events = stage.events();
    let mut wills = Wills::seen_by(OBSERVER, &case.will);
    refs(&events).into_iter().for_each(|event| {
        wills.take(event);
    });
    wills.closest(stage.mark().at)
}

/// Whether a record can change when a will is due, or whether it has come.
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

/// Waits for the will in its window. New records may change the window: the end of the connection, or another
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
        // The window of the embedded broker depends on the stalls so far.
        stage.read_delayed(stage.recorder().now()).await;
        let due = due(stage, &case);
        let came = wills_since(stage, &case, stage.mark().cursor).into_iter().next();
        let until = match (&due, &came) {
            (Due::Within { from, until, .. }, Some(will)) if will.at >= *from && will.at <= *until => break,
            // Its cause may be recorded a moment later.
            (_, Some(will)) => will.at + TOGETHER,
            (Due::Within { until, .. }, None) => *until,
            // The connection may be about to end. If it is known to stay, there is no need to wait.
            (Due::Unknown(_), None) => stage.mark().at + ENDS,
            (Due::Never(_), None) => stage.mark().at,
        };
        if stage.recorder().now() > until {
            stage.settle(until).await;
            if self::due(stage, &case) != due {
                // A stall has changed the window meanwhile.
                continue;
            }
            let came = wills_since(stage, &case, stage.mark().cursor).into_iter().next();
            return Err(not_published(stage, board, &case, &due, came.as_ref()));
        }
        let next = |event: &RunEvent| matters(event).then_some(());
        // The next round judges a new record together with all earlier ones; without one, the time is over.
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

/// Records the window, for the report.
fn record_window(stage: &Stage, board: &str, case: &WillCase) {
    if let Due::Within { from, until, reason } = due(stage, case) {
        stage.recorder().record(What::WillWindow { board: board.to_owned(), from, until, reason });
    }
}

/// If this machine stalled, a will that looks late may have been in time. So may one that looks early: its window
/// counts from a record that may have been late itself.
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
            let message =
                format!("the will of `{board}` was published, which should not happen for {}", seconds(span.0));
            let came = format!("came: {}", show(&event, stage.mark().at));
            Err(StepError::failed(message).with_details(std::iter::once(came).chain(stage.last_words(&board))))
        }
    }
}
