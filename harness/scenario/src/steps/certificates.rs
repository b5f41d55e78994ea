//! Certificates that boards must not accept.

use std::collections::BTreeMap;

use cucumber::{gherkin, given, then};
use hil_timeline::{ConnectionChange, Cursor, Exchange, RunEvent, What};
use hil_tls::{CertificateFlaw, WITHOUT_ALERT, is_about_certificate};
use hil_verdict::seconds;

use super::cause;
use crate::error::StepError;
use crate::parameters::{FlawWords, Span, Text};
use crate::spec::StepSpec;
use crate::world::HilWorld;

/// The steps of this file.
pub(super) const STEPS: &[StepSpec] = &[
    StepSpec::new(
        "the certificate of the (?:broker|server) (?:has expired|is not yet valid|is for another name|is of an unknown CA|is self-signed|lacks its chain|has a weak signature)",
        &[
            (
                r"Given the certificate of the broker has expired",
                "The board's tap shows this certificate to connections that begin from now on. For `the server`, the files \
                 at `{https.url}` come with it.",
            ),
            (r"Given the certificate of the server is not yet valid", "It is valid from tomorrow on."),
            (r"Given the certificate of the broker is for another name", "It is for `wrong.invalid`."),
            (r"Given the certificate of the broker is of an unknown CA", "Another CA has signed it."),
            (r"Given the certificate of the server is self-signed", "No CA has signed it."),
            (
                r"Given the certificate of the broker lacks its chain",
                "A CA between it and the one that the board trusts has signed it, and is not shown.",
            ),
            (r"Given the certificate of the broker has a weak signature", "The CA has signed it with SHA-1."),
        ],
    ),
    StepSpec::new(
        "{board} refuses the certificate(?: of the server)? within {span}",
        &[
            (
                r#"Then "lamp" refuses the certificate within 10 s"#,
                "The board ends a TLS handshake with the tap, with an alert about the certificate or with none, or it closes \
                 the connection right after the handshake: some clients compare the name only then. A board that sends \
                 anything over it, or leaves it open, has failed; `errored` if it begins no handshake.",
            ),
            (r#"Then "lamp" refuses the certificate of the server within 10 s"#, "The same where it loads files."),
        ],
    ),
];

#[given(expr = "the certificate of the broker {flaw}")]
async fn of_the_broker(world: &mut HilWorld, words: FlawWords, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    let flaw = flaw(&words)?;
    world.stage()?.show_flawed_broker(flaw)?;
    world.stage()?.note_change(step, "");
    Ok(())
}

#[given(expr = "the certificate of the server {flaw}")]
async fn of_the_server(world: &mut HilWorld, words: FlawWords, #[step] step: &gherkin::Step) -> Result<(), StepError> {
    let flaw = flaw(&words)?;
    world.stage()?.show_flawed_server(flaw)?;
    world.stage()?.note_change(step, "");
    Ok(())
}

fn flaw(words: &str) -> Result<CertificateFlaw, StepError> {
    let known = CertificateFlaw::WORDS.iter().find(|(known, _)| *known == words);
    known.map(|(_, flaw)| *flaw).ok_or_else(|| StepError::errored(format!("no certificate `{words}`")))
}

/// How a TLS handshake ended.
enum Handshake {
    /// The certificate was accepted: the board has used the connection.
    Accepted,
    /// By the board, with this alert.
    Ended(String),
    /// Otherwise.
    Failed(String),
}

#[then(expr = "{text} refuses the certificate within {span}")]
async fn refuses(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    judge(world, &board, within, false).await
}

#[then(expr = "{text} refuses the certificate of the server within {span}")]
async fn refuses_of_server(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    judge(world, &board, within, true).await
}

async fn judge(world: &mut HilWorld, board: &str, within: Span, server: bool) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(board)?;
    let mut shown = Shown { board: board.to_owned(), server, since: stage.flawed_since(server), open: BTreeMap::new() };
    stage.events().iter().filter(|event| event.seq < stage.mark().cursor.0).for_each(|event| drop(shown.next(event)));
    let found = stage.expect(within.0, |event| shown.next(event)).await;
    let words = stage.last_words(board);
    match found {
        Some(Handshake::Ended(alert)) if is_about_certificate(&alert) => Ok(()),
        Some(Handshake::Ended(alert)) => {
            let message = format!("`{board}` ended the TLS handshake with the alert `{alert}`");
            Err(StepError::errored(format!("{message}, which is not about the certificate")).with_details(words))
        }
        Some(Handshake::Accepted) => {
            Err(StepError::failed(format!("`{board}` accepted the certificate")).with_details(words))
        }
        Some(Handshake::Failed(reason)) => {
            let message = format!("whether `{board}` refuses the certificate can't be said: {reason}");
            Err(StepError::errored(message).with_details(words))
        }
        None if shown.is_complete() => {
            let within = seconds(within.0);
            let message = format!("`{board}` accepted the certificate: it left the connection open for {within}");
            Err(StepError::failed(message).with_details(words))
        }
        None => {
            let (cause, within) = (cause(stage), seconds(within.0));
            let message = format!("`{board}` began no TLS handshake within {within} of {cause}");
            let hint = "does the firmware use TLS, and the address and port that the bench gives it?";
            Err(StepError::errored(message).with_details(words).with_hint(hint))
        }
    }
}

