//! Patterns: those of resources, as labgrid has them, and those of tags.

use std::collections::BTreeMap;

use regex::Regex;

/// Tags that a place must have: each value matches its regular expression from its first character to its last.
///
/// # Example
/// ```
/// use std::collections::BTreeMap;
/// let tags = |value: &str| BTreeMap::from([("hil_board".to_owned(), value.to_owned())]);
/// let filter = hil_labgrid::TagFilter::new(&tags("lamp(-[0-9])?")).expect("an expression");
/// assert!(filter.matches(&tags("lamp")) && filter.matches(&tags("lamp-2")));
/// assert!(!filter.matches(&tags("lamp-22")) && !filter.matches(&tags("desk-lamp")));
/// ```
#[derive(Debug, Clone, Default)]
pub struct TagFilter(BTreeMap<String, Regex>);

impl TagFilter {
    /// Reads expressions by the names of their tags.
    ///
    /// # Errors
    /// If one is not a regular expression.
    pub fn new(expressions: &BTreeMap<String, String>) -> Result<Self, regex::Error> {
        let anchored = |(tag, text): (&String, &String)| Ok((tag.clone(), Regex::new(&format!("^(?:{text})$"))?));
        expressions.iter().map(anchored).collect::<Result<_, _>>().map(Self)
    }

    /// Whether these tags have what is asked for.
    #[must_use]
    pub fn matches(&self, tags: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(tag, expression)| tags.get(tag).is_some_and(|value| expression.is_match(value)))
    }
}

/// Whether a name matches a pattern with `*`, `?`, `[abc]` and `[!abc]`, as Python's `fnmatch` decides.
///
/// After a mismatch, the newest `*` takes one character more: a longer one never has to be tried again.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    let mut star: Option<(&str, &str)> = None;
    loop {
        if let Some(behind) = pattern.strip_prefix('*') {
            star = Some((behind, name));
            pattern = behind;
            continue;
        }
        if pattern.is_empty() && name.is_empty() {
            return true;
        }
        if let Some((rest, behind)) = one(pattern, name) {
            (pattern, name) = (rest, behind);
            continue;
        }
        let Some((behind, taken)) = star else { return false };
        let Some(first) = taken.chars().next() else { return false };
        let shorter = &taken[first.len_utf8()..];
        star = Some((behind, shorter));
        (pattern, name) = (behind, shorter);
    }
}

/// What is left of both, if the first part of the pattern matches the first character of the name.
fn one<'p, 'n>(pattern: &'p str, name: &'n str) -> Option<(&'p str, &'n str)> {
    let (wanted, found) = (pattern.chars().next()?, name.chars().next()?);
    let (behind, rest) = (&pattern[wanted.len_utf8()..], &name[found.len_utf8()..]);
    match wanted {
        '?' => Some((behind, rest)),
        '[' => match set(behind) {
            Some((has, length)) => has(found).then(|| (&behind[length..], rest)),
            None => (found == '[').then_some((behind, rest)),
        },
        _ => (wanted == found).then_some((behind, rest)),
    }
}

/// The set behind a `[`, and how long it is with its `]`. A `]` at its begin is one of its characters.
fn set(rest: &str) -> Option<(impl Fn(char) -> bool + '_, usize)> {
    let (is_negated, body) = rest.strip_prefix('!').map_or((false, rest), |body| (true, body));
    let skipped = usize::from(body.starts_with(']'));
    let end = body[skipped..].find(']')? + skipped;
    let has = move |c: char| in_set(&body[..end], c) != is_negated;
    Some((has, rest.len() - body.len() + end + 1))
}

/// Whether a character is one of a set, such as `a-cx`.
fn in_set(set: &str, c: char) -> bool {
    let mut chars = set.chars();
    while let Some(first) = chars.next() {
        let mut ahead = chars.clone();
        if let (Some('-'), Some(last)) = (ahead.next(), ahead.next()) {
            if (first..=last).contains(&c) {
                return true;
            }
            chars = ahead;
        } else if first == c {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_pythons() {
        let cases = [
            ("*", "", true),
            ("pi-*", "pi-a", true),
            ("pi-*", "xpi-a", false),
            ("pi-?", "pi-ab", false),
            ("lamp", "lamp-2", false),
            ("pi.a", "pixa", false),
            ("pi-[ab]", "pi-b", true),
            ("pi-[!ab]", "pi-b", false),
            ("pi-[a-c]", "pi-b", true),
            ("pi-[]x]", "pi-]", true),
            ("pi-[", "pi-[", true),
            ("[^a]", "^", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("**", "x", true),
            ("*[0-9]", "lamp-ü7", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
