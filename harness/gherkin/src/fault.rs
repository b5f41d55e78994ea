//! Syntax errors of feature files.

use std::fmt;

use crate::language::Headline;

/// One syntax error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct Fault {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its kind.
    pub kind: FaultKind,
}

/// The kinds of syntax errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// `# language:` names an unknown language.
    UnknownLanguage(String),
    /// A line that is not allowed there.
    Unexpected {
        /// The line, trimmed.
        text: String,
        /// What is allowed there.
        expected: Expected,
    },
    /// A headline that is not allowed there.
    Misplaced {
        /// Its keyword.
        keyword: String,
        /// Its kind.
        headline: Headline,
    },
    /// A doc string without closing quotes. Its opening quotes.
    UnclosedText(String),
    /// A tag with a space in it.
    TagWithBlank(String),
    /// A row with more or fewer cells than the first one of its table.
    Ragged {
        /// Its number of cells.
        cells: usize,
        /// The number of cells of the first row.
        first: usize,
        /// The last cell has no closing bar.
        open: bool,
    },
    /// Tags without a headline.
    TagsOfNothing,
}

/// What is allowed in a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The headline of the feature.
    Feature,
    /// A headline for the tags before.
    Tagged,
    /// The headline of a scenario or of a rule.
    Scenario,
    /// A step, part of the previous one, or a headline.
    Step,
    /// Rows of examples, or a headline.
    Examples,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownLanguage(name) => write!(f, "Gherkin has no language `{name}`"),
            Self::Unexpected { text, expected } => match expected {
                Expected::Feature => write!(f, "`{text}` is not allowed before the feature"),
                Expected::Tagged => write!(f, "`{text}` is not allowed after tags"),
                Expected::Scenario => write!(f, "`{text}` is outside of a scenario"),
                Expected::Step if text.starts_with('|') => f.write_str("this row belongs to no step"),
                Expected::Step if text.starts_with(['"', '`']) => f.write_str("this text belongs to no step"),
                Expected::Step => write!(f, "`{text}` is not a step"),
                Expected::Examples => write!(f, "`{text}` is not allowed after examples"),
            },
            Self::Misplaced { keyword, .. } => write!(f, "`{keyword}:` is not allowed here"),
            Self::UnclosedText(quotes) => write!(f, "this text is not closed: no later line begins with {quotes}"),
            Self::TagWithBlank(tag) => write!(f, "the tag `@{tag}` contains a space"),
            Self::Ragged { cells, first, .. } => {
                let than = if cells < first { "fewer" } else { "more" };
                write!(f, "this row has {than} cells than the first row of its table: {cells}, not {first}")
            }
            Self::TagsOfNothing => f.write_str("these tags have no feature, rule, scenario or examples after them"),
        }
    }
}
