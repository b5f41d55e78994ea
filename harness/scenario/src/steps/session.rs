//! Connecting and subscribing.

use std::time::Duration;

use cucumber::{gherkin, given, then};
use hil_mqtt::{Session, TextPattern};
use hil_timeline::{ConnectionChange, Packet, Payload, RunEvent, Stamp, What};

use super::{pattern, rows, seconds};
use crate::error::StepError;
use crate::parameters::Span;
use crate::stage::Stage;
use crate::story::last_words;
use crate::world::HilWorld;

/// How long a board may take from its reset to its session: Wi-Fi alone takes some seconds on silicon.
const SESSION: Duration = Duration::from_secs(10);

#[given(expr = "{string} is connected")]
async fn is_connected(world: &mut HilWorld, board: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    if wait_for_session(stage, &board, |session| session.connected).await {
        return Ok(());
    }
    let message = format!("`{board}` did not connect within {}", seconds(SESSION));
    Err(StepError::failed(message).with_details(last_words(stage, &board)))
}

#[given(expr = "{string} has subscribed to {string}")]
async fn has_subscribed(world: &mut HilWorld, board: String, topic: String) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    if wait_for_session(stage, &board, |session| session.receives(&topic)).await {
        return Ok(());
    }
    let session = stage.session(&board);
    let filters: Vec<_> = session.subscriptions.iter().map(|s| format!("`{}`", s.filter.escape_debug())).collect();
    let closest = match (session.connected, filters.is_empty()) {
        (false, _) => "closest: it is not connected".to_owned(),
        (true, true) => "closest: it is connected, but has subscribed to nothing".to_owned(),
        (true, false) => format!("closest: it has subscribed to {}", filters.join(", ")),
    };
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
    stage.check_started(&board)?;
    connection(stage, &board, within.0).await.map(drop)
}

/// Waits for an accepted CONNECT since the mark; gives back its connection.
async fn connection(stage: &mut Stage, board: &str, within: Duration) -> Result<u32, StepError> {
    let mut asked = None;
    let mut refused = None;
    let pick = |event: &RunEvent| match &event.what {
        What::Packet { board: of, connection, packet, .. } if of == board => match packet {
            Packet::Connect { .. } => {
                asked = Some(*connection);
                None
            }
            Packet::Connack { code: 0, .. } => asked.filter(|asked| asked == connection),
            Packet::Connack { code, .. } => {
                refused = Some(*code);
                None
            }
            _ => None,
        },
        _ => None,
    };
    if let Some(connection) = stage.expect(within, pick).await {
        return Ok(connection);
    }
    let closest = match (asked, refused) {
        (_, Some(code)) => format!("closest: the broker refused it with code {code}"),
        (Some(_), None) => "closest: it sent CONNECT, but had no answer".to_owned(),
        (None, None) => "closest: it sent no CONNECT".to_owned(),
    };
    let details = std::iter::once(closest).chain(last_words(stage, board));
    Err(StepError::failed(format!("`{board}` did not connect within {}", seconds(within))).with_details(details))
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
    stage.check_started(&board)?;
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
];

impl Field {
    fn read(row: &[String]) -> Result<Self, StepError> {
        let [name, wanted] = row else {
            return Err(StepError::errored("the table of this step has two columns: field and value"));
        };
        if !FIELDS.contains(&name.as_str()) {
            let hint = format!("there are `{}`", FIELDS.join("`, `"));
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
        let Packet::Connect { client_id, keep_alive, clean_session, user_name, will, .. } = connect else {
            return None;
        };
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
            _ => None,
        }
    }
}

#[then(expr = "{string} tries to connect {int} times with growing pauses within {span}")]
async fn tries_with_growing_pauses(
    world: &mut HilWorld,
    board: String,
    times: usize,
    within: Span,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(&board)?;
    if times < 3 {
        let error = StepError::errored("fewer than three attempts have no two pauses to compare");
        return Err(error.with_hint("ask for 3 or more"));
    }
    let mut attempts: Vec<Stamp> = Vec::new();
    while attempts.len() < times {
        let pick = |event: &RunEvent| match &event.what {
            What::Connection { board: of, change: ConnectionChange::Opened, .. } if *of == board => Some(event.at),
            _ => None,
        };
        let Some(at) = stage.expect(within.0, pick).await else { break };
        attempts.push(at);
    }
    let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1].since(pair[0])).collect();
    let growing = pauses.windows(2).all(|pair| pair[1] > pair[0]);
    if attempts.len() == times && growing {
        return Ok(());
    }
    let shown: Vec<_> = pauses.iter().map(|pause| format!("{:.2} s", pause.as_secs_f64())).collect();
    let message = if growing {
        format!("`{board}` tried to connect {} of {times} times within {}", attempts.len(), seconds(within.0))
    } else {
        format!("the pauses between the attempts of `{board}` do not grow")
    };
    let pauses = format!("pauses: {}", if shown.is_empty() { "none".to_owned() } else { shown.join(", ") });
    Err(StepError::failed(message).with_details(std::iter::once(pauses).chain(last_words(stage, &board))))
}
