//! Certificates that boards must not accept.

use std::collections::BTreeSet;

use cucumber::{gherkin, given, then};
use hil_timeline::{ConnectionChange, Cursor, Exchange, RunEvent, What};
use hil_tls::{CertificateFlaw, is_about_certificate};
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
                "The board ends a TLS handshake with the tap, with an alert about the certificate or with none. A board that \
                 completes it has failed; `errored` if it begins none.",
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
    /// The certificate was accepted.
    Completed,
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
    let mut shown = Shown { board: board.to_owned(), server, since: stage.flawed_since(server), open: BTreeSet::new() };
    stage.events().iter().filter(|event| event.seq < stage.mark().cursor.0).for_each(|event| drop(shown.next(event)));
    let found = stage.expect(within.0, |event| shown.next(event)).await;
    let words = stage.last_words(board);
    match found {
        Some(Handshake::Ended(alert)) if is_about_certificate(&alert) => Ok(()),
        Some(Handshake::Ended(alert)) => {
            let message = format!("`{board}` ended the TLS handshake with the alert `{alert}`");
            Err(StepError::errored(format!("{message}, which is not about the certificate")).with_details(words))
        }
        Some(Handshake::Completed) => {
            Err(StepError::failed(format!("`{board}` accepted the certificate")).with_details(words))
        }
        Some(Handshake::Failed(reason)) => {
            let message = format!("whether `{board}` refuses the certificate can't be said: {reason}");
            Err(StepError::errored(message).with_details(words))
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
    open: BTreeSet<u32>,
}

impl Shown {
    /// Takes the next record: how a handshake with the certificate ended.
    fn next(&mut self, event: &RunEvent) -> Option<Handshake> {
        let (number, change) = if self.server { self.of_server(event)? } else { self.of_tap(event)? };
        match change {
            Change::Opened => {
                if event.seq >= self.since.0 {
                    self.open.insert(number);
                }
                None
            }
            Change::Ended(handshake) => self.open.contains(&number).then_some(handshake),
        }
    }

    fn of_tap(&self, event: &RunEvent) -> Option<(u32, Change)> {
        let What::Connection { board, connection, change, .. } = &event.what else { return None };
        let change = match change {
            _ if *board != self.board => return None,
            ConnectionChange::Opened => Change::Opened,
            ConnectionChange::Upgraded { layer } => Change::Ended(completed(layer)?),
            ConnectionChange::Refused { reason, alert } => Change::Ended(ended(reason, alert.as_deref())),
            _ => return None,
        };
        Some((*connection, change))
    }

    fn of_server(&self, event: &RunEvent) -> Option<(u32, Change)> {
        let What::Service { board, connection: Some(connection), exchange, .. } = &event.what else { return None };
        let change = match exchange {
            _ if *board != self.board => return None,
            Exchange::Opened { .. } => Change::Opened,
            Exchange::Upgraded { layer } => Change::Ended(completed(layer)?),
            Exchange::Refused { reason, alert } => Change::Ended(ended(reason, alert.as_deref())),
            _ => return None,
        };
        Some((*connection, change))
    }
}

enum Change {
    Opened,
    Ended(Handshake),
}

fn completed(layer: &str) -> Option<Handshake> {
    layer.starts_with("TLS").then_some(Handshake::Completed)
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
    use hil_tls::WITHOUT_ALERT;

    use super::*;

    #[test]
    fn only_a_connection_that_began_after_the_certificate_was_set_is_shown_it() {
        let timeline = Timeline::in_memory(Epoch::start());
        let change = |connection, change| {
            timeline.record(None, What::Connection { board: "lamp".to_owned(), connection, change, peer: None })
        };
        let upgraded = || ConnectionChange::Upgraded { layer: "TLS 1.3".to_owned() };
        let before = [change(1, ConnectionChange::Opened)];
        let since = timeline.end();
        let after = [change(2, ConnectionChange::Opened), change(1, upgraded()), change(2, upgraded())];
        let mut shown = Shown { board: "lamp".to_owned(), server: false, since, open: BTreeSet::new() };
        let ended = before.iter().chain(&after).filter(|event| shown.next(event).is_some());
        assert_eq!(ended.map(|event| event.seq).collect::<Vec<_>>(), [after[2].seq]);
    }

    #[test]
    fn the_words_of_the_steps_are_those_of_the_flaws() {
        let listed: Vec<_> = CertificateFlaw::WORDS.iter().map(|(words, _)| *words).collect();
        assert!(STEPS[0].text.ends_with(&format!("(?:{})", listed.join("|"))), "{listed:?}");
        assert!(is_about_certificate(WITHOUT_ALERT));
    }
}
