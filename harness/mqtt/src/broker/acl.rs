//! Who may read and write which topics, in the format of Mosquitto's `acl_file`.

use std::fmt;

/// Rules of an access control list; what no rule allows is denied.
///
/// # Example
/// ```
/// use hil_mqtt::broker::{Access, Acl};
/// let acl = Acl::parse("user lamp\ntopic write loger\npattern read lamps/%c/#\n").unwrap();
/// assert!(acl.allows(Some("lamp"), "l1", "loger", Access::Write));
/// assert!(acl.allows(None, "l1", "lamps/l1/on", Access::Read));
/// assert!(!acl.allows(Some("lamp"), "l1", "loger", Access::Read));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acl {
    /// In file order.
    pub rules: Vec<AclRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclRule {
    /// Whom the rule applies to.
    pub who: Who,
    /// What the rule allows.
    pub access: Access,
    /// The topics it applies to.
    pub filter: String,
}

/// Whom a rule applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Clients without a user name.
    Anonymous,
    /// One user.
    User(String),
    /// Every client; `%u` and `%c` in the filter are replaced by its user name and client id.
    Anyone,
}

/// The access that a rule grants or a client requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Receive.
    Read,
    /// Publish.
    Write,
    /// Receive and publish.
    ReadWrite,
    /// Neither, even if another rule allows it.
    Deny,
}

/// A line of an ACL that is not a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the ACL is not a rule: `{text}`")]
pub struct AclError {
    line: usize,
    text: String,
}

impl AclError {
    pub(super) fn hint(&self) -> &'static str {
        "rules are `user NAME`, `topic [read|write|readwrite|deny] FILTER` and `pattern [read|write|readwrite|deny] FILTER`"
    }
}

impl Access {
    fn word(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::ReadWrite => "readwrite",
            Self::Deny => "deny",
        }
    }

    fn covers(self, wanted: Self) -> bool {
        self == wanted || self == Self::ReadWrite
    }
}

impl Acl {
    /// Parses the text of an ACL file.
    ///
    /// # Errors
    /// Names the first line that is not a rule.
    pub fn parse(text: &str) -> Result<Self, AclError> {
        let mut acl = Self::default();
        let mut who = Who::Anonymous;
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || AclError { line: n + 1, text: line.to_owned() };
            let (word, rest) = line.split_once(char::is_whitespace).ok_or_else(wrong)?;
            let rest = rest.trim();
            match word {
                "user" => who = Who::User(rest.to_owned()),
                "topic" | "pattern" => {
                    let (access, filter) = read_access(rest);
                    if filter.is_empty() {
                        return Err(wrong());
                    }
                    let who = if word == "pattern" { Who::Anyone } else { who.clone() };
                    acl.rules.push(AclRule { who, access, filter: filter.to_owned() });
                }
                _ => return Err(wrong()),
            }
        }
        Ok(acl)
    }

    /// Whether a client has this access; `wanted` is `Read` or `Write`, and `topic` may be a filter to subscribe to.
    #[must_use]
    pub fn allows(&self, user: Option<&str>, client_id: &str, topic: &str, wanted: Access) -> bool {
        let applies = |rule: &&AclRule| match &rule.who {
            Who::Anonymous => user.is_none(),
            Who::User(name) => user == Some(name),
            Who::Anyone => true,
        };
        let matches = |rule: &&AclRule| match rule.who {
            Who::Anyone => pattern(&rule.filter, user, client_id).is_some_and(|filter| covers(&filter, topic)),
            _ => covers(&rule.filter, topic),
        };
        let mine: Vec<_> = self.rules.iter().filter(applies).filter(matches).collect();
        let denied = mine.iter().any(|rule| rule.access == Access::Deny);
        !denied && mine.iter().any(|rule| rule.access.covers(wanted))
    }
}

