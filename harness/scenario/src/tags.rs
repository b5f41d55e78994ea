//! Tags with a meaning of their own.

/// Scenarios with this tag run only when selected by path or by tag.
pub(crate) const OPT_IN: &str = "opt-in";

/// The number of retries of a tag: 1 for `retry`, n for `retry(n)`.
pub(crate) fn retries(tag: &str) -> Option<u32> {
    let rest = tag.strip_prefix("retry")?;
    if rest.is_empty() { Some(1) } else { rest.strip_prefix('(')?.strip_suffix(')')?.parse().ok() }
}

/// Whether a tag is a misspelt retry tag.
pub(crate) fn is_misspelt(tag: &str) -> bool {
    tag.starts_with("retry") && retries(tag).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspelt_retry_tags_are_found() {
        assert!(is_misspelt("retry(two)") && is_misspelt("retry2") && !is_misspelt("retry(2)") && !is_misspelt("slow"));
    }
}
