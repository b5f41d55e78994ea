//! Names of hosts.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a host in a run on several hosts: 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or
/// digit. It is a part of file names. Cheap to clone.
///
/// # Example
/// ```
/// let host: hil_timeline::HostName = "pi-a".parse().unwrap();
/// assert_eq!(host.as_str(), "pi-a");
/// assert!("../pi".parse::<hil_timeline::HostName>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostName(Arc<str>);

/// A text that is not the name of a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a name of a host: 1 to 64 letters, digits, `-`, `_` and `.`, beginning with a letter or digit", crate::escaped(.0))]
pub struct HostNameError(String);

impl HostName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = HostNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const LONGEST: usize = 64;
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
        if begins && text.len() <= LONGEST && text.chars().all(is_part) {
            Ok(Self(text.into()))
        } else {
            Err(HostNameError(text.to_owned()))
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for HostName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for HostName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_part_of_a_file_name() {
        for name in ["pi-a", "10.0.0.7", "a", "Lab_2.example"] {
            assert!(name.parse::<HostName>().is_ok(), "{name}");
        }
        for name in ["", ".", "..", "-oProxyCommand=x", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(name.parse::<HostName>().is_err(), "{name}");
        }
        assert!(serde_json::from_str::<HostName>(r#""../x""#).is_err());
    }
}
