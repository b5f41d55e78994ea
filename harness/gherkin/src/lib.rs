//! Gherkin: parses feature files in any of its languages into scenarios with true line numbers.
//!
//! [`parse`] follows the official grammar (`gherkin.berp` of cucumber/gherkin) and is independent of steps, boards and
//! cucumber. `ci/soak/gherkin` compares it with the official test data.

mod document;
mod fault;
mod language;
mod line;
mod outline;
mod parse;
mod row;

pub use document::{Background, Document, Examples, Feature, Heading, Row, Rule, Scenario, Step, StepKind, Text};
pub use fault::{Expected, Fault, FaultKind};
pub use language::{Headline, Language};
pub use outline::Case;
pub use parse::{language_of, parse};
