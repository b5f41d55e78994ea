//! Who has a place: the name of a session, which says to which run it belongs.

use std::fmt;
use std::str::FromStr;

/// What stands before the run's name in the session's name.
const MARK: &str = "hil-";

/// The name of a run's session: `HOST/hil-RUN`. labgrid's own clients are called `HOST/USER`.
///
/// # Example
/// ```
/// let owner = hil_labgrid::Owner::new("ci-7", "20261127T190000Z-1");
/// assert_eq!(owner.to_string(), "ci-7/hil-20261127T190000Z-1");
/// assert_eq!("ci-7/hil-20261127T190000Z-1".parse(), Ok(owner));
/// assert!("ci-7/anna".parse::<hil_labgrid::Owner>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    host: String,
    run: String,
}

/// It is not the name of a session of `hil`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a session of hil")]
pub struct NotOurs(pub String);

impl Owner {
    /// The session of a run on this host. Characters that a name can't have become `-`.
    #[must_use]
    pub fn new(host: &str, run: &str) -> Self {
        Self { host: part(host), run: part(run) }
    }

    /// The computer that the run is on.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &str {
        &self.run
    }
}

/// A name has one `/`, and no client of labgrid expects blanks in it.
fn part(text: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    if text.is_empty() { "-".to_owned() } else { text.chars().take(100).map(kept).collect() }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{MARK}{}", self.host, self.run)
    }
}

impl FromStr for Owner {
    type Err = NotOurs;

    fn from_str(text: &str) -> Result<Self, NotOurs> {
        let parts = text.split_once('/').and_then(|(host, user)| Some((host, user.strip_prefix(MARK)?)));
        let Some((host, run)) = parts.filter(|(host, run)| !host.is_empty() && !run.is_empty() && !run.contains('/'))
        else {
            return Err(NotOurs(text.to_owned()));
        };
        Ok(Self { host: host.to_owned(), run: run.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_exactly_one_slash() {
        for (host, run) in [("pi/a", "x/y"), ("", ""), ("a b", "ü"), ("pi-a", "20261127T190000Z-1")] {
            let name = Owner::new(host, run).to_string();
            assert_eq!(name.matches('/').count(), 1, "{name}");
            assert_eq!(name.parse::<Owner>().map(|owner| owner.to_string()), Ok(name));
        }
    }

    #[test]
    fn other_clients_are_not_ours() {
        for name in ["", "pi-a/anna", "pi-a", "pi-a/hil-", "/hil-x", "pi-a/hil-x/y"] {
            assert_eq!(name.parse::<Owner>(), Err(NotOurs(name.to_owned())), "{name}");
        }
    }
}
