//! What happened instead of the expected event.

use hil_timeline::{ConnectionChange, Finding, Packet, RunEvent, Stamp, What, escaped};

use crate::messages::Travel;
use crate::session::Session;
use crate::show::show;
use crate::topic::covers;

/// The last packet and console line of a board, and what its console detectors found.
#[must_use]
pub fn last_words(events: &[&RunEvent], board: &str, mark: Stamp) -> Vec<String> {
    let last = |wanted: &dyn Fn(&What) -> bool| {
        let found = events.iter().rev().find(|event| event.what.board() == Some(board) && wanted(&event.what));
        found.map_or_else(|| "none".to_owned(), |event| show(event, mark))
    };
    let mut words = vec![
        format!("last packet: {}", last(&|what| matches!(what, What::Packet { .. }))),
        format!("last console line: {}", last(&|what| matches!(what, What::Console { .. }))),
    ];
    words.extend(trouble(events, board, mark));
    words
}

/// The last problem that the console detectors found since the mark. A boot loop, from when it was first detected,
/// tells more than the single crash that came last.
fn trouble(events: &[&RunEvent], board: &str, mark: Stamp) -> Option<String> {
    let finding = |event: &RunEvent| match &event.what {
        What::Found { board: of, finding, .. } if of == board && event.at >= mark => Some(*finding),
        _ => None,
    };
    // Steps about the end of a program report how it ended themselves. A backtrace is long, and part of the failure.
    let is_bad = |finding| {
        !matches!(
            finding,
            Finding::AppStarted
                | Finding::Backtrace
                | Finding::Boot
                | Finding::Ended
                | Finding::EmulatorEnded
                | Finding::Unsupported
        )
    };
    let loops = events.iter().find(|event| finding(event) == Some(Finding::BootLoop));
    let bad = loops.or_else(|| events.iter().rev().find(|event| finding(event).is_some_and(is_bad)))?;
    Some(format!("the console shows {}", show(bad, mark)))
}

/// The subscriptions of a board, as text.
#[must_use]
pub fn subscriptions(session: &Session) -> String {
    let filters: Vec<_> = session.subscriptions.iter().map(|s| format!("`{}`", escaped(&s.filter))).collect();
    match (session.connected, filters.is_empty()) {
        (false, _) => "it is not connected".to_owned(),
        (true, true) => "it is connected, but has subscribed to nothing".to_owned(),
        (true, false) => format!("it has subscribed to {}", filters.join(", ")),
    }
}

/// On which topics boards published, for a step that waits for another message.
#[must_use]
pub fn heard_on(events: &[&RunEvent]) -> String {
    let published = |event: &&RunEvent| match event.what.sent_by_board()? {
        (board, _, Packet::Publish { topic, .. }) => Some(format!("`{}` from `{board}`", escaped(topic))),
        _ => None,
    };
    let mut seen: Vec<String> = events.iter().filter_map(published).collect();
    seen.sort();
    seen.dedup();
    seen.truncate(5);
    if seen.is_empty() {
        "no board published anything since then".to_owned()
    } else {
        format!("boards published on: {}", seen.join(", "))
    }
}

/// A hint that no board received a message of the harness.
#[must_use]
pub fn undelivered(events: &[&RunEvent]) -> Option<String> {
    let at = events.iter().rposition(|event| matches!(event.what, What::Published { .. }))?;
    let What::Published { topic, payload, .. } = &events.get(at)?.what else { return None };
    let delivered = |event: &&RunEvent| matches!(event.what.reached_board(), Some((_, _, Packet::Publish { topic: t, payload: p, .. })) if t == topic && p == payload);
    let behind = events.get(at..).unwrap_or_default();
    if behind.iter().any(delivered) {
        return None;
    }
    let mut boards: Vec<&str> =
        events.iter().filter_map(|event| event.what.board()).filter(|board| !board.is_empty()).collect();
    boards.sort_unstable();
    boards.dedup();
    let subscribed = |board: &&&str| {
        Session::of(board, events.iter().copied()).subscriptions.iter().any(|asked| covers(&asked.filter, topic))
    };
    let subscribed: Vec<_> = boards.iter().filter(subscribed).map(|board| format!("`{board}`")).collect();
    let who = if subscribed.is_empty() {
        "no board is subscribed to it".to_owned()
    } else {
        format!("{} is subscribed to it", subscribed.join(" and "))
    };
    Some(format!("`{payload}` on `{}` was delivered to no board: {who}", escaped(topic)))
}

