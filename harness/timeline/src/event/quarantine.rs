//! Scenarios that may fail.

use serde::{Deserialize, Serialize};

/// Why a scenario may fail without failing the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// Why it is in quarantine.
    pub reason: String,
    /// The last day on which it is, as `YYYY-MM-DD`.
    pub until: String,
    /// The address of its issue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
}

impl Quarantine {
    /// `in quarantine until 2026-12-31: REASON (ISSUE)`.
    #[must_use]
    pub fn text(&self) -> String {
        let issue = self.issue.as_ref().map_or(String::new(), |issue| format!(" ({issue})"));
        format!("in quarantine until {}: {}{issue}", self.until, self.reason)
    }
}
