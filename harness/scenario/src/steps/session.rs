//! Connecting and subscribing.

use std::collections::BTreeSet;
use std::time::Duration;

use cucumber::{gherkin, given, then};
use hil_mqtt::{Session, TextPattern};
use hil_timeline::{ConnectionChange, Packet, Payload, RunEvent, What};

use super::{pattern, rows, seconds};
use crate::error::StepError;
use crate::message::property;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::story::{last_words, subscriptions};
use crate::world::HilWorld;

/// How long a board may take from its reset to its session: Wi-Fi alone takes some seconds on silicon.
const SESSION: Duration = Duration::from_secs(10);

#[given(expr = "{string} is connected")]
async fn is_connected(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    if wait_for_session(stage, &board, |session| session.connected).await {
        return Ok(());
    }
    let message = format!("`{board}` did not connect within {}", seconds(SESSION));
    Err(StepError::failed(message).with_details(last_words(stage, &board)))
}

#[given(expr = "{string} has subscribed to {string}")]
async fn has_subscribed(world: &mut HilWorld, board: String, topic: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    if wait_for_session(stage, &board, |session| session.receives(&topic)).await {
        return Ok(());
    }
    let closest = format!("closest: {}", subscriptions(stage, &board));
    let message = format!("`{board}` has no subscription that covers `{topic}` after {}", seconds(SESSION));
    let details = std::iter::once(closest).chain(last_words(stage, &board));
    Err(StepError::failed(message).with_details(details))
}

/// Waits until the session as it stands is as wanted; neither moves the mark nor consumes anything.
async fn wait_for_session(stage: &Stage, board: &str, wanted: impl Fn(&Session) -> bool) -> bool {
    let timeline = stage.recorder().timeline();
    let deadline = tokio::time::Instant::now() + SESSION;
    // What was true earlier in the scenario does not count: the board may have lost its power since.
    let now = timeline.end();
    let so_far = stage.events();
    let mut session = Session::of(board, so_far.iter().filter(|event| event.seq < now.0).map(AsRef::as_ref));
    if wanted(&session) {
        return true;
    }
    let scenario = stage.recorder().scenario();
    let as_wanted = |event: &RunEvent| {
        if event.scenario == scenario && event.what.board() == Some(board) {
            session.take(event);
        }
        wanted(&session).then_some(())
    };
    timeline.wait_for(now, deadline, as_wanted).await.is_ok()
}

#[then(expr = "{string} connects within {span}")]
async fn connects(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    connection(stage, &board, within.0).await.map(drop)
}

/// An answer to a CONNECT since the mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Answer {
    connection: u32,
    code: u8,
    session_present: bool,
}

/// Waits for an accepted CONNECT since the mark; gives back its connection.
async fn connection(stage: &mut Stage, board: &str, within: Duration) -> Result<u32, StepError> {
    answer(stage, board, within, "connect", |answer| answer.code == 0).await.map(|answer| answer.connection)
}

/// Waits for an answer to a CONNECT since the mark that is as wanted; `verb` is what the board should have done.
async fn answer(
    stage: &mut Stage,
    board: &str,
    within: Duration,
    verb: &str,
    wanted: impl Fn(Answer) -> bool,
) -> Result<Answer, StepError> {
    let mut asked = None;
    let mut other = None;
    let mut refused = None;
    let pick = |event: &RunEvent| {
        if let What::Connection { board: of, change: ConnectionChange::Refused { reason }, .. } = &event.what
            && of == board
        {
            refused = Some(reason.clone());
        }
        if let Some((of, connection, Packet::Connect { .. })) = event.what.sent_by_board()
            && of == board
        {
            asked = Some(connection);
        }
        match event.what.reached_board()? {
            (of, connection, Packet::Connack { code, session_present, .. })
                if of == board && asked == Some(connection) =>
            {
                let answer = Answer { connection, code: *code, session_present: *session_present };
                if wanted(answer) {
                    return Some(answer);
                }
                other = Some(answer);
                None
            }
            _ => None,
        }
    };
    if let Some(answer) = stage.expect(within, pick).await {
        return Ok(answer);
    }
    let closest = match (asked, other, refused) {
        (_, Some(Answer { code: 0, session_present, .. }), _) => {
            let session = if session_present { "with its session" } else { "with a new session" };
            format!("closest: the broker accepted it {session}")
        }
        (_, Some(Answer { code, .. }), _) => format!("closest: the broker refused it with code {code}"),
        (Some(_), None, _) => "closest: it sent CONNECT, but had no answer".to_owned(),
        (None, None, Some(reason)) => format!("closest: its connection was refused: {reason}"),
        (None, None, None) => "closest: it sent no CONNECT".to_owned(),
    };
    let details = std::iter::once(closest).chain(last_words(stage, board));
    Err(StepError::failed(format!("`{board}` did not {verb} within {}", seconds(within))).with_details(details))
}

