//! An event as one line of text, and its kind of mark on the page's timeline.

use hil_timeline::{ConnectionChange, Direction, Finding, FlashPhase, PinCause, RunEvent, What, escaped};
use serde_json::{Value, json};

/// Kinds of marks, as `page.js` numbers them.
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

/// Longer console lines are cut; the log has them complete.
const LONGEST: usize = 400;

pub(crate) fn row(event: &RunEvent) -> Option<Row> {
    let plain = |kind, text| Some(Row { kind, text, extra: None });
    let on_off = |on: bool| if on { "on" } else { "off" };
    match &event.what {
        What::Console { line, .. } => plain(Kind::Console, cut(line)),
        What::ConsoleLost { .. } => plain(Kind::Note, "console lost".to_owned()),
        What::ConsoleOpened { gap_ms, .. } => plain(Kind::Note, format!("console back after {gap_ms} ms")),
        What::Packet { direction, packet, disposition, bytes, .. } => {
            let kind = if *direction == Direction::FromBoard { Kind::From } else { Kind::To };
            let arrow = if kind == Kind::From { "→" } else { "←" };
            let disposition = disposition.map_or(String::new(), |disposition| format!(", {}", disposition.word()));
            plain(kind, format!("{arrow} {packet} ({bytes} bytes{disposition})"))
        }
        What::Power { rail, on, .. } => {
            let text = format!("power {rail} {}", on_off(*on));
            Some(Row { kind: Kind::Power, text, extra: Some(json!([rail, on])) })
        }
        What::Pin { pin, on, cause, .. } => {
            let cause = if *cause == PinCause::Sensed { "sensed" } else { "driven" };
            let text = format!("pin {pin} {} ({cause})", on_off(*on));
            Some(Row { kind: Kind::Pin, text, extra: Some(json!([pin, on])) })
        }
        What::PinGap { pin, lost, .. } => plain(Kind::Fault, format!("{lost} changes of pin {pin} were lost")),
        What::PowerCut { evidence, detail, .. } => {
            plain(Kind::Note, format!("power cut {}: {detail}", evidence.word()))
        }
        What::Typed { text, .. } => plain(Kind::Note, cut(&format!("typed `{}`", escaped(text)))),
        What::Signalled { signal, .. } => plain(Kind::Note, format!("program gets {signal}")),
        What::ProtocolViolation { rule, .. } => plain(Kind::Fault, format!("protocol violation: {rule}")),
        What::WillWindow { reason, .. } => plain(Kind::Note, format!("will due: {reason}")),
        What::Fault { fault, phase, .. } => plain(Kind::Fault, format!("{fault} {phase:?}").to_lowercase()),
        What::Reset { how, .. } => plain(Kind::Note, format!("reset {how}")),
        What::Found { finding, detail, .. } => plain(found(*finding), cut(&format!("{finding:?}: {detail}"))),
        What::Connection { change, connection, peer, .. } => plain(
            Kind::Note,
            match change {
                ConnectionChange::Opened => format!("connection {connection} opened"),
                ConnectionChange::Upgraded { layer } => format!("connection {connection} speaks {layer}"),
                ConnectionChange::Refused { reason } => {
                    let from = peer.map(|peer| format!(" from {}", peer.ip())).unwrap_or_default();
                    format!("connection {connection}{from} refused: {reason}")
                }
                ConnectionChange::Rejected { reason } => format!("rejected: {reason}"),
                ConnectionChange::Closed { how } => format!("connection {connection} {how}"),
            },
        ),
        What::Firmware { firmware, hash, size, version, .. } => {
            let version = version.as_ref().map_or(String::new(), |version| format!(" {version}"));
            plain(Kind::Note, format!("firmware {firmware}{version}, {size} bytes, {hash}"))
        }
        What::Flash { flash, .. } => flash_text(flash).and_then(|text| plain(Kind::Note, text)),
        What::Bench { note, .. } => plain(Kind::Note, note.clone()),
        What::Broker { running, kind, .. } => {
            plain(Kind::Broker, format!("{kind} broker {}", if *running { "started" } else { "stopped" }))
        }
        What::BrokerLog { line } => plain(Kind::Broker, cut(line)),
        What::BrokerDied { reason } => plain(Kind::Broker, format!("died: {reason}")),
        What::Published { topic, payload, qos, retain } => {
            let retained = if *retain { ", retained" } else { "" };
            plain(Kind::Broker, format!("harness publishes `{payload}` on `{}`, QoS {qos}{retained}", escaped(topic)))
        }
        What::Observed { observer, topic, payload, .. } => {
            plain(Kind::Broker, format!("{observer} sees `{payload}` on `{}`", escaped(topic)))
        }
        What::ObserverLost { observer, reason } => plain(Kind::Broker, format!("{observer} lost the broker: {reason}")),
        What::Stalled { ms } => plain(Kind::Broker, format!("this machine stalled for {ms} ms")),
        What::RecordFull { limit } => {
            plain(Kind::Fault, format!("the record is full ({} MiB): later events are missing", limit >> 20))
        }
        What::RecordDropped { lines, packets, others } => plain(
            Kind::Fault,
            format!("left out of the record: {lines} console lines, {packets} packets, {others} others"),
        ),
        What::RunStarted { .. }
        | What::RunFinished { .. }
        | What::ScenarioStarted { .. }
        | What::ScenarioFinished { .. }
        | What::StepStarted(_)
        | What::StepFinished { .. }
        | What::StepNotRun(_)
        | What::PowerSwitching { .. }
        | What::ResetReleased { .. }
        | What::Allowed { .. }
        | What::Subscribed { .. } => None,
    }
}

/// Serious events are drawn in the lane of faults.
fn found(finding: Finding) -> Kind {
    match finding {
        Finding::Boot | Finding::AppStarted => Kind::Note,
        _ => Kind::Fault,
    }
}

fn flash_text(phase: &FlashPhase) -> Option<String> {
    match phase {
        FlashPhase::Connecting { attempt } => Some(format!("flash: connecting, attempt {attempt}")),
        FlashPhase::Finished { written, skipped, took_ms } => {
            Some(format!("flash: {written} bytes written, {skipped} there already, in {took_ms} ms"))
        }
        FlashPhase::Failed { reason } => Some(format!("flash failed: {reason}")),
        FlashPhase::File { path, size } => Some(format!("upload: {path}, {size} bytes")),
        FlashPhase::Region { .. } | FlashPhase::Progress { .. } => None,
    }
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.to_owned(),
    }
}
