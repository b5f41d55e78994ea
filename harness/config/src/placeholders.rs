//! Texts of a firmware's settings that the bench fills in, and keys that not every kind of firmware has.

use crate::env_vars::from_environment;
use crate::table::Value;

/// What the bench fills in: the board's name, where the board's tap is, who signed its certificate, a certificate of the board's own with its
/// key, where its files and its time server are, and the Wi-Fi network.
const PLACEHOLDERS: &[&str] = &[
    "{tap.host}",
    "{tap.port}",
    "{tap.ca}",
    "{http.url}",
    "{https.url}",
    "{http.host}",
    "{http.port}",
    "{sntp.host}",
    "{sntp.port}",
    "{board.name}",
    "{board.cert}",
    "{board.key}",
    "{wifi.ssid}",
    "{wifi.password}",
];

/// The same as files of this machine, which only a program that runs here can read.
const FILES: &[&str] = &["{tap.ca.file}", "{board.cert.file}", "{board.key.file}"];

/// What is filled in for an emulator: files, console and monitor that `hil` makes, and what its chip is.
const EMULATOR: &[&str] =
    &["{flash}", "{efuse}", "{console}", "{qmp}", "{image}", "{mac}", "{chip}", "{flash-size}", "{strap}"];

/// A text with its variables filled in, and placeholders that the bench fills in.
pub(crate) fn filled_text(value: &Value<'_, '_>) -> Option<String> {
    filled(value, PLACEHOLDERS)
}

/// The same for a program of this machine, which can be given files as well.
pub(crate) fn filled_for_program(value: &Value<'_, '_>) -> Option<String> {
    filled(value, &[PLACEHOLDERS, FILES].concat())
}

/// The same for an emulator.
pub(crate) fn filled_for_emulator(value: &Value<'_, '_>) -> Option<String> {
    filled(value, &[EMULATOR, PLACEHOLDERS, FILES].concat())
}

fn filled(value: &Value<'_, '_>, known: &[&str]) -> Option<String> {
    let text = from_environment(value)?;
    let Some(unknown) = unknown_placeholder(&text, known) else { return Some(text) };
    if FILES.contains(&unknown) {
        let hint = format!("its text: `{}`", unknown.replace(".file", ""));
        value.problem(format!("`{unknown}` is a file of this machine, which no board can read"), hint);
    } else {
        let hint = format!("one of `{}`", known.join("`, `"));
        value.problem(format!("unknown placeholder `{unknown}`"), hint);
    }
    None
}

/// The first `{word}` that is not a placeholder.
fn unknown_placeholder<'a>(text: &'a str, known: &[&str]) -> Option<&'a str> {
    let words = text.match_indices('{').filter_map(|(at, _)| Some(&text[at..=at + text[at..].find('}')?]));
    let is_word = |word: &&str| {
        let inner = &word[1..word.len() - 1];
        !inner.is_empty() && inner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    words.filter(is_word).find(|word| !known.contains(word))
}

/// Reports a key that this kind of firmware does not have.
pub(crate) fn refuse(value: &Option<Value<'_, '_>>, why: &str) {
    if let Some(value) = value {
        value.problem(why.to_owned(), "`kind` says what a firmware is".to_owned());
    }
}