#[then(expr = "{string} connects within {span} and finds its session")]
async fn finds_session(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    session_is(world.stage()?, &board, within, true).await
}

#[then(expr = "{string} connects within {span} and finds no session")]
async fn finds_no_session(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    session_is(world.stage()?, &board, within, false).await
}

async fn session_is(stage: &mut Stage, board: &str, within: Span, present: bool) -> Result<(), StepError> {
    stage.check_packets(board)?;
    let verb = if present { "connect and find its session" } else { "connect and find no session" };
    // The first that is accepted counts, not one that fits.
    let first = answer(stage, board, within.0, verb, |answer| answer.code == 0).await?;
    if first.session_present == present {
        return Ok(());
    }
    let found = if first.session_present { "its session" } else { "no session" };
    let message = format!("`{board}` connected and found {found}");
    Err(StepError::failed(message).with_details(last_words(stage, board)))
}

#[then(regex = r#"^"([^"]*)" is refused with code (\d+|0x[0-9a-fA-F]{1,2}) within (\d+(?:\.\d+)? ?(?:ms|s|min))$"#)]
async fn is_refused(world: &mut HilWorld, board: String, code: String, within: Span) -> Result<(), StepError> {
    let code = hil_mqtt::parse_code(&code).map_err(StepError::errored)?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let verb = format!("try to connect and get the code {code}");
    answer(stage, &board, within.0, &verb, |answer| answer.code == code).await.map(drop)
}

#[then(expr = "the connection of {string} is refused within {span}")]
async fn connection_is_refused(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
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
    Err(StepError::failed(message).with_details(last_words(stage, &board)))
}

