//! Whether the absence of an event can prove anything.

use std::collections::BTreeSet;

use hil_timeline::{ConnectionChange, Cursor, Finding, Packet, RunEvent, What};

use crate::session::Session;
use crate::unmet::Unmet;

/// The behaviour of a board counts only if these records have started it.
///
/// # Errors
/// When the scenario neither reset nor powered it.
pub fn was_started<'a>(board: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> Result<(), Unmet> {
    let started = |event: &RunEvent| {
        matches!(&event.what, What::Reset { board: of, .. }
            | What::PowerSwitching { board: of, on: true }
            | What::Power { board: of, on: true, .. } if of == board)
    };
    if events.into_iter().any(started) {
        return Ok(());
    }
    Err(Unmet::errored(format!("`{board}` was not started in this scenario"))
        .with_hint(format!("begin with `Given the board \"{board}\" runs the firmware \"…\"`")))
}

/// The layer of a board's connection that the tap passes through undecoded.
#[must_use]
pub fn passes_unread<'a>(board: &str, layer: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> bool {
    events.into_iter().any(|event| {
        matches!(&event.what, What::Connection { board: of, change: ConnectionChange::Upgraded { layer: found }, .. }
            if of == board && found == layer)
    })
}

/// A step about silence proves something only if the board could have sent: the connection that was open, usually at
/// the mark, is still open, or the board was silenced on purpose and had been connected before.
///
/// # Errors
/// When it could not.
pub fn could_speak(
    board: &str,
    silenced: bool,
    then: &Session,
    now: &Session,
    events: &[&RunEvent],
) -> Result<(), Unmet> {
    if silenced {
        let spoke = |event: &&RunEvent| matches!(&event.what, What::Packet { board: of, packet: Packet::Connack { code: 0, .. }, .. } if of == board);
        if events.iter().any(spoke) {
            return Ok(());
        }
        let message = format!("`{board}` was never connected in this scenario: its silence proves nothing");
        return Err(Unmet::errored(message));
    }
    if then.connected && now.connected && then.connection == now.connection {
        return Ok(());
    }
    let message = format!("`{board}` was not connected all the time: its silence proves nothing");
    Err(Unmet::errored(message).with_hint("wait for it first: `Given \"…\" is connected`"))
}

/// The inactivity of a board proves something only if it runs: since its latest start it has printed, sent or
/// connected.
///
/// # Errors
/// When it has shown no sign of life since then.
pub fn shows_life<'a>(board: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> Result<(), Unmet> {
    let (mut started, mut alive) = ("it was started", false);
    for event in events.into_iter().filter(|event| event.what.board() == Some(board)) {
        match &event.what {
            What::Reset { .. } => (started, alive) = ("it was reset", false),
            What::PowerSwitching { on: true, .. } => (started, alive) = ("it was powered on", false),
            what => alive |= is_sign_of_life(what),
        }
    }
    if alive {
        return Ok(());
    }
    let message = format!("`{board}` has shown no sign of life since {started}: its inactivity proves nothing");
    let hint = "first wait for a console line, a boot, a packet or a connection: each shows that it runs";
    Err(Unmet::errored(message).with_hint(hint))
}

fn is_sign_of_life(what: &What) -> bool {
    match what {
        What::Console { .. }
        | What::ConsoleOpened { .. }
        | What::Connection { change: ConnectionChange::Opened, .. } => true,
        What::Found { finding, .. } => {
            !matches!(finding, Finding::Ended | Finding::EmulatorEnded | Finding::Unsupported)
        }
        what => what.sent_by_board().is_some(),
    }
}

/// The absence of a message proves something only if a board could publish: since its latest start a board was
/// connected to the broker. If connections are passed through undecoded (`layer`), an open connection is all that can
/// be seen.
///
/// # Errors
/// When no board was connected.
pub fn could_be_published<'a>(layer: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> Result<(), Unmet> {
    let mut connected = BTreeSet::new();
    for event in events {
        match &event.what {
            What::Reset { board, .. } | What::PowerSwitching { board, on: true } => {
                connected.remove(board);
            }
            What::Connection { board, change: ConnectionChange::Upgraded { layer: found }, .. } if found == layer => {
                connected.insert(board.clone());
            }
            what => {
                if let Some((board, _, Packet::Connack { code: 0, .. })) = what.reached_board() {
                    connected.insert(board.to_owned());
                }
            }
        }
    }
    if !connected.is_empty() {
        return Ok(());
    }
    let message =
        "no board has been connected to the broker since it was started: the absence of a message proves nothing";
    Err(Unmet::errored(message).with_hint("wait for one first: `Given \"…\" is connected`"))
}

/// The open connections of a board after these records. Connections from before its latest boot do not count: they end
/// when the board gets bytes for them.
pub fn open_connections<'a>(board: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> BTreeSet<u32> {
    let mut open = BTreeSet::new();
    for event in events.into_iter().filter(|event| event.what.board() == Some(board)) {
        match &event.what {
            What::Connection { connection, change: ConnectionChange::Opened, .. } => {
                open.insert(*connection);
            }
            What::Connection { connection, change: ConnectionChange::Closed { .. }, .. } => {
                open.remove(connection);
            }
            What::Reset { .. } | What::PowerSwitching { on: true, .. } => open.clear(),
            _ => {}
        }
    }
    open
}

/// Whether the observer was connected from a place in the timeline on.
#[must_use]
pub fn observer_was_there<'a>(from: Cursor, events: impl IntoIterator<Item = &'a RunEvent>) -> bool {
    !events.into_iter().any(|event| event.seq >= from.0 && matches!(event.what, What::ObserverLost { .. }))
}

