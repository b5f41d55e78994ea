//! Tells what happened instead of what was expected.

use std::sync::Arc;

use hil_timeline::{Direction, Packet, Payload, RunEvent, Stamp, What};

use crate::stage::Stage;

/// One record for people, with its distance from the mark.
pub(crate) fn show(event: &RunEvent, mark: Stamp) -> String {
    let what = match &event.what {
        What::Packet { packet, direction, fate, .. } => {
            let to = if *direction == Direction::ToBoard { " (to the board)" } else { "" };
            let fate = fate.map(|fate| format!(" ({})", fate.word())).unwrap_or_default();
            format!("{packet}{to}{fate}")
        }
        What::Console { line, .. } => format!("`{line}`"),
        What::Found { finding, detail, .. } => format!("{finding:?}: {detail}"),
        What::Observed { topic, payload, .. } => format!("`{payload}` on `{}`", topic.escape_debug()),
        What::Pin { pin, on, .. } => format!("pin `{pin}` {}", if *on { "on" } else { "off" }),
        other => format!("{other:?}"),
    };
    format!("{what} at {:+.2} s", event.at.seconds_from(mark))
}

/// Whether a record is the delivery of a message towards a board.
pub(crate) fn delivery(event: &RunEvent, topic: &str, payload: &Payload) -> bool {
    matches!(event.what.reached_board(), Some((_, _, Packet::Publish { topic: t, payload: p, .. }))
        if t == topic && p == payload)
}

/// A message that a board published: its topic and payload.
pub(crate) fn published_by<'a>(event: &'a RunEvent, name: &str) -> Option<(&'a str, &'a Payload)> {
    match event.what.sent_by_board()? {
        (board, _, Packet::Publish { topic, payload, .. }) if board == name => Some((topic, payload)),
        _ => None,
    }
}

/// What the board said last: packet and console line.
pub(crate) fn last_words(stage: &Stage, board: &str) -> Vec<String> {
    let (events, mark) = (stage.events(), stage.mark().at);
    let last = |wanted: &dyn Fn(&What) -> bool| {
        let found = events.iter().rev().find(|event| event.what.board() == Some(board) && wanted(&event.what));
        found.map_or_else(|| "none".to_owned(), |event| show(event, mark))
    };
    let mut words = vec![
        format!("last packet: {}", last(&|what| matches!(what, What::Packet { .. }))),
        format!("last console line: {}", last(&|what| matches!(what, What::Console { .. }))),
    ];
    words.extend(trouble(&events, board, mark));
    words
}

/// What the console's detectors found wrong since the mark: the last of it, but that it boots again and again, from when
/// that was first clear, is more than the single crash that came last.
fn trouble(events: &[Arc<RunEvent>], board: &str, mark: Stamp) -> Option<String> {
    use hil_timeline::Finding;
    let finding = |event: &RunEvent| match &event.what {
        What::Found { board: of, finding, .. } if of == board && event.at >= mark => Some(*finding),
        _ => None,
    };
    let is_bad = |finding| !matches!(finding, Finding::AppStarted | Finding::Boot);
    let loops = events.iter().find(|event| finding(event) == Some(Finding::BootLoop));
    let bad = loops.or_else(|| events.iter().rev().find(|event| finding(event).is_some_and(is_bad)))?;
    Some(format!("the console told of {}", show(bad, mark)))
}

/// What a board has subscribed to, for people.
pub(crate) fn subscriptions(stage: &Stage, board: &str) -> String {
    let session = stage.session(board);
    let filters: Vec<_> = session.subscriptions.iter().map(|s| format!("`{}`", s.filter.escape_debug())).collect();
    match (session.connected, filters.is_empty()) {
        (false, _) => "it is not connected".to_owned(),
        (true, true) => "it is connected, but has subscribed to nothing".to_owned(),
        (true, false) => format!("it has subscribed to {}", filters.join(", ")),
    }
}

/// On which topics there were messages since the mark, and from whom, for a receiver that waits for another.
pub(crate) fn heard_on(stage: &Stage) -> String {
    let mut seen: Vec<String> = stage
        .events_since_mark()
        .iter()
        .filter_map(|event| match event.what.sent_by_board()? {
            (board, _, Packet::Publish { topic, .. }) => Some(format!("`{}` from `{board}`", topic.escape_debug())),
            _ => None,
        })
        .collect();
    seen.sort();
    seen.dedup();
    seen.truncate(5);
    if seen.is_empty() {
        "no board published anything since then".to_owned()
    } else {
        format!("boards published on: {}", seen.join(", "))
    }
}

/// The message since the mark that came closest to a wanted one.
pub(crate) fn closest_message(stage: &Stage, board: &str, topic: &str) -> String {
    let (events, mark) = (stage.events_since_mark(), stage.mark().at);
    let published = || events.iter().rev().filter(|event| published_by(event, board).is_some());
    let on_topic = published().find(|event| published_by(event, board).is_some_and(|(t, _)| t == topic));
    match on_topic.or_else(|| published().next()) {
        Some(event) => format!("closest: {}", show(event, mark)),
        None => "closest: nothing published since then".to_owned(),
    }
}
