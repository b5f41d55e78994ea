//! The steps, one file for each topic. A file describes its steps beside their functions; [`GROUPS`] lists the files.

mod access_point;
mod attempts;
mod below;
mod board;
mod boards;
mod broker;
mod certificates;
mod clock;
mod console;
mod gauges;
mod home_assistant;
mod loading;
mod messages;
mod names;
mod network;
mod packets;
mod pins;
mod power;
mod program;
mod publish;
mod received;
mod sent;
mod session;
mod snapshots;
mod sparkplug;
mod subscriber;
mod subscriptions;
mod survives;
mod updates;
mod values;
mod versions;
mod wait;
mod will;

use cucumber::gherkin;

use hil_timeline::{Packet, PinCause, What, escaped};

use crate::error::StepError;
use crate::spec::StepGroup;
use crate::stage::{Stage, refs};

/// All steps by topic, in the order in which they are shown.
pub const GROUPS: &[StepGroup] = &[
    StepGroup::new("Boards and firmware", &[board::STEPS]),
    StepGroup::new("Publishing", &[publish::STEPS]),
    StepGroup::new("Connections and sessions", &[session::STEPS]),
    StepGroup::new("Connection attempts", &[attempts::STEPS]),
    StepGroup::new("Subscriptions", &[subscriptions::STEPS]),
    StepGroup::new("Messages that a board sends", &[sent::STEPS, values::STEPS]),
    StepGroup::new("Messages that a board receives", &[received::STEPS, boards::STEPS]),
    StepGroup::new("Wills and retained messages", &[will::STEPS, subscriber::STEPS]),
    StepGroup::new("Home Assistant", &[home_assistant::STEPS]),
    StepGroup::new("Sparkplug B", &[sparkplug::STEPS]),
    StepGroup::new("Power", &[power::STEPS]),
    StepGroup::new("Pins", &[pins::STEPS]),
    StepGroup::new("Consoles", &[console::STEPS]),
    StepGroup::new("Gauges", &[gauges::STEPS]),
    StepGroup::new("Programs", &[program::STEPS]),
    StepGroup::new("Network faults", &[network::STEPS]),
    StepGroup::new("The access point", &[access_point::STEPS]),
    StepGroup::new("Packet faults", &[packets::STEPS]),
    StepGroup::new("The broker", &[broker::STEPS]),
    StepGroup::new("Updates over the air", &[updates::STEPS, loading::STEPS, versions::STEPS, survives::STEPS]),
    StepGroup::new("The clock of the network", &[clock::STEPS]),
    StepGroup::new("Names", &[names::STEPS]),
    StepGroup::new("Certificates", &[certificates::STEPS]),
    StepGroup::new("Traffic snapshots", &[snapshots::STEPS]),
    StepGroup::new("Waiting", &[wait::STEPS]),
];

/// Parses a pattern of a step.
pub(crate) fn pattern(text: &str) -> Result<hil_verdict::TextPattern, StepError> {
    hil_verdict::TextPattern::parse(text).map_err(|error| {
        let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
        StepError::errored(format!("`{text}` is not a regular expression: {reason}"))
    })
}

/// The rows of a step's table.
fn rows(step: &gherkin::Step) -> Result<&[Vec<String>], StepError> {
    let table = step.table.as_ref().filter(|table| !table.rows.is_empty());
    table.map(|table| table.rows.as_slice()).ok_or_else(|| {
        StepError::errored("this step needs a table").with_hint("write its rows below it, each between `|`")
    })
}

/// The text below a step, between two lines of `"""`.
fn doc_string(step: &gherkin::Step) -> Result<&str, StepError> {
    step.docstring.as_deref().ok_or_else(|| {
        StepError::errored("this step needs a text").with_hint("write it below, between two lines of \"\"\"")
    })
}

/// The only column of a step's table.
fn column(step: &gherkin::Step) -> Result<Vec<String>, StepError> {
    let cells = rows(step)?.iter().map(|row| match row.as_slice() {
        [cell] => Ok(cell.clone()),
        _ => Err(StepError::errored("the table of this step has one column")),
    });
    cells.collect()
}

/// Checks a topic that a step publishes to (MQTT 3.1.1 §4.7).
fn check_topic(topic: &str) -> Result<(), StepError> {
    hil_verdict::check_topic(topic).map_err(|reason| {
        StepError::errored(format!("`{}` is not a topic that can be published to", escaped(topic))).with_hint(reason)
    })
}

/// Checks a topic filter that a step names (MQTT 3.1.1 §4.7).
fn check_filter(filter: &str) -> Result<(), StepError> {
    hil_verdict::check_filter(filter)
        .map_err(|reason| StepError::errored(format!("`{}` is not a topic filter", escaped(filter))).with_hint(reason))
}

/// What set the mark, for messages.
fn cause(stage: &Stage) -> String {
    if stage.has_waited() {
        return "the end of the wait".to_owned();
    }
    let mark = stage.mark();
    let events = stage.events();
    // The record that set the mark has the same time.
    let effect = events.iter().rev().find(|event| event.at == mark.at && is_effect(&event.what));
    let shown = effect.map(|event| match &event.what {
        What::Published { payload, topic, .. }
        | What::Packet { packet: Packet::Publish { payload, topic, .. }, .. } => {
            format!("publishing `{payload}` to `{}`", escaped(topic))
        }
        What::Power { on, .. } => format!("the power going {}", if *on { "on" } else { "off" }),
        What::Fault { fault, .. } => format!("the fault `{fault}`"),
        What::Reset { .. } | What::ResetReleased { .. } => "the reset".to_owned(),
        What::Broker { running, .. } => format!("the broker being {}", if *running { "up" } else { "down" }),
        What::Typed { text, .. } => format!("typing `{}`", escaped(text.trim_end())),
        What::Pin { pin, on, .. } => format!("driving the pin `{pin}` {}", if *on { "on" } else { "off" }),
        What::Bench { note, .. } => format!("`{}`", escaped(note)),
        _ => "the mark".to_owned(),
    });
    shown.unwrap_or_else(|| "the mark".to_owned())
}

fn is_effect(what: &What) -> bool {
    match what {
        What::Published { .. }
        | What::Power { .. }
        | What::Fault { .. }
        | What::Reset { .. }
        | What::ResetReleased { .. }
        | What::Broker { .. }
        | What::Typed { .. }
        | What::Bench { .. }
        | What::Packet { packet: Packet::Publish { .. }, .. } => true,
        What::Pin { cause, .. } => *cause == PinCause::Driven,
        _ => false,
    }
}

/// A note if the harness's latest message was delivered to no board.
fn not_delivered(stage: &Stage) -> Option<String> {
    let events = stage.events();
    // The step waits only for a message that set the mark, or came after it.
    let recent = refs(&events)
        .into_iter()
        .filter(|event| event.at >= stage.mark().at || !matches!(event.what, What::Published { .. }));
    hil_verdict::undelivered(&recent.collect::<Vec<_>>())
}
