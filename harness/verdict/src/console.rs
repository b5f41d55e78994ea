//! Compares console lines with patterns, with or without colours.

use std::borrow::Cow;
use std::sync::LazyLock;

use hil_timeline::Payload;
use regex::Regex;

use crate::pattern::TextPattern;

/// Escape sequences (ECMA-48 §5.4 and §5.6): control sequences, control strings such as titles, and others. Of a
/// control string without a terminator only ESC is removed: the rest may be output of the device.
static ESCAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let control = r"(?:\x1b\[|\u{9b})[0-?]*[ -/]*[@-~]";
    let string = r"\x1b[\]P^_Xk][^\x07\x1b]*(?:\x07|\x1b\\)";
    let other = r"\x1b[ -/]*[0-OQ-WYZ\[\\`-jl-~]?";
    Regex::new(&format!("{control}|{string}|{other}")).ok()
});

/// Matches a pattern that contains ESC, in one of the notations of a regular expression.
static NAMES_ESC: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)[\x1b\u{9b}]|\\[xu]\{?0*(?:1b|9b)|\[:cntrl:\]|\\p\{?c").ok());

/// A line without escape sequences, such as colours.
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

/// The part of a line to compare with a pattern: all of it if the pattern itself contains an escape sequence. Otherwise
/// CR and NUL at its ends are removed as well, next to a colour or not.
#[must_use]
pub fn compared<'a>(pattern: &str, line: &'a str) -> Cow<'a, str> {
    if NAMES_ESC.as_ref().is_some_and(|names| names.is_match(pattern)) {
        return Cow::Borrowed(line);
    }
    const ENDS: [char; 2] = ['\r', '\0'];
    match without_escapes(line) {
        Cow::Borrowed(plain) => Cow::Borrowed(plain.trim_matches(ENDS)),
        Cow::Owned(plain) => Cow::Owned(plain.trim_matches(ENDS).to_owned()),
    }
}

/// Whether a line contains the text, or matches the pattern. Escape sequences count only if the pattern contains one.
#[must_use]
pub fn is_shown(wanted: &TextPattern, line: &str) -> bool {
    match wanted {
        TextPattern::Exact(text) => compared(text, line).contains(text.as_str()),
        TextPattern::Matching(regex) => wanted.matches(&Payload::from(&*compared(regex.as_str(), line))),
    }
}

/// What the named groups of a pattern match in a line that shows it.
#[must_use]
pub fn captured(wanted: &TextPattern, line: &str) -> Vec<(String, String)> {
    match wanted {
        TextPattern::Exact(_) => Vec::new(),
        TextPattern::Matching(regex) => wanted.captures(compared(regex.as_str(), line).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_escape_sequences_are_removed_from_a_line() {
        for (line, plain) in [
            ("\u{1b}[0;32mI (1) wifi: up\u{1b}[0m", "I (1) wifi: up"),
            ("\u{1b}[38;2;1;2;3mtrue\u{1b}[m colour\u{1b}[K", "true colour"),
            ("\u{1b}]0;title\u{7}> \u{1b}]8;;http://x\u{1b}\\link", "> link"),
            ("\u{1b}(B\u{1b}=ready\u{1b}7", "ready"),
            ("\u{9b}31mred", "red"),
            ("a\tb [0;32m c", "a\tb [0;32m c"),
            ("\u{1b}ktitle\u{1b}\\> ", "> "),
            ("green \u{1b}]no end: value=42", "green ]no end: value=42"),
            ("esc \u{1b}Power=5", "esc Power=5"),
            ("", ""),
        ] {
            assert_eq!(without_escapes(line), plain);
        }
    }

    #[test]
    fn a_pattern_sees_colours_only_if_it_contains_them() {
        let line = "\u{1b}[0;32mI (312) wifi: station start\u{1b}[0m";
        for shown in [
            r"/^I \(\d+\) wifi/",
            "/start$/",
            "wifi: station",
            r"/\x1b\[0;32m/",
            r"/^\u{1b}\[0/",
            r"/\u001B\[0/",
            r"/\x{1B}\[0/",
            r"/^[[:cntrl:]]\[0/",
            "\u{1b}[0m",
        ] {
            assert!(is_shown(&TextPattern::parse(shown).expect("a pattern"), line), "{shown}");
        }
        for line in ["\0\u{1b}[0m\0ready\0\u{1b}[0m\r", "\u{1b}[2J\u{1b}[H\0ready"] {
            assert!(is_shown(&TextPattern::parse("/^ready$/").expect("a pattern"), line), "{line:?}");
        }
        for hidden in ["32mI", r"/^\x1b\[0;31m/", "[0m"] {
            assert!(!is_shown(&TextPattern::parse(hidden).expect("a pattern"), line), "{hidden}");
        }
    }
}
