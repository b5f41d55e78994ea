//! What a scenario asks the bench for.

use hil_timeline::RoleInfo;

/// A board or a role that a scenario names, with the boards that it may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    /// In the order of their names; more than one only for a role.
    pub(crate) boards: Vec<String>,
}

impl Wanted {
    /// The role as reports show it.
    pub(crate) fn info(&self) -> RoleInfo {
        RoleInfo { role: self.name.clone(), boards: self.boards.clone() }
    }

    /// Whether the scenario does not say which board it is.
    pub(crate) fn is_role(&self) -> bool {
        self.boards != [self.name.as_str()]
    }
}
