//! Messages as lines, each of a limited length.

use std::io::{self, BufRead, Read as _};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// Why no further message can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The other side has closed the connection.
    #[error("the connection ended")]
    End,
    /// It broke.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// A line is longer than any message.
    #[error("a message is longer than {0} bytes")]
    TooLong(u64),
    /// A line is no message.
    #[error("not a message of `hil`: `{}`", hil_timeline::escaped(.0))]
    NotAMessage(String),
}

/// A message as a line.
pub(crate) fn line(message: &impl Serialize) -> String {
    // These types have no map whose keys are not texts: nothing in them can't be written.
    let mut line = serde_json::to_string(message).unwrap_or_default();
    line.push('\n');
    line
}

/// A line of a record as a message.
pub(crate) fn event(recorded: &str) -> String {
    format!("{{\"event\":{recorded}}}\n")
}

/// Reads the next message; blocks.
pub(crate) fn read<M: DeserializeOwned>(from: &mut impl BufRead, longest: u64) -> Result<M, LineError> {
    let mut line = Vec::new();
    from.take(longest + 1).read_until(b'\n', &mut line)?;
    message(&line, longest)
}

/// Reads the next message. Not cancel-safe: part of a line may be lost.
pub(crate) async fn read_async<M: DeserializeOwned>(
    from: &mut (impl AsyncBufRead + Unpin),
    longest: u64,
) -> Result<M, LineError> {
    let mut line = Vec::new();
    from.take(longest + 1).read_until(b'\n', &mut line).await?;
    message(&line, longest)
}

fn message<M: DeserializeOwned>(line: &[u8], longest: u64) -> Result<M, LineError> {
    /// Enough of a text that is no message to recognize it: a banner, a shell's error.
    const SHOWN: usize = 200;
    let Some((b'\n', text)) = line.split_last() else {
        return Err(if line.len() as u64 > longest { LineError::TooLong(longest) } else { LineError::End });
    };
    serde_json::from_slice(text).map_err(|_| {
        let text = String::from_utf8_lossy(text.get(..SHOWN).unwrap_or(text)).into_owned();
        LineError::NotAMessage(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{LONGEST_TO_AGENT, ToAgent, ToHead};

    #[test]
    fn a_line_is_a_message_or_says_what_it_is() {
        let said = |text: &str| match read::<ToAgent>(&mut text.as_bytes(), 100) {
            Ok(message) => format!("{message:?}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(said("{\"ping\":{\"n\":3}}\n"), "Ping { n: 3 }");
        assert_eq!(said("\"finish\"\n"), "Finish");
        assert_eq!(said(""), "the connection ended");
        assert_eq!(said("{\"ping\":{\"n\":3}}"), "the connection ended", "a torn line is no message");
        assert_eq!(said(&"x".repeat(200)), "a message is longer than 100 bytes");
        assert_eq!(said("Welcome\u{1b}[2J!\n"), "not a message of `hil`: `Welcome\\u{1b}[2J!`");
    }

    #[tokio::test]
    async fn both_readers_agree() {
        let text = b"{\"pong\":{\"n\":1,\"at\":5}}\n\"x\"\n";
        let mut reader = text.as_slice();
        assert!(matches!(read_async(&mut reader, 50).await, Ok(ToHead::Pong { n: 1, at: 5 })));
        assert!(matches!(read_async::<ToHead>(&mut reader, 50).await, Err(LineError::NotAMessage(_))));
        assert!(matches!(read_async::<ToHead>(&mut reader, 50).await, Err(LineError::End)));
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error() {
        let seeds = [
            "{\"hello\":{\"protocol\":1,\"version\":\"0\"}}\n",
            "{\"file\":{\"sha256\":\"00\",\"size\":18446744073709551615}}\n{\"chunk\":\"AAAA\"}\n",
            "{\"event\":{\"seq\":1,\"at\":2,\"event\":\"stalled\",\"ms\":3}}\n",
        ];
        let corpus = hil_fuzz::Corpus::new(seeds.map(|text| text.as_bytes().to_vec()));
        let is_over = |error: &LineError| matches!(error, LineError::End | LineError::TooLong(_));
        hil_fuzz::fuzz("messages", &corpus, 5_000, |bytes| {
            let mut reader = bytes;
            while !read::<ToAgent>(&mut reader, LONGEST_TO_AGENT).is_err_and(|error| is_over(&error)) {}
            let mut reader = bytes;
            while !read::<ToHead>(&mut reader, 1000).is_err_and(|error| is_over(&error)) {}
        });
    }
}