/// Why the tap rejected every connection to a board's port, if so: they came from an address that the bench file does
/// not list.
#[must_use]
pub fn turned_away<'a>(board: &str, events: impl IntoIterator<Item = &'a RunEvent>) -> Option<String> {
    let mut last = None;
    for event in events {
        match &event.what {
            What::Connection { board: of, change: ConnectionChange::Opened, .. } if of == board => return None,
            What::Connection { board: of, change: ConnectionChange::Rejected { reason }, .. } if of == board => {
                last = Some(reason.clone());
            }
            _ => {}
        }
    }
    last
}

/// Possible causes if no connection reached the tap.
#[must_use]
pub fn unreached<'a>(
    board: &str,
    address: &str,
    events: impl IntoIterator<Item = &'a RunEvent>,
) -> Option<(String, String)> {
    let opened = |event: &RunEvent| matches!(&event.what, What::Connection { board: of, change: ConnectionChange::Opened, .. } if of == board);
    if events.into_iter().any(opened) {
        return None;
    }
    let fact = format!("no connection reached the tap at {address}");
    let hint = "has the board joined its network, does it use this address, and does a firewall let it through? a slow Wi-Fi join needs a larger `connects-within`";
    Some((fact, hint.to_owned()))
}

/// The topics that had messages instead.
#[must_use]
pub fn elsewhere(events: &[&RunEvent], travel: Travel, board: &str) -> String {
    let topic = |event: &&RunEvent| match travel.message(event, board, "#")? {
        Packet::Publish { topic, .. } => Some(format!("`{}`", escaped(topic))),
        _ => None,
    };
    let mut topics: Vec<String> = events.iter().filter_map(topic).collect();
    topics.sort();
    topics.dedup();
    topics.truncate(8);
    if topics.is_empty() {
        "nothing on other topics either".to_owned()
    } else {
        format!("but on {}", topics.join(", "))
    }
}

/// The console line most similar to a text: the one with the longest common substring.
#[must_use]
pub fn nearest_line<'a>(wanted: &str, lines: impl IntoIterator<Item = &'a RunEvent>) -> Option<&'a RunEvent> {
    /// Shorter common substrings are chance.
    const IN_COMMON: usize = 4;
    let wanted: Vec<char> = wanted.chars().flat_map(char::to_lowercase).collect();
    let mut best: Option<(usize, &RunEvent)> = None;
    for event in lines {
        let What::Console { line, .. } = &event.what else { continue };
        let line: Vec<char> = line.chars().take(400).flat_map(char::to_lowercase).collect();
        let common = longest_common(&wanted, &line);
        // The latest of equally similar ones.
        if common >= IN_COMMON.min(wanted.len()) && best.is_none_or(|(most, _)| common >= most) {
            best = Some((common, event));
        }
    }
    best.map(|(_, event)| event)
}

/// Length of the longest text that both contain.
fn longest_common(a: &[char], b: &[char]) -> usize {
    let mut ends = vec![0; b.len() + 1];
    let mut longest = 0;
    for x in a {
        let mut diagonal = 0;
        for (n, y) in b.iter().enumerate() {
            let here = if x == y { diagonal + 1 } else { 0 };
            diagonal = std::mem::replace(&mut ends[n + 1], here);
            longest = longest.max(here);
        }
    }
    longest
}
