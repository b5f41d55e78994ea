//! Output lines. Text from outside can control neither a terminal nor a CI runner.

use std::borrow::Cow;

use console::Style;
use hil_timeline::{ConsoleMask, Mask, escaped, steers};
use parking_lot::RwLock;
use serde::Serialize;

use super::OutputStream;

/// The secrets to hide.
static HIDDEN: RwLock<Option<Mask>> = RwLock::new(None);

/// Hides these secrets in all output from now on.
pub(crate) fn hide(mask: Mask) {
    *HIDDEN.write() = Some(mask);
}

/// Hides the same secrets in console lines, which may show a secret in parts.
pub(crate) fn console_mask() -> ConsoleMask {
    let hidden = HIDDEN.read();
    ConsoleMask::new(hidden.clone().unwrap_or_default())
}

/// Text with secrets hidden.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    match &*HIDDEN.read() {
        Some(mask) => mask.text(text),
        None => text.into(),
    }
}

/// One or more lines. Their text may come from outside; only [`Line::paint`] adds style.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    content: Content,
    end: &'static str,
}

#[derive(Debug, Clone)]
enum Content {
    /// Human-readable: control characters of each piece are escaped before it is styled.
    Pieces(Vec<(Style, String)>),
    /// Machine-readable: contains no control characters.
    Exact(String),
}

impl Line {
    /// An empty line.
    pub(crate) fn new() -> Self {
        Self { content: Content::Pieces(Vec::new()), end: "\n" }
    }

    /// Appends text.
    pub(crate) fn text(self, text: impl Into<String>) -> Self {
        self.paint(Style::new(), text)
    }

    /// Appends text in a style.
    pub(crate) fn paint(mut self, style: Style, text: impl Into<String>) -> Self {
        if let Content::Pieces(pieces) = &mut self.content {
            pieces.push((style, text.into()));
        }
        self
    }

    /// A value as JSON on one line. Control characters in its strings are escaped; their values do not change.
    pub(crate) fn json(value: &impl Serialize) -> serde_json::Result<Self> {
        let text = serde_json::to_string(value)?;
        Ok(Self { content: Content::Exact(json_inert(&masked(&text))), end: "\n" })
    }

    /// Text for a program, written unchanged. Never use it for text from outside.
    pub(crate) fn exact(text: impl Into<String>) -> Self {
        Self { content: Content::Exact(text.into()), end: "\n" }
    }

    /// A workflow command for a GitHub runner, on one line. The caller has escaped the texts in it.
    pub(crate) fn command(text: &str) -> Self {
        Self::exact(escaped(text).to_string().replace("##[", "# #["))
    }

    /// Ends the line with CR LF, for a terminal in raw mode.
    pub(crate) fn with_return(self) -> Self {
        Self { end: "\r\n", ..self }
    }

    /// The bytes to write to a stream, with the line end.
    pub(super) fn render(&self, stream: OutputStream) -> String {
        let mut text = match &self.content {
            Content::Exact(text) => masked(text).into_owned(),
            Content::Pieces(pieces) => styled(pieces, stream, std::env::var_os("GITHUB_ACTIONS").is_some()),
        };
        text.push_str(self.end);
        text
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::new().text(text)
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<&String> for Line {
    fn from(text: &String) -> Self {
        text.clone().into()
    }
}

fn styled(pieces: &[(Style, String)], stream: OutputStream, github: bool) -> String {
    let inert: Vec<_> = pieces.iter().map(|(style, text)| (style, inert_lines(&masked(text)))).collect();
    if github {
        let plain: String = inert.iter().map(|(_, text)| text.as_str()).collect();
        let defused = without_commands(&plain);
        if plain != defused {
            return defused;
        }
    }
    let paint = |(style, text): &(&Style, String)| {
        let style = match stream {
            OutputStream::Out => (*style).clone(),
            OutputStream::Err => (*style).clone().for_stderr(),
        };
        style.apply_to(text).to_string()
    };
    inert.iter().map(paint).collect()
}

/// Escapes control characters, except line ends and tabs.
fn inert_lines(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\t']) {
        shown.push_str(&escaped(&rest[..at]).to_string());
        shown.push_str(&rest[at..=at]);
        rest = &rest[at + 1..];
    }
    shown.push_str(&escaped(rest).to_string());
    shown
}

/// A GitHub runner treats `##[…]` anywhere in a line as a command, and `::` at the start of a line, after white space.
fn without_commands(text: &str) -> String {
    let line = |line: &str| {
        let line = line.replace("##[", "# #[");
        if line.trim_start().starts_with("::") { line.replacen("::", ": :", 1) } else { line }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// JSON may contain any character from U+0020 on unescaped, control characters included. Outside strings it has neither
/// those nor `#`.
fn json_inert(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if steers(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown.replace("##[", "#\\u0023[")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &Line, github: bool) -> String {
        match &line.content {
            Content::Pieces(pieces) => styled(pieces, OutputStream::Out, github),
            Content::Exact(text) => text.clone(),
        }
    }

    #[test]
    fn text_controls_no_terminal_and_only_paint_adds_style() {
        let red = Style::new().red().force_styling(true);
        let line = Line::new().text("a\u{1b}[31m\t").paint(red, "b\u{9b}2J").text("\r\u{202e}\u{200b}\u{2028}c\nd");
        let expected = "a\\u{1b}[31m\t\u{1b}[31mb\\u{9b}2J\u{1b}[0m\\r\\u{202e}\\u{200b}\\u{2028}c\nd";
        assert_eq!(shown(&line, false), expected);
    }

    #[test]
    fn no_text_is_a_command_for_github() {
        let shown = |text: &str| shown(&text.into(), true);
        assert_eq!(shown("::error::x"), ": :error::x");
        assert_eq!(shown("a\n \u{a0}::stop-commands::x"), "a\n \u{a0}: :stop-commands::x");
        assert_eq!(shown("a\r::error::x"), "a\\r::error::x", "a return ends no line");
        assert_eq!(shown("x ###[error]y ##[a"), "x ## #[error]y # #[a");
        assert_eq!(shown("feature::scenario"), "feature::scenario");
        let split = Line::new().text(":").paint(Style::new(), ":error::x");
        assert_eq!(super::tests::shown(&split, true), ": :error::x");
    }

    #[test]
    fn json_keeps_its_values() {
        let value = serde_json::json!({ "a\u{9b}": "\u{1b}[2J\u{7f}\u{2028}\u{e0041}##[error]###[" });
        let line = shown(&Line::json(&value).expect("JSON"), false);
        assert!(line.chars().all(|c| !steers(c)) && !line.contains("##["), "{line}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&line).expect("JSON"), value);
    }
}