/// The filter that a pattern gives for this client. None if its name contains a wildcard, as in Mosquitto: clients
/// choose their names, and a wildcard would widen the filter.
fn pattern(pattern: &str, user: Option<&str>, client_id: &str) -> Option<String> {
    let names = [("%c", Some(client_id)), ("%u", user)];
    if names.iter().any(|(_, name)| name.is_some_and(|name| name.contains(['+', '#']))) {
        return None;
    }
    names.iter().try_fold(pattern.to_owned(), |filter, (place, name)| match name {
        _ if !pattern.contains(place) => Some(filter),
        Some(name) if !name.contains('/') => Some(filter.replace(place, name)),
        _ => None,
    })
}

/// Whether `filter` covers everything that `wanted`, a topic or a filter, matches.
fn covers(filter: &str, wanted: &str) -> bool {
    // §4.7.2: a leading wildcard does not match topics that start with `$`.
    if wanted.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let mut wanted = wanted.split('/');
    let mut levels = filter.split('/');
    loop {
        match (levels.next(), wanted.next()) {
            // `a/#` also matches `a`.
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(level), Some(wanted)) if level == wanted => {}
            _ => return false,
        }
    }
}

fn read_access(text: &str) -> (Access, &str) {
    for access in [Access::ReadWrite, Access::Read, Access::Write, Access::Deny] {
        if let Some(rest) = text.strip_prefix(access.word())
            && rest.starts_with(char::is_whitespace)
        {
            return (access, rest.trim());
        }
    }
    (Access::ReadWrite, text)
}

/// In the format that Mosquitto reads.
impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rules without a user come first: a `user` line applies up to the end of the file.
        let line = |rule: &AclRule, word: &str| format!("{word} {} {}", rule.access.word(), rule.filter);
        for rule in self.rules.iter().filter(|rule| rule.who == Who::Anonymous) {
            writeln!(f, "{}", line(rule, "topic"))?;
        }
        for rule in self.rules.iter().filter(|rule| rule.who == Who::Anyone) {
            writeln!(f, "{}", line(rule, "pattern"))?;
        }
        for rule in &self.rules {
            if let Who::User(name) = &rule.who {
                writeln!(f, "user {name}\n{}", line(rule, "topic"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acl_survives_the_round_trip_through_its_text() {
        let text = "topic read a\npattern write b/%c\nuser lamp\ntopic readwrite c/#\nuser lamp\ntopic deny c/d\n";
        let acl = Acl::parse(text).expect("rules");
        assert_eq!(acl.to_string(), text);
        assert!(acl.allows(Some("lamp"), "x", "c/e", Access::Write));
        assert!(!acl.allows(Some("lamp"), "x", "c/d", Access::Write), "denied");
        assert!(acl.allows(Some("lamp"), "x", "c/+", Access::Read), "a filter to subscribe to");
        assert!(!acl.allows(Some("lamp"), "x", "#", Access::Read), "more than is allowed");
        assert!(!acl.allows(Some("other"), "x", "c/e", Access::Read));
        assert!(acl.allows(Some("other"), "x", "b/x", Access::Write));
    }

    #[test]
    fn a_name_with_a_wildcard_grants_nothing() {
        let acl = Acl::parse("pattern readwrite own/%c/#\npattern read %u/all\npattern read news\n").expect("rules");
        assert!(acl.allows(Some("lamp"), "l1", "own/l1/x", Access::Write));
        for (user, id, topic) in [
            (Some("lamp"), "+", "own/l1/x"),
            (Some("lamp"), "#", "own/l1/x"),
            (Some("lamp"), "l1/x", "own/l1/x/y"),
            (Some("+"), "l1", "lamp/all"),
            (Some("a/b"), "l1", "a/b/all"),
            (None, "l1", "/all"),
            (Some("+"), "l1", "news"),
        ] {
            assert!(!acl.allows(user, id, topic, Access::Read), "{user:?} {id} {topic}");
        }
        assert!(acl.allows(None, "l1", "news", Access::Read));
    }

    #[test]
    fn a_line_that_is_not_a_rule_is_reported() {
        let errors: Vec<_> = ["topic\n", "user a\n\nallow all\n", "pattern\n"]
            .iter()
            .map(|text| Acl::parse(text).expect_err(text))
            .map(|error| format!("{error}; {}", error.hint()))
            .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
