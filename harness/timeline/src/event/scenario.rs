//! A scenario, with the boards that it names and those that play its roles.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::quarantine::Quarantine;

/// A role of a scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleInfo {
    /// What the scenario calls the board.
    pub role: String,
    /// The boards that may play it; once the scenario has started, the one that does.
    pub boards: Vec<String>,
}

/// A scenario as a report shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioInfo {
    /// Name of its feature.
    pub feature: String,
    /// Name of its rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Path of the feature file, as given.
    pub path: String,
    /// Line of the scenario (of the example row in an outline).
    pub line: usize,
    /// Its name, with the values of its example row; unique within its feature or rule.
    pub name: String,
    /// Its tags and its feature's, without `@`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The boards it names; once it has started, those it runs on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boards: Vec<String>,
    /// The boards that may play each of its roles; once it has started, the one that does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<RoleInfo>,
    /// Why it may fail without failing the run; set in the plan of a run only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<Quarantine>,
}

/// Identifies a scenario within a run: path, line, name.
pub type ScenarioKey = (String, usize, String);

impl ScenarioInfo {
    /// Its boards and roles as its steps name them: the same whichever boards play the roles.
    #[must_use]
    pub fn named(&self) -> Vec<&str> {
        let is_named = |board: &&String| !self.roles.iter().any(|role| role.boards == [board.as_str()]);
        let roles = self.roles.iter().map(|role| &role.role);
        let mut named: Vec<_> = self.boards.iter().filter(is_named).chain(roles).map(String::as_str).collect();
        named.sort_unstable();
        named
    }

    /// The boards that it names, and those that may play its roles.
    pub fn possible_boards(&self) -> impl Iterator<Item = &String> {
        self.boards.iter().chain(self.roles.iter().flat_map(|role| &role.boards))
    }

    /// The board of each role, once it has started.
    #[must_use]
    pub fn bound(&self) -> BTreeMap<String, String> {
        let only = |RoleInfo { role, boards }: &RoleInfo| match boards.as_slice() {
            [board] => Some((role.clone(), board.clone())),
            _ => None,
        };
        self.roles.iter().filter_map(only).collect()
    }

    /// Its key within the run.
    #[must_use]
    pub fn key(&self) -> ScenarioKey {
        (self.path.clone(), self.line, self.name.clone())
    }

    /// What identifies it across runs: path, rule and name. Lines move.
    #[must_use]
    pub fn identity(&self) -> (&str, Option<&str>, &str) {
        (&self.path, self.rule.as_deref(), &self.name)
    }
}