/// The connections of a board that get the certificate: those that began after it was set.
struct Shown {
    board: String,
    /// Those for files; otherwise those with the tap.
    server: bool,
    since: Cursor,
    /// Those that are open, and whether their handshake is complete.
    open: BTreeMap<u32, bool>,
}

impl Shown {
    /// Takes the next record: how a handshake with the certificate ended.
    fn next(&mut self, event: &RunEvent) -> Option<Handshake> {
        let (number, change) = if self.server { self.of_server(event)? } else { self.of_tap(event)? };
        if matches!(change, Change::Opened) && event.seq >= self.since.0 {
            self.open.insert(number, false);
        }
        let is_complete = self.open.get_mut(&number)?;
        match change {
            Change::Opened => None,
            Change::Completed => {
                *is_complete = true;
                None
            }
            Change::Used => is_complete.then_some(Handshake::Accepted),
            Change::Ended(handshake) => Some(handshake),
            Change::Closed(how) => {
                let was_complete = self.open.remove(&number)?;
                was_complete.then(|| match how.ends_with("by the board") {
                    true => Handshake::Ended(WITHOUT_ALERT.to_owned()),
                    false => Handshake::Failed(format!("the connection was {how} after the handshake")),
                })
            }
        }
    }

    /// Whether the board has completed a handshake and not ended the connection.
    fn is_complete(&self) -> bool {
        self.open.values().any(|is_complete| *is_complete)
    }

    fn of_tap(&self, event: &RunEvent) -> Option<(u32, Change)> {
        if let Some((board, connection, _)) = event.what.sent_by_board() {
            return (board == self.board).then_some((connection, Change::Used));
        }
        let What::Connection { board, connection, change, .. } = &event.what else { return None };
        let change = match change {
            _ if *board != self.board => return None,
            ConnectionChange::Opened => Change::Opened,
            ConnectionChange::Upgraded { layer } => upgraded(layer),
            ConnectionChange::Refused { reason, alert } => Change::Ended(ended(reason, alert.as_deref())),
            ConnectionChange::Closed { how } => Change::Closed(how.clone()),
            ConnectionChange::Rejected { .. } => return None,
        };
        Some((*connection, change))
    }

    fn of_server(&self, event: &RunEvent) -> Option<(u32, Change)> {
        let What::Service { board, connection: Some(connection), exchange, .. } = &event.what else { return None };
        let change = match exchange {
            _ if *board != self.board => return None,
            Exchange::Opened { .. } => Change::Opened,
            Exchange::Upgraded { layer } => upgraded(layer),
            Exchange::Refused { reason, alert } => Change::Ended(ended(reason, alert.as_deref())),
            Exchange::Closed { how } => Change::Closed(how.clone()),
            Exchange::Request { .. } => Change::Used,
            _ => return None,
        };
        Some((*connection, change))
    }
}

