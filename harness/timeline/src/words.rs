//! An event as text. All views share it.

use crate::{
    ConnectionChange, Direction, Exchange, FaultPhase, FlashPhase, PinCause, RunEvent, Service, What, escaped, percent,
};

/// An event as one line, without its time and its board; none for an event that people need not see.
///
/// Text of a device or a driver is in it unchanged: make it inert before it is shown on a terminal.
#[must_use]
pub fn event_text(event: &RunEvent) -> Option<String> {
    Some(match &event.what {
        What::Console { line, .. } | What::BrokerLog { line } => line.clone(),
        What::ConsoleLost { .. } => "console lost".to_owned(),
        What::ConsoleOpened { gap_ms, .. } => format!("console back; output of {gap_ms} ms is unknown"),
        What::Packet { direction, packet, disposition, bytes, .. } => {
            let arrow = if *direction == Direction::FromBoard { "→" } else { "←" };
            let disposition = disposition.map_or(String::new(), |disposition| format!(", {}", disposition.word()));
            format!("{arrow} {packet} ({bytes} bytes{disposition})")
        }
        What::Power { rail, on, .. } => format!("power {rail} {}", on_off(*on)),
        What::Pin { pin, on, cause, .. } => {
            let cause = if *cause == PinCause::Sensed { "sensed" } else { "driven" };
            format!("pin {pin} {} ({cause})", on_off(*on))
        }
        What::PinGap { pin, lost, .. } => format!("{lost} changes of pin {pin} were lost"),
        What::PowerCut { evidence, detail, .. } => format!("power cut {}: {detail}", evidence.word()),
        What::Typed { text, .. } => format!("typed `{}`", escaped(text)),
        What::Signalled { signal, .. } => format!("program gets {signal}"),
        What::ProtocolViolation { rule, .. } => format!("violates the MQTT protocol: {rule}"),
        What::Captured { name, value, .. } => format!("captured {name}: `{}`", escaped(value)),
        What::Gauge { gauge, value, .. } => format!("gauge {gauge}: {value}"),
        What::WillWindow { reason, .. } => format!("will due: {reason}"),
        What::Fault { fault, phase, .. } => format!("fault {}: {fault}", phase_word(*phase)),
        What::Reset { how, .. } => format!("reset {how}"),
        What::Found { finding, detail, .. } => format!("{}: {detail}", finding.words()),
        What::Connection { change, connection, peer, .. } => {
            let from = match (change, peer) {
                (ConnectionChange::Refused { .. }, Some(peer)) => format!(" from {}", peer.ip()),
                _ => String::new(),
            };
            format!("connection {connection}{from} {}", change_text(change))
        }
        What::Service { exchange, .. } if exchange.is_minor() => return None,
        What::Service { service, connection, exchange, .. } => exchange_text(*service, *connection, exchange),
        What::Firmware { firmware, hash, size, version, runs, .. } => {
            let version = version.as_ref().map_or(String::new(), |version| format!(" {version}"));
            let runs = runs.map_or(String::new(), |runs| format!(", {}", runs.word()));
            format!("firmware {firmware}{version}, {size} bytes, {hash}{runs}")
        }
        What::Flash { flash, .. } => flash_text(flash)?,
        What::Bench { note, .. } => note.clone(),
        What::SetAside { reasons, .. } => format!("set aside for this run: {}", reasons.join("; ")),
        What::Broker { running, kind, .. } => format!("{kind} broker {}", if *running { "started" } else { "stopped" }),
        What::BrokerDied { reason } => format!("died: {reason}"),
        What::Published { topic, payload, qos, retain } => {
            let retained = if *retain { ", retained" } else { "" };
            format!("harness publishes `{payload}` on `{}`, QoS {qos}{retained}", escaped(topic))
        }
        What::Observed { observer, topic, payload, .. } => {
            format!("{observer} sees `{payload}` on `{}`", escaped(topic))
        }
        What::ObserverLost { observer, reason } => format!("{observer} lost the broker: {reason}"),
        What::Stalled { ms } => format!("this machine stalled for {ms} ms"),
        What::RecordFull { limit } => {
            format!("the record is full ({} MiB): later events are missing", limit >> 20)
        }
        What::RecordDropped { lines, packets, others } => {
            format!("left out of the record: {lines} console lines, {packets} packets, {others} others")
        }
        What::HostJoined { bench, .. } => format!("takes part with the bench `{}`", escaped(bench)),
        What::HostLost { reason } => format!("lost: {reason}"),
        What::Clock { offset_us, bound_us } => format!("clock {offset_us} µs after the run's, ± {bound_us} µs"),
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
        | What::Subscribed { .. } => return None,
    })
}

