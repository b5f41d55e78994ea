//! What differs from run to run although nothing changed.

use std::sync::LazyLock;

use hil_verdict::{TextPattern, topic_matches};
use regex::Regex;

/// What a feature says about its snapshots.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    /// Messages on these topics are left out.
    LeaveOut {
        /// Topic filter.
        filter: String,
    },
    /// Text is replaced.
    Show {
        /// What is replaced.
        pattern: Regex,
        /// By what.
        shown: String,
    },
}

/// Rules that always hold: what they name, and its form.
static ALWAYS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rules = [
        (r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b", "[uuid]"),
        (r"\b(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}\b", "[mac]"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?", "[time]"),
        // Seconds or milliseconds since 1970, from 2001 to 2286.
        (r"\b[1-9]\d{9}(?:\d{3})?\b", "[time]"),
    ];
    rules.iter().filter_map(|(rule, shown)| Some((Regex::new(rule).ok()?, *shown))).collect()
});

/// The end of a client id that is made of the chip's address or of chance.
static CLIENT_ID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[0-9a-fA-F]{4,}$").ok());

/// Whether messages on a topic are left out.
pub(super) fn is_left_out(rules: &[Rule], topic: &str) -> bool {
    rules.iter().any(|rule| matches!(rule, Rule::LeaveOut { filter } if topic_matches(filter, topic)))
}

/// A text as every run shows it.
pub(super) fn redacted(rules: &[Rule], text: &str) -> String {
    let mut shown = text.to_owned();
    // What a feature says comes first: it knows better.
    for rule in rules {
        match rule {
            Rule::Show { pattern, shown: by } => {
                shown = pattern.replace_all(&shown, regex::NoExpand(by)).into_owned();
            }
            Rule::LeaveOut { .. } => {}
        }
    }
    ALWAYS.iter().fold(shown, |shown, (rule, by)| rule.replace_all(&shown, regex::NoExpand(by)).into_owned())
}

pub(super) fn client_id(id: &str) -> String {
    CLIENT_ID.as_ref().map_or_else(|| id.to_owned(), |rule| rule.replace(id, "[id]").into_owned())
}

impl Rule {
    /// What a step says. Payloads are bytes, and so are the patterns of steps; a trace is text.
    pub(crate) fn show(pattern: &TextPattern, shown: String) -> Result<Self, regex::Error> {
        let pattern = match pattern {
            TextPattern::Exact(text) => Regex::new(&regex::escape(text)),
            TextPattern::Matching(bytes) => Regex::new(bytes.as_str()),
        };
        Ok(Self::Show { pattern: pattern?, shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_made_the_same() {
        let show = |text: &str, shown: &str| {
            Rule::show(&TextPattern::parse(text).expect("pattern"), shown.to_owned()).expect("text")
        };
        let rules = [show(r"/\d+\.\d+ °C/", "[temperature]"), show("secret", "$1")];
        let text = "21.5 °C at 2026-11-21T19:26:09Z from aa:bb:cc:dd:ee:ff, 1795000000, 1795000000123, 42, secret";
        assert_eq!(redacted(&rules, text), "[temperature] at [time] from [mac], [time], [time], 42, $1");
        assert_eq!(redacted(&[], "id 123e4567-e89b-12d3-a456-426614174000"), "id [uuid]");
        assert_eq!(
            (client_id("lamp-f0ef3b"), client_id("lamp"), client_id("lamp-7")),
            ("lamp-[id]".to_owned(), "lamp".to_owned(), "lamp-7".to_owned())
        );
        let rules = [Rule::LeaveOut { filter: "tele/#".to_owned() }];
        assert!(is_left_out(&rules, "tele/lamp/state") && !is_left_out(&rules, "loger"));
    }
}
