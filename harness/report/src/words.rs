//! An event as a row of the page's timeline: its text and its kind of mark.

use hil_timeline::{Direction, Exchange, Finding, FlashPhase, RunEvent, What, event_text};
use serde_json::{Value, json};

/// Kinds of marks, as `timeline.js` numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Console = 0,
    From = 1,
    To = 2,
    Power = 3,
    Pin = 4,
    Fault = 5,
    Note = 6,
    Broker = 7,
}

/// An event as text.
pub(crate) struct Row {
    pub(crate) kind: Kind,
    pub(crate) text: String,
    /// For power and pins: which one, and whether on.
    pub(crate) extra: Option<Value>,
}

/// Longer console lines are cut in a row: see `Whole`.
pub(crate) const LONGEST: usize = 400;

pub(crate) fn row(event: &RunEvent) -> Option<Row> {
    let what = &event.what;
    let text = match what {
        // The parts of an image: the progress of a flash, not its result.
        What::Flash { flash: FlashPhase::Region { .. }, .. } => return None,
        // Drawn as a curve; the line or the message with the value has its own row.
        What::Gauge { .. } => return None,
        What::Console { .. } | What::Typed { .. } | What::Found { .. } | What::BrokerLog { .. } => {
            cut(&event_text(event)?)
        }
        _ => event_text(event)?,
    };
    Some(Row { kind: kind(what), text, extra: extra(what) })
}

/// In which lane of the page an event stands.
fn kind(what: &What) -> Kind {
    match what {
        What::Console { .. } => Kind::Console,
        What::Packet { direction: Direction::FromBoard, .. } => Kind::From,
        What::Packet { .. } => Kind::To,
        What::Service { exchange: Exchange::Response { .. } | Exchange::Sent { .. }, .. } => Kind::To,
        What::Service { exchange: Exchange::Refused { .. }, .. } => Kind::Fault,
        What::Service {
            exchange: Exchange::Request { .. } | Exchange::Time { .. } | Exchange::Name { .. }, ..
        } => Kind::From,
        What::Power { .. } => Kind::Power,
        What::Pin { .. } => Kind::Pin,
        What::Found { finding, .. } => found(*finding),
        What::PinGap { .. }
        | What::ProtocolViolation { .. }
        | What::Fault { .. }
        | What::RecordFull { .. }
        | What::RecordDropped { .. } => Kind::Fault,
        What::Broker { .. }
        | What::BrokerLog { .. }
        | What::BrokerDied { .. }
        | What::Published { .. }
        | What::Observed { .. }
        | What::ObserverLost { .. }
        | What::Stalled { .. } => Kind::Broker,
        _ => Kind::Note,
    }
}

fn extra(what: &What) -> Option<Value> {
    match what {
        What::Power { rail, on, .. } => Some(json!([rail, on])),
        What::Pin { pin, on, .. } => Some(json!([pin, on])),
        _ => None,
    }
}

/// Serious events are drawn in the lane of faults.
fn found(finding: Finding) -> Kind {
    match finding {
        Finding::Boot | Finding::AppStarted => Kind::Note,
        _ => Kind::Fault,
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
