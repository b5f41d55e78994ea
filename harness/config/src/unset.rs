//! Environment variables that a bench file names and that are not set: they stop only what needs them.

use std::path::PathBuf;

use crate::problem::{ConfigError, Problem};
use crate::table::joined;

/// A part of a bench that may need a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// The broker: for scenarios, and whatever else starts it.
    Broker,
    /// A firmware: to put it on a board.
    Firmware(&'a str),
    /// A board: to open it and to switch its power.
    Board(&'a str),
}

impl Part<'_> {
    /// Whether a key of the file is one of this part.
    fn has(self, key: &str) -> bool {
        let begin = match self {
            Self::Broker => "broker".to_owned(),
            Self::Firmware(name) => joined("firmware", name),
            Self::Board(name) => joined("boards", name),
        };
        key.strip_prefix(&begin).is_some_and(|rest| rest.starts_with(['.', '[']))
    }
}

/// Environment variables that a bench file names and that are not set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Unset {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) problems: Vec<Problem>,
}

impl Unset {
    /// An error, where a part needs a variable that is not set.
    pub(crate) fn check(&self, part: Part<'_>) -> Result<(), ConfigError> {
        let problems: Vec<_> = self.problems.iter().filter(|problem| part.has(&problem.key)).cloned().collect();
        if problems.is_empty() {
            return Ok(());
        }
        Err(ConfigError::Invalid { path: self.path.clone(), text: self.text.clone(), problems })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_belongs_to_its_part() {
        for (part, key, is_its) in [
            (Part::Broker, "broker.password", true),
            (Part::Firmware("lamp"), "firmware.lamp.nvs.\"wifi.password\"", true),
            (Part::Firmware("lamp"), "firmware.lamp-2.nvs.a", false),
            (Part::Firmware("l.1"), "firmware.\"l.1\".env.A", true),
            (Part::Board("lamp"), "boards.lamp.rails[0].password", true),
            (Part::Board("lamp"), "firmware.lamp.nvs.a", false),
        ] {
            assert_eq!(part.has(key), is_its, "{part:?} {key}");
        }
    }
}
