//! Text of devices in messages.

use std::fmt;

/// Text as messages show it: as it is, but for characters that would steer a terminal or turn the order of what follows.
///
/// ```
/// use hil_timeline::escaped;
/// assert_eq!(escaped("{\"a\": 'b'}").to_string(), "{\"a\": 'b'}");
/// assert_eq!(escaped("a\nb\u{1b}[2J").to_string(), "a\\nb\\u{1b}[2J");
/// ```
#[must_use]
pub fn escaped(text: &str) -> Escaped<'_> {
    Escaped(text)
}

/// What [`escaped`] gives back, to be displayed.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| if steers(c) { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") })
    }
}

/// Control characters, and those that turn the direction of writing (Unicode annex 9).
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
