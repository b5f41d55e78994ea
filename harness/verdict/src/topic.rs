//! Topic names and topic filters (MQTT 3.1.1 §4.7, MQTT 5 §4.7 and §4.8.2).

/// Longest topic name or filter: its length is two bytes (§1.5.3).
const LONGEST: usize = 65_535;

/// The filter itself: for a shared subscription `$share/GROUP/FILTER` it is `FILTER` (MQTT 5 §4.8.2).
fn selected(filter: &str) -> &str {
    let shared = filter.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
    shared.map_or(filter, |(_, filter)| filter)
}

/// Whether a topic matches a topic filter; a shared subscription covers what its filter covers.
///
/// # Example
/// ```
/// use hil_verdict::topic_matches;
/// assert!(topic_matches("sister/+", "sister/temp"));
/// assert!(topic_matches("$share/group/sister/#", "sister"));
/// assert!(!topic_matches("#", "$SYS/uptime"));
/// ```
#[must_use]
pub fn topic_matches(filter: &str, topic: &str) -> bool {
    let filter = selected(filter);
    // §4.7.2: a wildcard at the beginning does not match topics that begin with `$`.
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            // It also matches the parent level.
            ("#", _) => return true,
            (_, None) => return false,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Whether a subscription to `filter` delivers everything that `wanted`, a topic or a filter, matches.
///
/// # Example
/// ```
/// use hil_verdict::covers;
/// assert!(covers("a/#", "a/+") && covers("$share/g/t/+", "t/1") && !covers("a/+", "a/#"));
/// ```
#[must_use]
pub fn covers(filter: &str, wanted: &str) -> bool {
    if filter == wanted {
        return true;
    }
    // A member of a group gets no other messages: each one goes to one of the group.
    if wanted.starts_with("$share/") {
        return false;
    }
    if !wanted.contains(['+', '#']) {
        return topic_matches(filter, wanted);
    }
    let mut levels = wanted.split('/');
    for level in selected(filter).split('/') {
        match (level, levels.next()) {
            ("#", _) => return true,
            ("+", Some(wanted)) if wanted != "#" => {}
            (level, Some(wanted)) if level == wanted => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Checks a topic name to publish to.
///
/// # Errors
/// Reports what is wrong with it.
pub fn check_topic(topic: &str) -> Result<(), String> {
    check_text(topic, "topic")?;
    if topic.contains(['+', '#']) {
        return Err("a topic to publish to must not have the wildcards `+` and `#`".to_owned());
    }
    Ok(())
}

/// Checks a topic filter to subscribe to.
///
/// # Errors
/// Reports what is wrong with it.
///
/// # Example
/// ```
/// use hil_verdict::check_filter;
/// assert!(check_filter("a/+/#").is_ok() && check_filter("a/b+").is_err() && check_filter("a#").is_err());
/// ```
pub fn check_filter(filter: &str) -> Result<(), String> {
    check_text(filter, "topic filter")?;
    if let Some(rest) = filter.strip_prefix("$share/") {
        let Some((group, shared)) = rest.split_once('/') else {
            return Err("a shared subscription is written `$share/GROUP/FILTER`".to_owned());
        };
        if group.is_empty() || group.contains(['+', '#']) {
            return Err("the group of a shared subscription must not be empty or have wildcards".to_owned());
        }
        return check_levels(shared);
    }
    check_levels(filter)
}

fn check_levels(filter: &str) -> Result<(), String> {
    if filter.is_empty() {
        return Err("a topic filter must have at least one character".to_owned());
    }
    let last = filter.split('/').count() - 1;
    for (n, level) in filter.split('/').enumerate() {
        if level.contains('#') && (level != "#" || n != last) {
            return Err("`#` must be the whole last level, as in `a/#`".to_owned());
        }
        if level.contains('+') && level != "+" {
            return Err("`+` must be a whole level, as in `a/+/b`".to_owned());
        }
    }
    Ok(())
}

fn check_text(text: &str, what: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err(format!("a {what} must have at least one character"));
    }
    if text.contains('\0') {
        return Err(format!("a {what} must not have a NUL character"));
    }
    if text.len() > LONGEST {
        return Err(format!("a {what} must have at most {LONGEST} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_examples_of_the_specification_hold() {
        for topic in ["sport/tennis/player1", "sport/tennis/player1/ranking", "sport/tennis/player1/score/wimbledon"] {
            assert!(topic_matches("sport/tennis/player1/#", topic));
        }
        assert!(
            topic_matches("sport/#", "sport") && topic_matches("+/+", "/finance") && topic_matches("/+", "/finance")
        );
        assert!(
            !topic_matches("+", "/finance") && !topic_matches("sport/+", "sport") && topic_matches("sport/+", "sport/")
        );
        assert!(!topic_matches("#", "$SYS/x") && !topic_matches("+/monitor", "$SYS/monitor"));
        assert!(topic_matches("$SYS/#", "$SYS/x") && topic_matches("$SYS/monitor/+", "$SYS/monitor/Clients"));
        assert!(topic_matches("+/b/#", "a/b") && !topic_matches("+/b/#", "a"));
    }

    #[test]
    fn filters_cover_topics_and_narrower_filters() {
        for (filter, wanted) in
            [("#", "a/#"), ("a/+/c", "a/+/c"), ("a/#", "a/+/c"), ("$share/g/a/#", "a/b"), ("a/#", "a")]
        {
            assert!(covers(filter, wanted), "{filter} {wanted}");
        }
        for (filter, wanted) in [("a/+", "a/#"), ("a/b", "a/+"), ("+", "#"), ("$share/g/a", "b"), ("a", "a/b")] {
            assert!(!covers(filter, wanted), "{filter} {wanted}");
        }
    }

    #[test]
    fn invalid_filters_are_rejected_with_the_reason() {
        let filters = ["", "t#", "a/b+", "a/#/b", "$share/g", "$share//t", "$share/g+/t", "$share/g/", "a\0"];
        let mut text: Vec<_> =
            filters.iter().map(|it| format!("{it:?}: {}", check_filter(it).expect_err("refused"))).collect();
        text.extend(["", "a/+", "#"].iter().map(|it| format!("{it:?}: {}", check_topic(it).expect_err("refused"))));
        insta::assert_snapshot!(text.join("\n"));
        for good in ["#", "+", "/", "a//b", "$share/g/t/+", "$SYS/#", "ä/+"] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
    }

    proptest! {
        #[test]
        fn another_implementation_agrees(filter in "[ab+#/]{1,7}", topic in "[ab/]{1,7}") {
            prop_assume!(check_filter(&filter).is_ok());
            prop_assert_eq!(topic_matches(&filter, &topic), mqtt5_protocol::topic_matching::matches(&topic, &filter));
        }
    }
}
