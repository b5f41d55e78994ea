//! Hides secrets in everything that leaves the program.

mod console;
mod forms;
mod secret;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

pub use self::console::ConsoleMask;
use self::secret::{SHORTEST_PIECE, Secret};

/// Secret values: each is shown as `••••`. Cheap to clone.
///
/// A value is found as it is and as programs write it: escaped for JSON, Rust, Python, C, a shell, SQL, HTML or an URL,
/// in hex of either case, and in base64, also within a longer one; in any mixture of these except the last two.
///
/// # Example
/// ```
/// let mask = hil_timeline::Mask::new(["wonder\"land".to_owned()]);
/// assert_eq!(mask.text("the password is wonder\"land"), "the password is ••••");
/// assert_eq!(mask.text(r#"{"password": "wonder\u0022land"}"#), r#"{"password": "••••"}"#);
/// assert_eq!(mask.text("?password=wonder%22land"), "?password=••••");
/// ```
#[derive(Clone, Default)]
pub struct Mask {
    secrets: Arc<[Secret]>,
}

/// Leaves out the values.
impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} values)", self.secrets.len())
    }
}

/// Keys of events whose values are words of `hil` or names of the bench: they stay readable even if a secret is one of
/// these words.
const STRUCTURE: &[&str] = &[
    "event",
    "verdict",
    "direction",
    "phase",
    "type",
    "change",
    "cause",
    "finding",
    "fate",
    "kind",
    "board",
    "boards",
    "rail",
    "pin",
    "observer",
    "keyword",
    "firmware",
    "name",
];

/// Prefix of a property's name before the key of a user property, which the device chooses.
const USER_PROPERTY: &str = "user property ";

/// Replaces a secret.
pub const MASKED: &str = "••••";

/// Marks where a message cuts a long text.
const CUT: &str = "…";

impl Mask {
    /// Hides these values.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut secrets: Vec<String> = secrets.into_iter().filter(|secret| !secret.is_empty()).collect();
        secrets.sort_unstable();
        secrets.dedup();
        Self { secrets: secrets.iter().map(|secret| Secret::new(secret)).collect() }
    }

    /// Whether there is nothing to hide.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }

    /// The text without secrets. If the text is cut (`…`), a partial secret before the cut is hidden, too.
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found = self.find(text.as_bytes());
        for (cut, _) in text.match_indices(CUT) {
            let before = &text.as_bytes()[..cut];
            self.secrets.iter().for_each(|secret| secret.find_begun(before, SHORTEST_PIECE, &mut found));
        }
        // A quote may be one part of a secret that a console shows in several lines.
        for (quote, _) in text.match_indices('`').filter(|_| !self.is_empty()) {
            self.find_quoted(text, quote, &mut found);
        }
        replaced(text, found)
    }

    /// The beginning of a longer text, without secrets and without a partial secret at the cut.
    fn beginning<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found = self.find(text.as_bytes());
        self.secrets.iter().for_each(|secret| secret.find_begun(text.as_bytes(), SHORTEST_PIECE, &mut found));
        replaced(text, found)
    }

    /// Hides half of a secret or more at the end of the text before a quote, or at the beginning of the text after it.
    fn find_quoted(&self, text: &str, quote: usize, found: &mut Vec<Range<usize>>) {
        /// Longer than a secret in most forms; a message has many quotes.
        const AROUND: usize = 512;
        let from = text.ceil_char_boundary(quote.saturating_sub(AROUND));
        let to = text.floor_char_boundary(text.len().min(quote + 1 + AROUND));
        let mut pieces = Vec::new();
        for secret in self.secrets.iter() {
            secret.find_begun(&text.as_bytes()[from..quote], secret.half(), &mut pieces);
        }
        found.extend(pieces.drain(..).map(|piece| piece.start + from..piece.end + from));
        for secret in self.secrets.iter() {
            secret.find_rest(&text.as_bytes()[quote + 1..to], &mut pieces);
        }
        found.extend(pieces.into_iter().map(|piece| piece.start + quote + 1..piece.end + quote + 1));
    }

    /// Hides secrets in bytes whose length must stay: each byte becomes `*`.
    pub fn bytes(&self, bytes: &mut [u8]) {
        self.find(bytes).into_iter().for_each(|range| bytes[range].fill(b'*'));
    }

    fn has_escapes(&self) -> bool {
        self.secrets.iter().any(Secret::has_escape)
    }

    fn find(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        self.secrets.iter().for_each(|secret| secret.find(text, &mut found));
        found
    }

    /// Hides secrets in every free text of an event; returns whether there were any.
    pub fn json(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => replace(text, |text| self.text(text)),
            Value::Array(items) => items.iter_mut().fold(false, |found, item| self.json(item) | found),
            Value::Object(entries) => {
                entries.iter_mut().fold(false, |found, (key, entry)| self.entry(key, entry) | found)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    fn entry(&self, key: &str, entry: &mut Value) -> bool {
        match (key, entry) {
            // A binary payload: what remains of it must still be hex.
            ("hex", Value::String(hex)) => self.hex(hex),
            // The first bytes of a packet.
            ("head", Value::String(head)) => replace(head, |head| self.beginning(head)),
            ("name", Value::String(name)) if name.starts_with(USER_PROPERTY) => {
                let Cow::Owned(key) = self.text(&name[USER_PROPERTY.len()..]) else { return false };
                *name = format!("{USER_PROPERTY}{key}");
                true
            }
            (key, _) if STRUCTURE.contains(&key) => false,
            (_, entry) => self.json(entry),
        }
    }

    fn hex(&self, hex: &mut String) -> bool {
        // Text that is not hex was not written by us.
        let Ok(mut bytes) = hex::decode(&*hex) else { return replace(hex, |hex| self.text(hex)) };
        let found = !self.find(&bytes).is_empty();
        self.bytes(&mut bytes);
        *hex = hex::encode(bytes);
        found
    }
}

fn replace(text: &mut String, mask: impl Fn(&str) -> Cow<'_, str>) -> bool {
    let Cow::Owned(masked) = mask(text) else { return false };
    *text = masked;
    true
}

/// Replaces each range by a word; overlapping ranges are merged.
fn replaced(text: &str, mut found: Vec<Range<usize>>) -> Cow<'_, str> {
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    found.sort_unstable_by_key(|range| range.start);
    let (mut shown, mut at) = (String::with_capacity(text.len()), 0);
    for Range { start, end } in found {
        if start >= at {
            shown.push_str(&text[at..start]);
            shown.push_str(MASKED);
        }
        at = at.max(end);
    }
    shown.push_str(&text[at..]);
    Cow::Owned(shown)
}
