//! The steps of a scenario, and how they ended.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Failure, Verdict};
use crate::Stamp;

/// The text of a step.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepInfo {
    /// As written: `Given`, `Wenn`, `*`.
    pub keyword: String,
    /// The kind of the keyword; missing in records of versions that did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<StepKind>,
    /// Its text.
    pub text: String,
    /// Its line in the feature file.
    pub line: usize,
    /// Its data table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<Vec<Vec<String>>>,
    /// Its doc string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// The composite step of which it is a part: the keyword and text then come from a `.steps` file, and the line is that
    /// of the composite step in the feature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<PartOf>,
}

/// A composite step, as a feature uses it, and the line of one of its parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOf {
    /// Its text in the feature.
    pub step: String,
    /// The file that defines it.
    pub file: String,
    /// The line of the part in that file.
    pub part_line: usize,
}

/// The kind of a step's keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepKind {
    /// A precondition.
    Given,
    /// An action.
    When,
    /// An expectation.
    Then,
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepOutcome {
    /// The step's own verdict.
    pub verdict: Verdict,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// When the latest Given or When step took effect: deadlines count from there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Stamp>,
    /// When its wait for what it expects ended, if it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Stamp>,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl StepOutcome {
    /// How long the step took.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_micros(self.took_us)
    }
}
