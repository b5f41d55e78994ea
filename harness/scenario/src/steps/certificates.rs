//! Certificates that boards must not accept.

use cucumber::{given, then};
use hil_timeline::{ConnectionChange, Exchange, RunEvent, What};
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
        "the certificate of the (?:broker|server) (?:has expired|is not yet valid|is for another name|is of an unknown CA|is self-signed|lacks its chain)",
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
async fn of_the_broker(world: &mut HilWorld, words: FlawWords) -> Result<(), StepError> {
    let flaw = flaw(&words)?;
    world.stage()?.show_flawed_broker(flaw)
}

#[given(expr = "the certificate of the server {flaw}")]
async fn of_the_server(world: &mut HilWorld, words: FlawWords) -> Result<(), StepError> {
    let flaw = flaw(&words)?;
    world.stage()?.show_flawed_server(flaw)
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
    judge(world, &board, within, of_tap).await
}

#[then(expr = "{text} refuses the certificate of the server within {span}")]
async fn refuses_of_server(world: &mut HilWorld, board: Text, within: Span) -> Result<(), StepError> {
    judge(world, &board, within, of_server).await
}

async fn judge(
    world: &mut HilWorld,
    board: &str,
    within: Span,
    handshake: impl Fn(&RunEvent, &str) -> Option<Handshake>,
) -> Result<(), StepError> {
    let stage = world.stage()?;
    stage.check_started(board)?;
    let found = stage.expect(within.0, |event| handshake(event, board)).await;
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

fn of_tap(event: &RunEvent, board: &str) -> Option<Handshake> {
    let What::Connection { board: of, change, .. } = &event.what else { return None };
    match change {
        ConnectionChange::Upgraded { layer } if of == board => completed(layer),
        ConnectionChange::Refused { reason, alert } if of == board => Some(ended(reason, alert.as_deref())),
        _ => None,
    }
}

fn of_server(event: &RunEvent, board: &str) -> Option<Handshake> {
    let What::Service { board: of, exchange, .. } = &event.what else { return None };
    match exchange {
        Exchange::Upgraded { layer } if of == board => completed(layer),
        Exchange::Refused { reason, alert } if of == board => Some(ended(reason, alert.as_deref())),
        _ => None,
    }
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
    use hil_tls::WITHOUT_ALERT;

    use super::*;

    #[test]
    fn the_words_of_the_steps_are_those_of_the_flaws() {
        let listed: Vec<_> = CertificateFlaw::WORDS.iter().map(|(words, _)| *words).collect();
        assert!(STEPS[0].text.ends_with(&format!("(?:{})", listed.join("|"))), "{listed:?}");
        assert!(is_about_certificate(WITHOUT_ALERT));
    }
}
