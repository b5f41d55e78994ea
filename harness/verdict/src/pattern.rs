//! Expected text: exact, or a regular expression between slashes.

use std::fmt;

use hil_timeline::{Payload, escaped};
use regex::bytes::Regex;

/// The expected value of a payload or a field.
///
/// # Example
/// ```
/// use hil_verdict::TextPattern;
/// use hil_timeline::Payload;
/// let pattern = TextPattern::parse(r"/^Suhu: -?\d+°C$/").unwrap();
/// assert!(pattern.matches(&Payload::from("Suhu: 28°C")));
/// assert!(!TextPattern::parse("on").unwrap().matches(&Payload::from("on ")));
/// ```
#[derive(Debug, Clone)]
pub enum TextPattern {
    /// Byte for byte.
    Exact(String),
    /// Anywhere in it, unless anchored.
    Matching(Regex),
}

impl TextPattern {
    /// Reads `text` as exact text, or `/regex/`.
    ///
    /// # Errors
    /// When what is between the slashes is not a regular expression.
    pub fn parse(text: &str) -> Result<Self, regex::Error> {
        match text.strip_prefix('/').and_then(|rest| rest.strip_suffix('/')) {
            Some(regex) => Regex::new(regex).map(Self::Matching),
            None => Ok(Self::Exact(text.to_owned())),
        }
    }

    /// Whether a payload is as expected.
    #[must_use]
    pub fn matches(&self, payload: &Payload) -> bool {
        match self {
            Self::Exact(text) => text.as_bytes() == payload.0,
            Self::Matching(regex) => regex.is_match(&payload.0),
        }
    }

    /// The names of its groups: `id` of `/id=(?<id>\w+)/`.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let regex = match self {
            Self::Exact(_) => None,
            Self::Matching(regex) => Some(regex),
        };
        regex.into_iter().flat_map(|regex| regex.capture_names().flatten())
    }

    /// What its named groups match in a payload. A group that takes no part in the match is not in it; bytes that are not
    /// UTF-8 are replaced.
    ///
    /// # Example
    /// ```
    /// use hil_verdict::TextPattern;
    /// let pattern = TextPattern::parse(r"/id=(?<id>\w+)/").unwrap();
    /// assert_eq!(pattern.captures(b"id=a7, up"), [("id".to_owned(), "a7".to_owned())]);
    /// ```
    #[must_use]
    pub fn captures(&self, payload: &[u8]) -> Vec<(String, String)> {
        let Self::Matching(regex) = self else { return Vec::new() };
        let Some(found) = regex.captures(payload) else { return Vec::new() };
        let text = |name: &str| Some(String::from_utf8_lossy(found.name(name)?.as_bytes()).into_owned());
        self.names().filter_map(|name| Some((name.to_owned(), text(name)?))).collect()
    }
}

impl fmt::Display for TextPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "`{}`", escaped(text)),
            Self::Matching(regex) => write!(f, "/{regex}/"),
        }
    }
}
