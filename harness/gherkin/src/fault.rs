//! What is wrong with a text that is no Gherkin.

use std::fmt;

use crate::language::Headline;

/// One thing that the grammar does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Fault {
    /// Its line, counted from 1.
    pub line: usize,
    /// What it is.
    pub kind: FaultKind,
}

/// What the grammar does not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// `# language:` names none of Gherkin's languages.
    UnknownLanguage(String),
    /// A line stands where it can't.
    Unexpected {
        /// The line, trimmed.
        text: String,
        /// Where it stands.
        expected: Expected,
    },
    /// A headline stands where it can't.
    Misplaced {
        /// Its keyword.
        keyword: String,
        /// What it begins.
        headline: Headline,
    },
    /// A text below a step begins and does not end. Its first quotes.
    UnclosedText(String),
    /// A tag has a blank in it.
    TagWithBlank(String),
    /// A row has more or fewer cells than the first of its table.
    Ragged {
        /// How many it has.
        cells: usize,
        /// How many the first row has.
        first: usize,
        /// No bar ends its last one.
        open: bool,
    },
    /// Tags stand above nothing.
    TagsOfNothing,
}

/// What may stand where something else does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The headline of the feature.
    Feature,
    /// The headline of what tags stand above.
    Tagged,
    /// The headline of a scenario or of a rule.
    Scenario,
    /// A step, what belongs below the last one, or a headline.
    Step,
    /// Rows of examples, or a headline.
    Examples,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLanguage(name) => write!(f, "Gherkin has no language `{name}`"),
            Self::Unexpected { text, expected } => match expected {
                Expected::Feature => write!(f, "`{text}` stands before the feature"),
                Expected::Tagged => write!(f, "`{text}` stands behind tags"),
                Expected::Scenario => write!(f, "`{text}` stands outside of scenarios"),
                Expected::Step if text.starts_with('|') => f.write_str("this row belongs to no step"),
                Expected::Step if text.starts_with(['"', '`']) => f.write_str("this text belongs to no step"),
                Expected::Step => write!(f, "`{text}` is no step"),
                Expected::Examples => write!(f, "`{text}` stands behind examples"),
            },
            Self::Misplaced { keyword, .. } => write!(f, "`{keyword}:` can't stand here"),
            Self::UnclosedText(quotes) => write!(f, "this text never ends: no line below begins with {quotes}"),
            Self::TagWithBlank(tag) => write!(f, "the tag `@{tag}` has a blank in it"),
            Self::Ragged { cells, first, .. } => {
                let than = if cells < first { "fewer" } else { "more" };
                write!(f, "this row has {than} cells than the first row of its table: {cells}, not {first}")
            }
            Self::TagsOfNothing => f.write_str("these tags stand above nothing"),
        }
    }
}
