//! The last console lines and packets of a scenario, as text.

use hil_timeline::{RunEvent, Stamp};

use crate::words::{Kind, row};

/// An event, with its time within the scenario.
pub(crate) fn tail_line(event: &RunEvent, started: Stamp) -> Option<String> {
    let row = row(event)?;
    let bar = if row.kind == Kind::Console { "|  " } else { "" };
    let of = event.what.board().unwrap_or("broker");
    Some(format!("{:>9.3} s  {of} {bar}{}", event.at.seconds_from(started), row.text))
}
