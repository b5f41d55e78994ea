//! The expected value at a path in a JSON text.

use hil_timeline::Payload;
use serde_json::Value;

use super::read_pattern;
use crate::json::lacking;
use crate::number::NumberCondition;
use crate::pattern::TextPattern;
use crate::unmet::Unmet;

/// The expected value at a path in a JSON text.
#[derive(Debug, Clone)]
pub(super) enum WantedValue {
    /// This value, with its type; as it was written.
    Typed(Value, String),
    /// A text, or a value whose JSON matches.
    Pattern(TextPattern),
    Number(NumberCondition),
    /// No value at that path.
    Absent,
}

/// A cell that means that there is no such field.
pub(super) const ABSENT: &str = "is absent";

impl WantedValue {
    /// `/…/` is a pattern, `none` and `is absent` are no value, `is above 15` is a condition on a number; a number, `true`,
    /// `null`, `[…]`, `{…}` and `"…"` are JSON; any other word is text.
    pub(super) fn read(text: &str) -> Result<Self, Unmet> {
        if text == "none" || text == ABSENT {
            return Ok(Self::Absent);
        }
        if let Some(condition) = NumberCondition::of_cell(text)? {
            return Ok(Self::Number(condition));
        }
        let pattern = read_pattern(text)?;
        if matches!(pattern, TextPattern::Matching(_)) {
            return Ok(Self::Pattern(pattern));
        }
        match serde_json::from_str(text) {
            Ok(value) => Ok(Self::Typed(value, text.to_owned())),
            Err(error) if text.starts_with(['{', '[', '"']) => {
                Err(Unmet::errored(format!("`{text}` is not JSON: {error}")))
            }
            Err(_) => Ok(Self::Typed(Value::String(text.to_owned()), text.to_owned())),
        }
    }

    pub(super) fn holds(&self, found: Option<&Value>) -> bool {
        match (self, found) {
            (Self::Absent, found) => found.is_none(),
            (_, None) => false,
            (Self::Typed(wanted, _), Some(found)) => lacking(wanted, found, "$").is_none(),
            (Self::Number(condition), Some(found)) => condition.wrong_json(found).is_none(),
            (Self::Pattern(pattern), Some(found)) => pattern.matches(&Payload::from(plain(found).as_str())),
        }
    }

    /// What to add to the found value, if it differs.
    pub(super) fn note(&self, found: Option<&Value>) -> &'static str {
        match (self, found) {
            (Self::Number(condition), Some(found)) => condition.wrong_json(found).unwrap_or_default(),
            (Self::Typed(_, text), None) if text == "absent" => "; `is absent` means that there is no such field",
            _ => "",
        }
    }
}

/// A value as a pattern sees it: a text without its quotes, anything else as JSON.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl std::fmt::Display for WantedValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            // As it was typed: its quotes distinguish text from a number.
            Self::Typed(_, text) => write!(f, "`{}`", Payload::from(text.as_str())),
            Self::Pattern(pattern) => pattern.fmt(f),
            Self::Number(condition) => condition.fmt(f),
            Self::Absent => f.write_str("none"),
        }
    }
}
