//! What a line of a console says, colours or not.

use std::borrow::Cow;
use std::sync::LazyLock;

use hil_timeline::Payload;
use regex::Regex;

use crate::pattern::TextPattern;

/// Escape sequences (ECMA-48 §5.4 and §5.6): control sequences, strings of the terminal such as its title, and others.
static ESCAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let control = r"(?:\x1b\[|\u{9b})[0-?]*[ -/]*[@-~]";
    let string = r"\x1b[\]P^_X][^\x07\x1b]*(?:\x07|\x1b\\)?";
    let other = r"\x1b[ -/]*[0-~]?";
    Regex::new(&format!("{control}|{string}|{other}")).ok()
});

/// A line without the escape sequences that colour it.
///
/// ```
/// assert_eq!(hil_verdict::without_escapes("\x1b[0;32mI (312) wifi: up\x1b[0m"), "I (312) wifi: up");
/// ```
#[must_use]
pub fn without_escapes(line: &str) -> Cow<'_, str> {
    // Most lines have none.
    match &*ESCAPES {
        Some(escapes) if line.contains(['\x1b', '\u{9b}']) => escapes.replace_all(line, ""),
        _ => Cow::Borrowed(line),
    }
}

/// What of a line is compared with a pattern: all of it where the pattern itself names an escape sequence.
#[must_use]
pub fn compared<'a>(pattern: &str, line: &'a str) -> Cow<'a, str> {
    const WRITTEN: [&str; 7] = ["\u{1b}", "\u{9b}", r"\x1b", r"\x1B", r"\x{1b}", r"\u{1b}", r"\u001b"];
    if WRITTEN.iter().any(|escape| pattern.contains(escape)) { Cow::Borrowed(line) } else { without_escapes(line) }
}

/// Whether a line contains the text, or matches the pattern. Escape sequences count only where the pattern names one.
#[must_use]
pub fn is_shown(wanted: &TextPattern, line: &str) -> bool {
    match wanted {
        TextPattern::Exact(text) => compared(text, line).contains(text.as_str()),
        TextPattern::Matching(regex) => wanted.matches(&Payload::from(&*compared(regex.as_str(), line))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_no_part_of_a_line_and_nothing_else_goes() {
        for (line, plain) in [
            ("\u{1b}[0;32mI (1) wifi: up\u{1b}[0m", "I (1) wifi: up"),
            ("\u{1b}[38;2;1;2;3mtrue\u{1b}[m colour\u{1b}[K", "true colour"),
            ("\u{1b}]0;title\u{7}> \u{1b}]8;;http://x\u{1b}\\link", "> link"),
            ("\u{1b}(B\u{1b}=ready\u{1b}7", "ready"),
            ("\u{9b}31mred", "red"),
            ("a\tb [0;32m c", "a\tb [0;32m c"),
            ("", ""),
        ] {
            assert_eq!(without_escapes(line), plain);
        }
    }

    #[test]
    fn a_pattern_meets_colours_only_where_it_names_them() {
        let line = "\u{1b}[0;32mI (312) wifi: station start\u{1b}[0m";
        for shown in [r"/^I \(\d+\) wifi/", "/start$/", "wifi: station", r"/\x1b\[0;32m/", r"/^\u{1b}\[0/", "\u{1b}[0m"]
        {
            assert!(is_shown(&TextPattern::parse(shown).expect("a pattern"), line), "{shown}");
        }
        for hidden in ["32mI", r"/^\x1b\[0;31m/", "[0m"] {
            assert!(!is_shown(&TextPattern::parse(hidden).expect("a pattern"), line), "{hidden}");
        }
    }
}
