//! Texts in quotes, as steps take them: `"…"` and `'…'`.
//!
//! A backslash before the quote that opened the text escapes that quote. Before anything else it is a plain backslash,
//! so that regular expressions and JSON need no escaping. Just before such a quote, and at the end of the text, two
//! backslashes mean one.

/// A regular expression for a text in quotes, without groups.
pub(crate) const QUOTED: &str = r#""(?:[^"\\]|\\[\s\S])*"|'(?:[^'\\]|\\[\s\S])*'"#;

/// The text between the quotes; `quoted` includes them.
pub(crate) fn unquote(quoted: &str) -> String {
    let mut chars = quoted.chars();
    let Some(quote) = chars.next() else { return String::new() };
    let content = chars.as_str();
    let content = content.strip_suffix(quote).unwrap_or(content);
    let mut text = String::with_capacity(content.len());
    let mut rest = content;
    while let Some(at) = rest.find('\\') {
        let (before, tail) = rest.split_at(at);
        let run = tail.len() - tail.trim_start_matches('\\').len();
        let after = &tail[run..];
        let halved = after.is_empty() || after.starts_with(quote);
        text.push_str(before);
        text.push_str(&tail[..if halved { run / 2 } else { run }]);
        rest = after;
    }
    text.push_str(rest);
    text
}

/// Writes a text in quotes: the opposite of [`unquote`].
pub(crate) fn quote(text: &str, quote: char) -> String {
    let mut quoted = String::from(quote);
    let mut backslashes = 0;
    for c in text.chars() {
        if c == quote {
            // Doubles the backslashes before a quote; one more escapes it.
            quoted.extend(std::iter::repeat_n('\\', backslashes + 1));
        }
        backslashes = if c == '\\' { backslashes + 1 } else { 0 };
        quoted.push(c);
    }
    quoted.extend(std::iter::repeat_n('\\', backslashes));
    quoted.push(quote);
    quoted
}

/// A step's text with each text in quotes changed.
pub(crate) fn map_quoted(text: &str, change: impl Fn(&str) -> String) -> String {
    let changed = |part: &Part<'_>| match part {
        Part::Plain(plain) => (*plain).to_owned(),
        Part::Quoted(quoted) => requote(quoted, &change(&unquote(quoted))),
    };
    parts(text).iter().map(changed).collect()
}

/// A step's text with each text in quotes changed, given the plain text before it. What does not change stays as written.
pub(crate) fn map_named(text: &str, change: impl Fn(&str, &str) -> String) -> String {
    let (mut before, mut changed) = ("", String::with_capacity(text.len()));
    for part in parts(text) {
        match part {
            Part::Plain(plain) => {
                before = plain;
                changed.push_str(plain);
            }
            Part::Quoted(quoted) => {
                let name = unquote(quoted);
                let new = change(before, &name);
                if new == name { changed.push_str(quoted) } else { changed.push_str(&requote(quoted, &new)) }
            }
        }
    }
    changed
}

/// Another text in the same kind of quotes.
pub(crate) fn requote(quoted: &str, text: &str) -> String {
    quote(text, if quoted.starts_with('"') { '"' } else { '\'' })
}

/// The parts of a step: alternately outside and inside quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Plain(&'a str),
    /// With its quotes.
    Quoted(&'a str),
}

/// Splits a step's text. An apostrophe within a word and an unclosed quote don't count as quotes.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut plain_from, mut at) = (0, 0);
    while let Some(found) = text[at..].find(['"', '\'']) {
        let open = at + found;
        let quote = if text[open..].starts_with('"') { '"' } else { '\'' };
        let within_word = quote == '\'' && text[..open].chars().next_back().is_some_and(char::is_alphanumeric);
        match end(&text[open + 1..], quote).filter(|_| !within_word) {
            Some(length) => {
                let close = open + 1 + length;
                parts.push(Part::Plain(&text[plain_from..open]));
                parts.push(Part::Quoted(&text[open..=close]));
                (plain_from, at) = (close + 1, close + 1);
            }
            None => at = open + 1,
        }
    }
    parts.push(Part::Plain(&text[plain_from..]));
    parts
}

/// Where a text in quotes ends; a backslash escapes the character after it.
fn end(text: &str, quote: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })
}

/// A step's text with nothing between its quotes, to compare steps regardless of names and payloads.
pub(crate) fn skeleton(text: &str) -> String {
    let shown = |part: &Part<'_>| match part {
        Part::Plain(text) => (*text).to_owned(),
        Part::Quoted(_) => "\"\"".to_owned(),
    };
    parts(text).iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use cucumber::gherkin::StepType;
    use proptest::prelude::*;

    use super::*;
    use crate::forms;
    use crate::parameters::Text;
    use crate::registry::{STEPS, bare_step};
    use crate::spec::Kind;

    /// Difficult texts: quotes, backslashes and line breaks side by side.
    fn any_text() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            Just("\\".to_owned()),
            Just("\"".to_owned()),
            Just("'".to_owned()),
            Just("\n".to_owned()),
            Just("{\"a\": 1}".to_owned()),
            "\\PC{0,4}",
        ];
        proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn a_step_reads_what_is_quoted(text in any_text(), of in prop_oneof![Just('"'), Just('\'')]) {
            let quoted = quote(&text, of);
            prop_assert_eq!(unquote(&quoted), text.as_str());
            let step = bare_step(&format!("I publish {quoted} to 't' with QoS 1"), StepType::When);
            let (_, _, _, context) = STEPS.find(&step).expect("not ambiguous").expect("a step");
            let taken: Text = context.matches[1].1.parse().expect("a text");
            prop_assert_eq!(&taken.0, &text);
            let reading = forms::read(&step).expect("a step");
            prop_assert_eq!(reading.first(Kind::Text), Some(text.as_str()));
            prop_assert_eq!(reading.first(Kind::Topic), Some("t"));
            prop_assert_eq!(skeleton(&step.value), "I publish \"\" to \"\" with QoS 1");
        }
    }

    #[test]
    fn a_backslash_escapes_only_its_own_quote() {
        for (quoted, text) in [
            (r#""on""#, "on"),
            (r#""{\"a\": 1}""#, r#"{"a": 1}"#),
            (r#"'{"a": 1}'"#, r#"{"a": 1}"#),
            (r#"'{"a": "x\"y"}'"#, r#"{"a": "x\"y"}"#),
            (r#""it's""#, "it's"),
            (r"'it\'s'", "it's"),
            (r#""/^\d+\\$/""#, r"/^\d+\\$/"),
            (r#""C:\temp\\""#, r"C:\temp\"),
            (r#""\\\"x""#, r#"\"x"#),
            (r#""""#, ""),
            ("''", ""),
        ] {
            assert_eq!(unquote(quoted), text, "{quoted}");
        }
    }

    #[test]
    fn a_step_is_split_at_its_quotes() {
        use Part::{Plain, Quoted};
        assert_eq!(
            parts(r#"I publish '{"a": 1}' to "t\"" now"#),
            [Plain("I publish "), Quoted(r#"'{"a": 1}'"#), Plain(" to "), Quoted(r#""t\"""#), Plain(" now")]
        );
        assert_eq!(parts("the broker's 5 o'clock"), [Plain("the broker's 5 o'clock")]);
        assert_eq!(parts(r#"an open " quote"#), [Plain(r#"an open " quote"#)]);
        assert_eq!(skeleton(r#"'lamp' publishes "a""#), r#""" publishes """#);
    }
}