/// Whether the broker was lost although no step stopped it: what boards do then says nothing about them.
#[must_use]
pub fn broker_lost<'a>(observer: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> bool {
    let (mut running, mut connected) = (true, true);
    for event in events {
        match &event.what {
            What::Broker { running: now, .. } => running = *now,
            What::ObserverLost { observer: of, .. } if of == observer => connected = false,
            What::Subscribed { observer: of, .. } if of == observer => connected = true,
            _ => {}
        }
    }
    running && !connected
}

/// Whether the console of a board was lost from a place in the timeline on.
#[must_use]
pub fn console_lost<'a>(board: &str, from: Cursor, events: impl IntoIterator<Item = &'a RunEvent>) -> bool {
    let lost = |event: &RunEvent| matches!(&event.what, What::ConsoleLost { board: of } if of == board);
    events.into_iter().any(|event| event.seq >= from.0 && lost(event))
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, Timeline};

    use super::*;

    #[test]
    fn a_connection_from_before_a_reboot_is_not_open() {
        let timeline = Timeline::in_memory(Epoch::start());
        let opened = |connection| What::Connection {
            board: "lamp".into(),
            connection,
            peer: None,
            change: ConnectionChange::Opened,
        };
        let reset = What::Reset { board: "lamp".into(), how: String::new() };
        let events: Vec<_> =
            [opened(1), reset, opened(2)].into_iter().map(|what| timeline.record(None, what)).collect();
        assert_eq!(open_connections("lamp", events.iter().map(AsRef::as_ref)), BTreeSet::from([2]));
    }

    fn records(events: &[What]) -> Vec<std::sync::Arc<RunEvent>> {
        let timeline = Timeline::in_memory(Epoch::start());
        events.iter().map(|what| timeline.record(None, what.clone())).collect()
    }

    #[test]
    fn a_sign_of_life_counts_until_the_next_boot() {
        let board = || "lamp".to_owned();
        let on = What::PowerSwitching { board: board(), on: true };
        let reset = What::Reset { board: board(), how: String::new() };
        let line = What::Console { board: board(), line: "ets".into() };
        let ended = What::Found { board: board(), finding: Finding::Ended, detail: String::new() };
        let opened = What::Connection { board: board(), connection: 1, peer: None, change: ConnectionChange::Opened };
        let alive = |events: &[What]| shows_life("lamp", records(events).iter().map(AsRef::as_ref));
        assert_eq!(alive(&[on.clone(), line.clone()]), Ok(()));
        assert_eq!(alive(&[reset.clone(), opened]), Ok(()));
        assert!(alive(&[reset.clone(), ended]).is_err(), "the end of a program shows that it does not run");
        assert!(alive(&[What::Console { board: "other".into(), line: "x".into() }]).is_err());
        let dead = alive(&[on.clone(), line.clone(), reset]).expect_err("it prints nothing any more");
        assert_eq!(
            dead.failure.message,
            "`lamp` has shown no sign of life since it was reset: its inactivity proves nothing"
        );
        let dead = alive(&[line, on]).expect_err("it prints nothing any more");
        assert!(dead.failure.message.contains("since it was powered on"), "{}", dead.failure.message);
    }

    #[test]
    fn nothing_can_be_published_where_no_board_is_connected() {
        let board = || "lamp".to_owned();
        let reset = What::Reset { board: board(), how: String::new() };
        let connack = |code| What::Packet {
            board: board(),
            connection: 1,
            direction: hil_timeline::Direction::ToBoard,
            bytes: 4,
            disposition: None,
            answer_us: None,
            packet: Packet::Connack { session_present: false, code, properties: Vec::new() },
        };
        let layer = |layer: &str| {
            let change = ConnectionChange::Upgraded { layer: layer.to_owned() };
            What::Connection { board: board(), connection: 1, peer: None, change }
        };
        let could = |events: &[What]| could_be_published("TLS, unread", records(events).iter().map(AsRef::as_ref));
        assert_eq!(could(&[reset.clone(), connack(0)]), Ok(()));
        assert_eq!(could(&[layer("TLS, unread")]), Ok(()));
        assert!(could(&[layer("TLS 1.3")]).is_err(), "its CONNACK can be seen");
        assert!(could(&[connack(5)]).is_err(), "it was refused");
        let unmet = could(&[connack(0), reset]).expect_err("that was before the reset");
        assert_eq!(
            unmet.failure.message,
            "no board has been connected to the broker since it was started: the absence of a message proves nothing"
        );
    }

    #[test]
    fn only_a_broker_that_no_step_stopped_is_lost() {
        let lost = |events: &[What]| {
            let timeline = Timeline::in_memory(Epoch::start());
            let events: Vec<_> = events.iter().map(|what| timeline.record(None, what.clone())).collect();
            broker_lost("observer", events.iter().map(AsRef::as_ref))
        };
        let broker = |running| What::Broker { kind: String::new(), running, address: String::new() };
        let gone = What::ObserverLost { observer: "observer".into(), reason: String::new() };
        let back = What::Subscribed { observer: "observer".into(), filter: "#".into() };
        assert!(lost(&[broker(true), back.clone(), gone.clone()]));
        assert!(!lost(&[broker(true), gone.clone(), broker(false)]), "a step stopped it; its connections went first");
        assert!(!lost(&[gone.clone(), broker(false), broker(true), back]));
        assert!(!lost(&[What::ObserverLost { observer: "late-1".into(), reason: String::new() }]));
    }
}
