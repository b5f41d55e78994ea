//! The last signs of life of a scenario, in lines for people.

use hil_timeline::{ConnectionChange, Direction, RunEvent, Stamp, What};

/// A console line, a packet or another sign of life, with its time within the scenario.
pub(crate) fn tail_line(event: &RunEvent, started: Stamp) -> Option<String> {
    let on = |on: &bool| if *on { "on" } else { "off" };
    let line = match &event.what {
        What::Packet { board, direction, packet, .. } => match direction {
            Direction::FromBoard => format!("{board} -> {packet}"),
            Direction::ToBoard => format!("{board} <- {packet}"),
        },
        What::Console { board, line } => format!("{board} |  {line}"),
        What::Power { board, on: state, .. } => format!("{board} power {}", on(state)),
        What::Reset { board, .. } => format!("{board} reset"),
        What::Pin { board, pin, on: state, .. } => format!("{board} pin {pin} {}", on(state)),
        What::Fault { board, fault, phase } => format!("{board} {fault} {phase:?}").to_lowercase(),
        What::Found { board, finding, detail } => format!("{board} found {finding:?}: {detail}"),
        What::ConsoleLost { board } => format!("{board} console lost"),
        What::ConsoleOpened { board, gap_ms } => format!("{board} console back after {gap_ms} ms"),
        What::Bench { board, note } => format!("{board} bench: {note}"),
        What::Broker { running, .. } => format!("broker {}", if *running { "started" } else { "stopped" }),
        What::BrokerLog { line } => format!("broker: {line}"),
        What::BrokerDied { reason } => format!("broker died: {reason}"),
        What::Connection { board, change, .. } => match change {
            ConnectionChange::Opened => format!("{board} connection opened"),
            ConnectionChange::Upgraded { layer } => format!("{board} connection speaks {layer}"),
            ConnectionChange::Refused { reason } => format!("{board} connection refused: {reason}"),
            ConnectionChange::Closed { how } => format!("{board} connection {how}"),
        },
        _ => return None,
    };
    Some(format!("{:>9.3} s  {line}", event.at.seconds_from(started)))
}
