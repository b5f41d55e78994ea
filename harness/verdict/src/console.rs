//! What a line of a console says, colours or not.

use std::borrow::Cow;
use std::sync::LazyLock;

use hil_timeline::Payload;
use regex::Regex;

use crate::pattern::TextPattern;

/// Escape sequences (ECMA-48 §5.4 and §5.6): control sequences, strings of the terminal such as its title, and others. Of a
/// string without its end only ESC goes: what follows may be what the device has to say.
static ESCAPES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let control = r"(?:\x1b\[|\u{9b})[0-?]*[ -/]*[@-~]";
    let string = r"\x1b[\]P^_Xk][^\x07\x1b]*(?:\x07|\x1b\\)";
    let other = r"\x1b[ -/]*[0-OQ-WYZ\[\\`-jl-~]?";
    Regex::new(&format!("{control}|{string}|{other}")).ok()
});

/// A pattern that names ESC, in one of the ways of a regular expression.
static NAMES_ESC: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)[\x1b\u{9b}]|\\[xu]\{?0*(?:1b|9b)|\[:cntrl:\]|\\p\{?c").ok());

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

/// What of a line is compared with a pattern: all of it where the pattern itself names an escape sequence. Otherwise CR and
/// NUL at its ends are no part of it either, beside a colour or not.
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
            ("\u{1b}ktitle\u{1b}\\> ", "> "),
            ("green \u{1b}]no end: value=42", "green ]no end: value=42"),
            ("esc \u{1b}Power=5", "esc Power=5"),
            ("", ""),
        ] {
            assert_eq!(without_escapes(line), plain);
        }
    }

    #[test]
    fn a_pattern_meets_colours_only_where_it_names_them() {
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
