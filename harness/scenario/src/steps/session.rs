//! Connecting and subscribing.

use std::collections::BTreeSet;
use std::time::Duration;

use cucumber::{gherkin, given, then};
use hil_timeline::{Allowance, ConnectionChange, Packet, Payload, RunEvent, What};
use hil_verdict::{Answer, Answers, ConnectMatch, Departure, Departures, Session, seconds, subscriptions, turned_away};

use super::{check_filter, pattern, rows};
use crate::error::StepError;
use crate::parameters::{Code, Span, Text};
use crate::spec::{BelowDoc, Expects, StepSpec, Takes};
use crate::stage::{Stage, refs};
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "{board} is connected",
        &[(
            r#"Given "lamp" is connected"#,
            "Waits up to `connects-within` (10 s unless the bench file says otherwise) until the broker has \
             accepted the board's CONNECT.",
        )],
    ),
    StepSpec::new(
        "{board} has subscribed to {filter}",
        &[(
            r#"Given "lamp" has subscribed to "sooko/lampu""#,
            "Waits up to `connects-within` until the broker has granted a subscription that covers the topic or \
             topic filter; a shared subscription covers what its filter covers.",
        )],
    ),
    StepSpec::new(
        "{board} connects within {span}",
        &[(r#"Then "lamp" connects within 10 s"#, "The broker accepts a CONNECT of the board.")],
    ),
    StepSpec::new(
        "{board} (?:connects|asks to connect) within {span} with:",
        &[
            (r#"Then "lamp" connects within 10 s with:"#, "The same, and every row of the table holds."),
            (
                r#"Then "pi" asks to connect within 2 s with:"#,
                "A CONNECT of the board matches every row, whether or not the broker accepts it.",
            ),
        ],
    )
    .above(&CONNECT),
    StepSpec::new(
        "{board} connects within {span} and finds (?:its|no) session",
        &[
            (r#"Then "lamp" connects within 10 s and finds its session"#, "The broker answers with session present."),
            (r#"Then "lamp" connects within 10 s and finds no session"#, "The broker answers without session present."),
        ],
    ),
    StepSpec::new(
        "{board} connects over {pattern} within {span}",
        &[(
            r#"Then "lamp" connects over "/^TLS/" within 5 s"#,
            "The layers above TCP: `TLS 1.2`, `TLS 1.3`, `WebSocket`.",
        )],
    ),
    StepSpec::new(
        "the connection of {board} stays open for {span}",
        &[(
            r#"Then the connection of "lamp" stays open for 10 s"#,
            "Neither the board nor the broker ends it, counted from the mark; a board that has lost its power \
             ends nothing.",
        )],
    ),
    StepSpec::new(
        "{board} (?:disconnects|goes without DISCONNECT) within {span}",
        &[
            (r#"Then "lamp" disconnects within 2 s"#, "It sends DISCONNECT."),
            (r#"Then "lamp" goes without DISCONNECT within 2 s"#, "Its connection ends without DISCONNECT."),
        ],
    ),
    StepSpec::new(
        "the broker disconnects {board}(?: with code {code})? within {span}",
        &[
            (
                r#"Then the broker disconnects "lamp" with code 0x8e within 2 s"#,
                "The broker ends the connection; the code is that of its DISCONNECT (MQTT 5).",
            ),
            (r#"Then the broker disconnects "lamp" within 2 s"#, "The same, however it ends the connection."),
        ],
    ),
    StepSpec::new(
        "{board} is refused with code {refusal} within {span}",
        &[(
            r#"Then "lamp" is refused with code 5 within 2 s"#,
            "The return code (3.1.1) or reason code (5) of CONNACK.",
        )],
    ),
    StepSpec::new(
        "the connection of {board} is refused within {span}",
        &[(
            r#"Then the connection of "lamp" is refused within 2 s"#,
            "No broker answers, or a TLS or WebSocket handshake fails.",
        )],
    ),
    StepSpec::new(
        "{board} may break the protocol",
        &[(
            r#"Given "lamp" may break the protocol"#,
            "Packets that break the MQTT protocol don't fail the scenario: for tests of how a broker handles them.",
        )],
    )
    .expecting(Expects::AnyViolation),
];

/// Fields of a CONNECT.
const CONNECT: BelowDoc = BelowDoc {
    name: "Fields of a CONNECT",
    takes: Takes::Table { columns: &["field", "value"], check: |rows| ConnectMatch::read(rows).map(drop) },
    about: "A table with the columns `field` and `value`; the heading row is optional. Every row must hold. A value \
            between slashes is a regular expression.",
    fields: &[
        ("client id", "text"),
        ("keep alive", "whole seconds with their unit: `4 s`"),
        ("clean session", "`yes` or `no` (clean start in MQTT 5)"),
        ("user", "text"),
        ("will", "`yes` or `no`"),
        ("will topic", "a topic, or `none`"),
        ("will payload", "text, or `none`"),
        ("will QoS", "`0`, `1`, `2` or `none`"),
        ("will retained", "`yes`, `no` or `none`"),
        ("will delay", "seconds, `10 s`, or `none` (MQTT 5)"),
        ("version", "`3.1`, `3.1.1` or `5`"),
        ("password", "`yes` or `no`: whether one is sent; its value is never recorded"),
        ("session expiry", "seconds, `60 s`, or `none` (MQTT 5)"),
        ("property NAME", "an MQTT 5 property of CONNECT: `property receive maximum`; `none` if it must be absent"),
        ("user property KEY", "the value of a user property (MQTT 5)"),
    ],
    example: &[
        "| field         | value        |",
        "| keep alive    | 4 s          |",
        "| clean session | yes          |",
        "| password      | yes          |",
        "| will topic    | sooko/status |",
    ],
};

#[given(expr = "{text} is connected")]
async fn is_connected(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let limit = stage.connects_within(&board);
    if wait_for_session(stage, &board, limit, |session| session.connected).await {
        return Ok(());
    }
    let message = format!("`{board}` did not connect within {} (`connects-within`)", seconds(limit));
    Err(not_connected(stage, &board, message, Vec::new()))
}

#[given(expr = "{text} has subscribed to {text}")]
async fn has_subscribed(world: &mut HilWorld, board: Text, topic: Text) -> Result<(), StepError> {
    check_filter(&topic)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let limit = stage.connects_within(&board);
    if wait_for_session(stage, &board, limit, |session| session.receives(&topic)).await {
        return Ok(());
    }
    let closest = format!("closest: {}", subscriptions(&stage.session(&board)));
    let message =
        format!("`{board}` has no subscription that covers `{topic}` after {} (`connects-within`)", seconds(limit));
    Err(not_connected(stage, &board, message, vec![closest]))
}

/// The error for a board that did not connect. If none of its connections reached the tap, its network may be the cause
/// as well as its firmware: the message says so.
fn not_connected(stage: &Stage, board: &str, message: String, details: Vec<String>) -> StepError {
    let details = details.into_iter().chain(stage.last_words(board));
    if let Some(reason) = turned_away(board, refs(&stage.events())) {
        let hint = format!("if that is the board, correct `boards.{board}.from` in the bench file");
        return StepError::errored(format!("{message}: the tap rejected {reason}"))
            .with_details(details)
            .with_hint(hint);
    }
    // It may have connected before the mark and still be connected.
    match stage.unreached(board).filter(|_| !stage.session(board).connected) {
        Some((fact, hint)) => StepError::failed(format!("{message}: {fact}")).with_details(details).with_hint(hint),
        None => StepError::failed(message).with_details(details),
    }
}

/// Waits until the session is as wanted; neither moves the mark nor consumes records.
async fn wait_for_session(stage: &Stage, board: &str, limit: Duration, wanted: impl Fn(&Session) -> bool) -> bool {
    let deadline = stage.recorder().now() + limit;
    // Only the current state counts: the board may have lost its power since.
    let now = stage.end();
    let so_far = stage.events();
    let mut session = Session::of(board, so_far.iter().filter(|event| event.seq < now.0).map(AsRef::as_ref));
    if wanted(&session) {
        return true;
    }
    let as_wanted = |event: &RunEvent| {
        if event.what.board() == Some(board) {
            session.take(event);
        }
        wanted(&session).then_some(())
    };
    stage.watch_all_from(now, deadline, as_wanted).await.is_some()
}

#[then(expr = "{text} connects within {span}")]
async fn connects(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    connection(stage, &board, within.0).await.map(drop)
}

/// Waits for an accepted CONNECT since the mark; returns its connection.
async fn connection(stage: &mut Stage, board: &str, within: Duration) -> Result<u32, StepError> {
    answer(stage, board, within, "connect", |answer| answer.code == 0).await.map(|answer| answer.connection)
}

/// Waits for a wanted answer to a CONNECT since the mark; `verb` is what the board should have done.
async fn answer(
    stage: &mut Stage,
    board: &str,
    within: Duration,
    verb: &str,
    wanted: impl Fn(Answer) -> bool,
) -> Result<Answer, StepError> {
    let mut answers = Answers::to(board);
    let pick = |event: &RunEvent| answers.take(event).filter(|answer| wanted(*answer));
    if let Some(answer) = stage.expect(within, pick).await {
        return Ok(answer);
    }
    let message = format!("`{board}` did not {verb} within {}", seconds(within));
    Err(not_connected(stage, board, message, vec![answers.closest()]))
}

#[then(expr = "{text} connects within {span} and finds its session")]
async fn finds_session(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    session_is(world.stage()?, &board, within, true).await
}

#[then(expr = "{text} connects within {span} and finds no session")]
async fn finds_no_session(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    session_is(world.stage()?, &board, within, false).await
}

async fn session_is(stage: &mut Stage, board: &str, within: Span, present: bool) -> Result<(), StepError> {
    stage.check_packets(board)?;
    let verb = if present { "connect and find its session" } else { "connect and find no session" };
    // The first accepted one counts, even if a later one would match.
    let first = answer(stage, board, within.0, verb, |answer| answer.code == 0).await?;
    if first.session_present == present {
        return Ok(());
    }
    let found = if first.session_present { "its session" } else { "no session" };
    let message = format!("`{board}` connected and found {found}");
    Err(StepError::failed(message).with_details(stage.last_words(board)))
}

#[then(expr = "{text} is refused with code {code} within {span}")]
async fn is_refused(world: &mut HilWorld, board: Text, code: Code, within: Span) -> Result<(), StepError> {
    let code = hil_mqtt::parse_code(&code).map_err(StepError::errored)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let verb = format!("try to connect and get the code {code}");
    answer(stage, &board, within.0, &verb, |answer| answer.code == code).await.map(drop)
}

#[then(expr = "the connection of {text} is refused within {span}")]
async fn connection_is_refused(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let pick = |event: &RunEvent| match &event.what {
        What::Connection { board: of, change: ConnectionChange::Refused { .. }, .. } if *of == board => Some(()),
        _ => None,
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = format!("no connection of `{board}` was refused within {}", seconds(within.0));
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

#[then(expr = "{text} connects over {text} within {span}")]
async fn connects_over(world: &mut HilWorld, board: Text, layer: Text, within: Span) -> Result<(), StepError> {
    let wanted = pattern(&layer)?;
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let mut closest = None;
    let pick = |event: &RunEvent| match &event.what {
        What::Connection { board: of, change: ConnectionChange::Upgraded { layer }, .. } if *of == board => {
            closest = Some(format!("closest: it speaks {layer}"));
            wanted.matches(&Payload::from(layer.as_str())).then_some(())
        }
        What::Connection { board: of, change: ConnectionChange::Refused { reason, .. }, .. } if *of == board => {
            closest = Some(format!("closest: its connection was refused: {reason}"));
            None
        }
        _ => None,
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = format!("`{board}` did not connect over {wanted} within {}", seconds(within.0));
    let details = closest.into_iter().chain(stage.last_words(&board));
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{text} disconnects within {span}")]
async fn disconnects(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let pick = |event: &RunEvent| match event.what.sent_by_board()? {
        (of, _, Packet::Disconnect { .. }) if of == board => Some(()),
        _ => None,
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = format!("`{board}` sent no DISCONNECT within {}", seconds(within.0));
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

#[then(expr = "{text} goes without DISCONNECT within {span}")]
async fn goes_without_disconnect(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut departures = Departures::of(&board, refs(&stage.events()));
    let pick = |event: &RunEvent| departures.take(event).filter(Departure::is_by_board);
    let message = match stage.expect(within.0, pick).await {
        Some(departure) if !departure.disconnected => return Ok(()),
        Some(_) => format!("`{board}` sent DISCONNECT before its connection ended"),
        None => format!("`{board}` ended no connection within {}", seconds(within.0)),
    };
    Err(StepError::failed(message).with_details(stage.last_words(&board)))
}

#[then(expr = "the connection of {text} stays open for {span}")]
async fn stays_open(world: &mut HilWorld, board: Text, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let open = open_connections(stage, &board);
    if open.is_empty() {
        return Err(StepError::errored(format!("`{board}` had no connection: nothing could stay open")));
    }
    let until = stage.mark().at + span.0;
    let closed = |event: &RunEvent| match &event.what {
        What::Connection { board: of, connection, change: ConnectionChange::Closed { how }, .. } if *of == board => {
            open.contains(connection).then(|| (event.clone(), how.clone()))
        }
        _ => None,
    };
    let Some((event, how)) = stage.watch_all_from(stage.mark().cursor, until, closed).await else { return Ok(()) };
    stage.judge_beginning(&event, stage.mark().at);
    let after = format!("it ended {:.2} s after the mark", event.at.since(stage.mark().at).as_secs_f64());
    let message = format!("the connection of `{board}` did not stay open: {how}");
    Err(StepError::failed(message).with_details(std::iter::once(after).chain(stage.last_words(&board))))
}

/// The open connections of a board at the mark.
fn open_connections(stage: &Stage, board: &str) -> BTreeSet<u32> {
    let events = stage.events();
    let cursor = stage.mark().cursor.0;
    hil_verdict::open_connections(board, refs(&events).into_iter().filter(|event| event.seq < cursor))
}

#[then(expr = "the broker disconnects {text} within {span}")]
async fn broker_disconnects(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    expect_end_by_broker(world, &board, None, within).await
}

#[then(expr = "the broker disconnects {text} with code {code} within {span}")]
async fn broker_disconnects_with(world: &mut HilWorld, board: Text, code: Code, within: Span) -> Result<(), StepError> {
    let code = hil_mqtt::parse_code(&code).map_err(StepError::errored)?;
    expect_end_by_broker(world, &board, Some(code), within).await
}

async fn expect_end_by_broker(
    world: &mut HilWorld,
    board: &str,
    code: Option<u8>,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(board)?;
    let mut departures = Departures::of(board, refs(&stage.events()));
    let pick = |event: &RunEvent| {
        let departure = departures.take(event)?;
        (departure.is_by_broker() && (code.is_none() || departures.broker_code == code)).then_some(())
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let with = code.map(|code| format!(" with code {code:#04x}")).unwrap_or_default();
    let message = format!("the broker did not disconnect `{board}`{with} within {}", seconds(within.0));
    let closest = departures.broker_code.map(|code| format!("closest: DISCONNECT, code {code:#04x}"));
    Err(StepError::failed(message).with_details(closest.into_iter().chain(stage.last_words(board))))
}

#[then(expr = "{text} connects within {span} with:")]
async fn connects_with(
    world: &mut HilWorld,
    board: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = ConnectMatch::read(rows(step)?)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let on = connection(stage, &board, within.0).await?;
    let connect = stage.events().into_iter().find_map(|event| match &event.what {
        What::Packet { board: of, connection, packet: packet @ Packet::Connect { .. }, .. } => {
            (*of == board && *connection == on).then(|| packet.clone())
        }
        _ => None,
    });
    let Some(connect) = connect else {
        return Err(StepError::errored("the CONNECT packet of this connection was not recorded"));
    };
    let wrong = wanted.wrong(&connect);
    if wrong.is_empty() {
        return Ok(());
    }
    let message = format!("`{board}` connected, but fields of its CONNECT differ");
    let details = wrong.into_iter().chain([format!("its CONNECT: {connect}")]);
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{text} asks to connect within {span} with:")]
async fn asks_to_connect(
    world: &mut HilWorld,
    board: Text,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = ConnectMatch::read(rows(step)?)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut closest = None;
    let pick = |event: &RunEvent| {
        let (of, _, connect @ Packet::Connect { .. }) = event.what.sent_by_board()? else { return None };
        let wrong = wanted.wrong(connect);
        let fits = of == board && wrong.is_empty();
        // The latest of those with the fewest differences.
        let is_closer =
            |known: &Option<(Vec<String>, Packet)>| known.as_ref().is_none_or(|(least, _)| wrong.len() <= least.len());
        if of == board && is_closer(&closest) {
            closest = Some((wrong, connect.clone()));
        }
        fits.then_some(())
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = format!("`{board}` sent no such CONNECT within {}", seconds(within.0));
    let mut details = match closest {
        Some((wrong, connect)) => wrong.into_iter().chain([format!("closest: {connect}")]).collect(),
        None => vec!["closest: it sent none at all".to_owned()],
    };
    details.extend(stage.last_words(&board));
    Err(StepError::failed(message).with_details(details))
}

#[given(expr = "{text} may break the protocol")]
fn may_break_the_protocol(world: &mut HilWorld, board: Text) -> Result<(), StepError> {
    world.stage()?.allow(&board, Allowance::ProtocolViolation)
}