/// An event as part of a sentence of a failure: without the number of its connection, with quoted text.
#[must_use]
pub fn event_phrase(event: &RunEvent) -> String {
    match &event.what {
        What::Packet { packet, direction, disposition, .. } => {
            let to = if *direction == Direction::ToBoard { " (to the board)" } else { "" };
            let disposition = disposition.map(|disposition| format!(" ({})", disposition.word())).unwrap_or_default();
            format!("{packet}{to}{disposition}")
        }
        What::Console { line, .. } => format!("`{line}`"),
        What::Observed { topic, payload, .. } => format!("`{payload}` on `{}`", escaped(topic)),
        What::Published { topic, payload, .. } => format!("the harness publishes `{payload}` on `{}`", escaped(topic)),
        What::Pin { pin, on, .. } => format!("pin `{pin}` {}", on_off(*on)),
        What::Connection { change: ConnectionChange::Closed { how }, .. } => format!("connection {how}"),
        other => event_text(event).unwrap_or_else(|| format!("{other:?}")),
    }
}

/// What happened to a connection, without its number.
#[must_use]
pub fn change_text(change: &ConnectionChange) -> String {
    match change {
        ConnectionChange::Opened => "opened".to_owned(),
        ConnectionChange::Upgraded { layer } => format!("speaks {layer}"),
        ConnectionChange::Refused { reason, .. } => format!("refused: {reason}"),
        ConnectionChange::Rejected { reason } => format!("rejected: {reason}"),
        ConnectionChange::Closed { how } => how.clone(),
    }
}

/// What happened between a board and a service.
fn exchange_text(service: Service, connection: Option<u32>, exchange: &Exchange) -> String {
    let number = connection.map_or(String::new(), |number| format!(" {number}"));
    let on = |what: String| format!("{} connection{number} {what}", service.word());
    match exchange {
        Exchange::Opened { .. } => on("opened".to_owned()),
        Exchange::Upgraded { layer } => on(format!("speaks {layer}")),
        Exchange::Refused { reason, .. } => on(format!("refused: {reason}")),
        Exchange::Closed { how } => on(how.clone()),
        Exchange::Request { method, path, range } => {
            let range = range.as_ref().map_or(String::new(), |range| format!(", range `{}`", escaped(range)));
            format!("→ {} {}{range}", escaped(method), escaped(path))
        }
        Exchange::Response { path, status, length, content_range } => {
            let length = length.map_or("in chunks".to_owned(), |length| format!("{length} bytes"));
            let range = content_range.as_ref().map_or(String::new(), |range| format!(" ({range})"));
            format!("← {status} for {}, {length}{range}", escaped(path))
        }
        Exchange::Sent { path, sent, of } => {
            format!("← {} % of {}, {sent} of {of} bytes", percent(*sent, *of), escaped(path))
        }
        Exchange::Time { answer } => format!("asks for the time: {}", answer.as_deref().unwrap_or("no answer")),
        Exchange::Name { name, answer } => {
            format!("asks for the name {}: {}", escaped(name), answer.as_deref().unwrap_or("no answer"))
        }
    }
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn phase_word(phase: FaultPhase) -> &'static str {
    match phase {
        FaultPhase::Begins => "begins",
        FaultPhase::Ends => "ends",
        FaultPhase::Happens => "happens",
    }
}

fn flash_text(phase: &FlashPhase) -> Option<String> {
    match phase {
        FlashPhase::Connecting { attempt } => Some(format!("flash: connecting, attempt {attempt}")),
        FlashPhase::Finished { written, skipped, took_ms } => {
            Some(format!("flash: {written} bytes written, {skipped} there already, in {took_ms} ms"))
        }
        FlashPhase::Failed { reason } => Some(format!("flash failed: {reason}")),
        FlashPhase::File { path, size } => Some(format!("uploading {path}, {size} bytes")),
        FlashPhase::Region { address, size } => Some(format!("writing {size} bytes at {address:#x}")),
        FlashPhase::Progress { .. } => None,
    }
}