#[then(expr = "{string} connects over {string} within {span}")]
async fn connects_over(world: &mut HilWorld, board: String, layer: String, within: Span) -> Result<(), StepError> {
    let wanted = pattern(&layer)?;
    let stage = world.stage()?;
    stage.check_started(&board)?;
    let mut closest = None;
    let pick = |event: &RunEvent| match &event.what {
        What::Connection { board: of, change: ConnectionChange::Upgraded { layer }, .. } if *of == board => {
            closest = Some(format!("closest: it speaks {layer}"));
            wanted.matches(&Payload::from(layer.as_str())).then_some(())
        }
        What::Connection { board: of, change: ConnectionChange::Refused { reason }, .. } if *of == board => {
            closest = Some(format!("closest: its connection was refused: {reason}"));
            None
        }
        _ => None,
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = format!("`{board}` did not connect over {wanted} within {}", seconds(within.0));
    let details = closest.into_iter().chain(last_words(stage, &board));
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{string} disconnects within {span}")]
async fn disconnects(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
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
    Err(StepError::failed(message).with_details(last_words(stage, &board)))
}

/// Connections on which the board has said good-bye.
fn good_byes(stage: &Stage, board: &str) -> Vec<u32> {
    let good_bye = |event: &std::sync::Arc<RunEvent>| match event.what.sent_by_board()? {
        (of, on, Packet::Disconnect { .. }) if of == board => Some(on),
        _ => None,
    };
    stage.events().iter().filter_map(good_bye).collect()
}

#[then(expr = "{string} goes without DISCONNECT within {span}")]
async fn goes_without_disconnect(world: &mut HilWorld, board: String, within: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut polite = good_byes(stage, &board);
    let mut polite_now = Vec::new();
    let pick = |event: &RunEvent| {
        if let Some((of, on, Packet::Disconnect { .. })) = event.what.sent_by_board()
            && of == board
        {
            polite.push(on);
            polite_now.push(on);
        }
        match &event.what {
            What::Connection { board: of, connection, change: ConnectionChange::Closed { how } } if *of == board => {
                // After a good-bye both sides close; the broker may be the faster one.
                let ended = how.ends_with("by the board") || polite_now.contains(connection);
                ended.then(|| polite.contains(connection))
            }
            _ => None,
        }
    };
    let message = match stage.expect(within.0, pick).await {
        Some(false) => return Ok(()),
        Some(true) => format!("`{board}` sent DISCONNECT before its connection ended"),
        None => format!("`{board}` ended no connection within {}", seconds(within.0)),
    };
    Err(StepError::failed(message).with_details(last_words(stage, &board)))
}

#[then(expr = "the connection of {string} stays open for {span}")]
async fn stays_open(world: &mut HilWorld, board: String, span: Span) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let open = open_connections(stage, &board);
    if open.is_empty() {
        return Err(StepError::errored(format!("`{board}` had no connection: nothing could stay open")));
    }
    let until = stage.mark().at + span.0;
    let closed = |event: &RunEvent| match &event.what {
        What::Connection { board: of, connection, change: ConnectionChange::Closed { how } } if *of == board => {
            open.contains(connection).then(|| (event.at, how.clone()))
        }
        _ => None,
    };
    let Some((at, how)) = stage.watch_all_from(stage.mark().cursor, until, closed).await else { return Ok(()) };
    let after = format!("it ended {:.2} s after the mark", at.since(stage.mark().at).as_secs_f64());
    let message = format!("the connection of `{board}` did not stay open: {how}");
    Err(StepError::failed(message).with_details(std::iter::once(after).chain(last_words(stage, &board))))
}

/// The connections of a board that stood at the mark.
fn open_connections(stage: &Stage, board: &str) -> BTreeSet<u32> {
    let mut open = BTreeSet::new();
    for event in stage.events().iter().filter(|event| event.seq < stage.mark().cursor.0) {
        match &event.what {
            What::Connection { board: of, connection, change: ConnectionChange::Opened } if of == board => {
                open.insert(*connection);
            }
            What::Connection { board: of, connection, change: ConnectionChange::Closed { .. } } if of == board => {
                open.remove(connection);
            }
            _ => {}
        }
    }
    open
}

#[then(
    regex = r#"^the broker disconnects "([^"]*)"(?: with code (\d+|0x[0-9a-fA-F]{1,2}))? within (\d+(?:\.\d+)? ?(?:ms|s|min))$"#
)]
async fn broker_disconnects(world: &mut HilWorld, board: String, code: String, within: Span) -> Result<(), StepError> {
    let code = match code.as_str() {
        "" => None,
        code => Some(hil_mqtt::parse_code(code).map_err(StepError::errored)?),
    };
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut closest = None;
    let mut polite = good_byes(stage, &board);
    let pick = |event: &RunEvent| {
        if let Some((of, on, Packet::Disconnect { .. })) = event.what.sent_by_board()
            && of == board
        {
            polite.push(on);
        }
        if let Some((of, _, Packet::Disconnect { code: found, .. })) = event.what.reached_board()
            && of == board
        {
            closest = Some(*found);
        }
        match &event.what {
            What::Connection { board: of, connection, change: ConnectionChange::Closed { how } } if *of == board => {
                // Whom the board has said good-bye to may well close first.
                let by_broker = how.ends_with("by the broker") && !polite.contains(connection);
                (by_broker && (code.is_none() || closest == code)).then_some(())
            }
            _ => None,
        }
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let with = code.map(|code| format!(" with code {code:#04x}")).unwrap_or_default();
    let message = format!("the broker did not disconnect `{board}`{with} within {}", seconds(within.0));
    let closest = closest.map(|code| format!("closest: DISCONNECT, code {code:#04x}"));
    Err(StepError::failed(message).with_details(closest.into_iter().chain(last_words(stage, &board))))
}

#[then(expr = "{string} connects within {span} with:")]
async fn connects_with(
    world: &mut HilWorld,
    board: String,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = rows(step)?.iter().map(|row| Field::read(row)).collect::<Result<Vec<_>, _>>()?;
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
    let wrong: Vec<_> = wanted.iter().filter_map(|field| field.check(&connect)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let message = format!("`{board}` connected with other fields than expected");
    let details = wrong.into_iter().chain([format!("its CONNECT: {connect}")]);
    Err(StepError::failed(message).with_details(details))
}

#[then(expr = "{string} asks to connect within {span} with:")]
async fn asks_to_connect(
    world: &mut HilWorld,
    board: String,
    within: Span,
    #[step] step: &gherkin::Step,
) -> Result<(), StepError> {
    let wanted = rows(step)?.iter().map(|row| Field::read(row)).collect::<Result<Vec<_>, _>>()?;
    let stage = world.stage()?;
    stage.check_packets(&board)?;
    let mut closest = None;
    let pick = |event: &RunEvent| {
        let (of, _, connect @ Packet::Connect { .. }) = event.what.sent_by_board()? else { return None };
        let wrong: Vec<_> = wanted.iter().filter_map(|field| field.check(connect)).collect();
        let fits = of == board && wrong.is_empty();
        if of == board {
            closest = Some((wrong, connect.clone()));
        }
        fits.then_some(())
    };
    if stage.expect(within.0, pick).await.is_some() {
        return Ok(());
    }
    let message = format!("`{board}` sent no such CONNECT within {}", seconds(within.0));
    let mut details = match closest {
        Some((wrong, connect)) => wrong.into_iter().chain([format!("its last CONNECT: {connect}")]).collect(),
        None => vec!["closest: it sent none at all".to_owned()],
    };
    details.extend(last_words(stage, &board));
    Err(StepError::failed(message).with_details(details))
}

/// A row of the table: a field of CONNECT and what it shall be.
#[derive(Debug)]
struct Field {
    name: String,
    wanted: TextPattern,
}

/// The fields a table may name.
const FIELDS: &[&str] = &[
    "client id",
    "keep alive",
    "clean session",
    "user",
    "will",
    "will topic",
    "will payload",
    "will QoS",
    "will retained",
    "will delay",
    "version",
    "password",
    "session expiry",
];

impl Field {
    fn read(row: &[String]) -> Result<Self, StepError> {
        let [name, wanted] = row else {
            return Err(StepError::errored("the table of this step has two columns: field and value"));
        };
        if !FIELDS.contains(&name.as_str()) && !name.starts_with("property ") && !name.starts_with("user property ") {
            let hint = format!("there are `{}`, `property NAME` and `user property KEY`", FIELDS.join("`, `"));
            return Err(StepError::errored(format!("CONNECT has no field `{name}`")).with_hint(hint));
        }
        Ok(Self { name: name.clone(), wanted: pattern(wanted)? })
    }

    /// What is wrong with the field, if anything.
    fn check(&self, connect: &Packet) -> Option<String> {
        let found = self.value(connect);
        let right = found.as_ref().is_some_and(|found| self.wanted.matches(&Payload::from(found.as_str())));
        let shown = found.map_or_else(|| "none".to_owned(), |found| format!("`{}`", found.escape_debug()));
        (!right).then(|| format!("{}: expected {}, was {shown}", self.name, self.wanted))
    }

    fn value(&self, connect: &Packet) -> Option<String> {
        let Packet::Connect {
            protocol,
            client_id,
            keep_alive,
            clean_session,
            user_name,
            has_password,
            will,
            properties,
        } = connect
        else {
            return None;
        };
        let seconds = |found: Option<String>| found.map(|found| format!("{found} s"));
        let yes_no = |yes: bool| if yes { "yes" } else { "no" }.to_owned();
        match self.name.as_str() {
            "client id" => Some(client_id.clone()),
            "keep alive" => Some(format!("{keep_alive} s")),
            "clean session" => Some(yes_no(*clean_session)),
            "user" => user_name.clone(),
            "will" => Some(yes_no(will.is_some())),
            "will topic" => will.as_ref().map(|will| will.topic.clone()),
            "will payload" => will.as_ref().map(|will| String::from_utf8_lossy(&will.payload.0).into_owned()),
            "will QoS" => will.as_ref().map(|will| will.qos.to_string()),
            "will retained" => will.as_ref().map(|will| yes_no(will.retain)),
            "will delay" => seconds(will.as_ref().and_then(|will| property(&will.properties, "will delay interval"))),
            "version" => Some(match protocol {
                3 => "3.1".to_owned(),
                4 => "3.1.1".to_owned(),
                other => other.to_string(),
            }),
            "password" => Some(yes_no(*has_password)),
            "session expiry" => seconds(property(properties, "session expiry interval")),
            name => property(properties, name),
        }
    }
}
