//! Who may read and write which topics, in the format of Mosquitto's `acl_file`.

use std::fmt;

/// Rules; whoever has none that allows something may not do it.
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
    /// In their order.
    pub rules: Vec<AclRule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AclRule {
    /// Whom it is about.
    pub who: Who,
    /// What it allows.
    pub access: Access,
    /// Where.
    pub filter: String,
}

/// Whom a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// Clients without a user name.
    Anonymous,
    /// One user.
    User(String),
    /// Anyone; `%u` and `%c` in the filter are the user name and the client id.
    Anyone,
}

/// What a rule allows, or somebody wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To receive.
    Read,
    /// To publish.
    Write,
    /// Both.
    ReadWrite,
    /// Neither, whatever other rules say.
    Deny,
}

/// What is wrong with an ACL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the ACL is no rule: `{text}`")]
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
    /// Reads the file's text.
    ///
    /// # Errors
    /// Names the first line that is no rule.
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

    /// Whether somebody may do something; `wanted` is `Read` or `Write`, and `topic` may be a filter to subscribe to.
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

/// The filter that a pattern stands for. For whom a name would change what it matches it matches nothing, as Mosquitto has
/// it: clients choose their names.
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

/// Whether everything that `wanted`, a topic or a filter, stands for is in `filter`.
fn covers(filter: &str, wanted: &str) -> bool {
    // §4.7.2: wildcards at the beginning don't take topics of the broker's own.
    if wanted.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let mut wanted = wanted.split('/');
    let mut levels = filter.split('/');
    loop {
        match (levels.next(), wanted.next()) {
            // `a/#` takes `a` as well.
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

/// As Mosquitto reads it.
impl fmt::Display for Acl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rules for nobody in particular come first: a `user` line holds to the end of the file.
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
    fn what_is_written_is_read_back() {
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
    fn a_name_that_is_a_filter_opens_nothing() {
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
    fn a_line_that_is_no_rule_is_named() {
        let errors: Vec<_> = ["topic\n", "user a\n\nallow all\n", "pattern\n"]
            .iter()
            .map(|text| Acl::parse(text).expect_err(text))
            .map(|error| format!("{error}; {}", error.hint()))
            .collect();
        insta::assert_snapshot!(errors.join("\n"));
    }
}
