//! Names of boards and firmware, and near misses of them.

use std::borrow::Borrow;
use std::fmt;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// Takes a name: letters, digits, `-` and `_`, up to 40 of them. It becomes part of file names.
            ///
            /// # Errors
            /// The characters that a name may consist of.
            pub fn new(name: &str) -> Result<Self, String> {
                let fits = !name.is_empty()
                    && name.len() <= 40
                    && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
                if fits {
                    Ok(Self(name.to_owned()))
                } else {
                    Err("a name consists of 1 to 40 letters, digits, `-` and `_`".to_owned())
                }
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

name!(
    /// Name of a board: the key of its table under `[boards]`.
    BoardName
);
name!(
    /// Name of a role: the key of its table under `[roles]`.
    RoleName
);
name!(
    /// Name of a firmware: the key of its table under `[firmware]`.
    FirmwareName
);

/// The candidate that looks most like `word`, if one comes near enough to be meant.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
