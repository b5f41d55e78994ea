//! Removes what differs between runs although nothing changed.

use std::sync::LazyLock;

use hil_verdict::{TextPattern, topic_matches};
use regex::Regex;

/// A rule that a feature sets for its snapshots.
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

/// Rules that always apply: a pattern and its replacement.
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

/// The end of a client id that is made from the chip's address or is random.
static CLIENT_ID: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[0-9a-fA-F]{4,}$").ok());

/// Whether messages on a topic are left out.
pub(super) fn is_left_out(rules: &[Rule], topic: &str) -> bool {
    rules.iter().any(|rule| matches!(rule, Rule::LeaveOut { filter } if topic_matches(filter, topic)))
}

/// A text without what differs between runs.
pub(super) fn redacted(rules: &[Rule], text: &str) -> String {
    let mut shown = text.to_owned();
    // The feature's rules come first: they are more specific.
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
    /// The rule that shows the name of a board as that of the role that it plays; none if they are the same.
    pub(crate) fn role(board: &str, role: &str) -> Option<Self> {
        let pattern = Regex::new(&format!(r"\b{}\b", regex::escape(board))).ok();
        pattern.filter(|_| board != role).map(|pattern| Self::Show { pattern, shown: role.to_owned() })
    }

    /// The rule of a step. Patterns of steps match bytes, because payloads are bytes; a trace is text.
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
    fn what_differs_between_runs_is_replaced() {
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
        let role = Rule::role("lamp-2", "lamp").expect("they differ");
        assert_eq!(redacted(&[role], "`lamp-2`, lamp-20, a/lamp-2/b"), "`lamp`, lamp-20, a/lamp/b");
        assert!(Rule::role("lamp", "lamp").is_none());
        let rules = [Rule::LeaveOut { filter: "tele/#".to_owned() }];
        assert!(is_left_out(&rules, "tele/lamp/state") && !is_left_out(&rules, "loger"));
    }
}