enum Change {
    Opened,
    /// The handshake is complete.
    Completed,
    /// The board has sent something over it.
    Used,
    Ended(Handshake),
    /// How it was closed.
    Closed(String),
}

/// What a layer above TCP says: one above TLS is a use of it.
fn upgraded(layer: &str) -> Change {
    if layer.starts_with("TLS") { Change::Completed } else { Change::Used }
}

fn ended(reason: &str, alert: Option<&str>) -> Handshake {
    match alert {
        Some(alert) => Handshake::Ended(alert.to_owned()),
        None => Handshake::Failed(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use hil_timeline::{Epoch, Timeline};

    use super::*;

    /// What a board does with a connection, and how the step sees it.
    fn judged(changes: &[(u32, ConnectionChange)]) -> (Vec<String>, bool) {
        let timeline = Timeline::in_memory(Epoch::start());
        let mut shown = Shown { board: "lamp".to_owned(), server: false, since: timeline.end(), open: BTreeMap::new() };
        let mut seen = Vec::new();
        for (connection, change) in changes {
            let (board, change) = ("lamp".to_owned(), change.clone());
            let event = timeline.record(None, What::Connection { board, connection: *connection, change, peer: None });
            seen.extend(shown.next(&event).map(|handshake| match handshake {
                Handshake::Accepted => "accepted".to_owned(),
                Handshake::Ended(alert) => format!("ended: {alert}"),
                Handshake::Failed(reason) => format!("failed: {reason}"),
            }));
        }
        (seen, shown.is_complete())
    }

    fn upgrade(layer: &str) -> ConnectionChange {
        ConnectionChange::Upgraded { layer: layer.to_owned() }
    }

    fn closed(how: &str) -> ConnectionChange {
        ConnectionChange::Closed { how: how.to_owned() }
    }

    #[test]
    fn only_a_connection_that_is_used_accepts_its_certificate() {
        let handshake = |number| [(number, ConnectionChange::Opened), (number, upgrade("TLS 1.3"))];
        let with = |number, change| handshake(number).into_iter().chain([(number, change)]).collect::<Vec<_>>();
        assert_eq!(judged(&handshake(1)), (vec![], true));
        assert_eq!(judged(&with(1, upgrade("WebSocket"))).0, ["accepted"]);
        for how in ["closed by the board", "reset by the board"] {
            assert_eq!(judged(&with(1, closed(how))), (vec!["ended: none".to_owned()], false));
        }
        let by_the_bench = judged(&with(1, closed("reset by the bench"))).0;
        assert_eq!(by_the_bench, ["failed: the connection was reset by the bench after the handshake"]);
        // Before the handshake is complete, nothing is known of the certificate.
        assert_eq!(judged(&[(1, ConnectionChange::Opened), (1, closed("closed by the board"))]), (vec![], false));
    }

    #[test]
    fn only_a_connection_that_began_after_the_certificate_was_set_is_shown_it() {
        let timeline = Timeline::in_memory(Epoch::start());
        let change = |connection, change| {
            timeline.record(None, What::Connection { board: "lamp".to_owned(), connection, change, peer: None })
        };
        let before = [change(1, ConnectionChange::Opened)];
        let since = timeline.end();
        let after = [change(2, ConnectionChange::Opened), change(1, upgrade("TLS 1.3")), change(2, upgrade("TLS 1.3"))];
        let mut shown = Shown { board: "lamp".to_owned(), server: false, since, open: BTreeMap::new() };
        before.iter().chain(&after).for_each(|event| assert!(shown.next(event).is_none()));
        assert_eq!(shown.open, BTreeMap::from([(2, true)]));
    }

    #[test]
    fn the_words_of_the_steps_are_those_of_the_flaws() {
        let listed: Vec<_> = CertificateFlaw::WORDS.iter().map(|(words, _)| *words).collect();
        assert!(STEPS[0].text.ends_with(&format!("(?:{})", listed.join("|"))), "{listed:?}");
        assert!(is_about_certificate(WITHOUT_ALERT));
    }
}
