//! Which board plays each role of a scenario.

use std::collections::BTreeMap;

/// The board of each role whose name is not the board's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Binding(BTreeMap<String, String>);

impl Binding {
    /// From roles and their boards.
    pub(crate) fn of(bound: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(bound.into_iter().filter(|(role, board)| role != board).collect())
    }

    /// Whether every role is played by the board of its name.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The board that plays a role, or the board of that name.
    pub(crate) fn board<'a>(&'a self, name: &'a str) -> &'a str {
        self.0.get(name).map_or(name, String::as_str)
    }

    /// What the scenario calls a board.
    pub(crate) fn name<'a>(&'a self, board: &'a str) -> &'a str {
        self.0.iter().find(|(_, bound)| *bound == board).map_or(board, |(role, _)| role)
    }

    /// A line for each role whose name is not its board's.
    pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(role, board)| format!("the board `{board}` plays the role `{role}`"))
    }
}
