//! Text of devices in messages.

use std::fmt;

/// Text as messages show it: unchanged except for characters that [steer](steers) a terminal or are invisible.
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

/// Displays what [`escaped`] escapes.
#[derive(Debug, Clone, Copy)]
pub struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| if steers(c) { write!(f, "{}", c.escape_default()) } else { write!(f, "{c}") })
    }
}

/// Whether a character controls the terminal or is invisible: control characters, line and paragraph separators, and
/// format characters (Unicode 16, general categories Cc, Zl, Zp and Cf), such as those that change the writing
/// direction (Unicode annex 9) and those without a width. Arabic, Syriac and Kaithi number marks are Cf, but visible.
#[must_use]
pub fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e007f}')
}
