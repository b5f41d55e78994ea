//! Durations in the text of a step.

use std::sync::LazyLock;

use regex::Regex;

/// Each duration as written.
pub(crate) fn durations_written(text: &str) -> impl Iterator<Item = &str> {
    static DURATION: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\b\d+(?:\.\d+)? ?(?:ms|s|min)\b").ok());
    DURATION.iter().flat_map(move |regex| regex.find_iter(text)).map(|found| found.as_str())
}
