//! `[roles.NAME]`: what a scenario may call any board that fits.

use std::collections::BTreeMap;

use crate::board::Board;
use crate::board_kind::BoardKind;
use crate::chip::Chip;
use crate::names::RoleName;
use crate::spec::{Key, Kind, TableSpec};
use crate::table::Table;

pub(crate) static ROLE: TableSpec = TableSpec {
    keys: &[
        Key::optional("chip", Kind::Word(Chip::words), "any chip", "The chip that a board needs to play the role."),
        Key::optional(
            "tags",
            Kind::List(&Kind::Text),
            "`[]`",
            "Tags that a board needs to play the role: all of them. A role has a chip, tags, or both.",
        ),
    ],
};

/// What a board needs to play a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BoardRole {
    /// Its chip; none for any.
    pub chip: Option<Chip>,
    /// Its tags.
    pub tags: Vec<String>,
}

impl BoardRole {
    /// Whether a board has what the role needs.
    #[must_use]
    pub fn fits(&self, board: &Board) -> bool {
        self.chip.is_none_or(|chip| board.kind != BoardKind::Process && chip == board.chip)
            && self.tags.iter().all(|tag| board.tags.contains(tag))
    }

    /// What it needs, in words: `the chip `esp32c3` and the tag `wifi``.
    #[must_use]
    pub fn wants(&self) -> String {
        let chip = self.chip.map(|chip| format!("the chip `{}`", chip.word()));
        let word = if self.tags.len() == 1 { "tag" } else { "tags" };
        let tags = (!self.tags.is_empty()).then(|| format!("the {word} `{}`", self.tags.join("`, `")));
        chip.into_iter().chain(tags).collect::<Vec<_>>().join(" and ")
    }

    fn read(mut table: Table<'_, '_>) -> Self {
        let chip = table.value("chip").and_then(|value| value.one_of("chip", Chip::WORDS));
        let tags = table.value("tags").and_then(|value| value.array()).unwrap_or_default();
        let tags: Vec<_> = tags.iter().filter_map(|tag| tag.string().map(str::to_owned)).collect();
        if !table.has("chip") && !table.has("tags") {
            table.missing("a role needs a `chip` or `tags`", "example: `chip = \"esp32c3\"`, `tags = [\"wifi\"]`");
        }
        table.finish();
        Self { chip, tags }
    }

    /// Reads the roles of a file.
    pub(crate) fn read_all(root: &mut Table<'_, '_>) -> BTreeMap<RoleName, Self> {
        let mut roles = BTreeMap::new();
        let Some(table) = root.map("roles") else { return roles };
        for (name, span, value) in table.entries() {
            match RoleName::new(name) {
                Ok(role) => roles.extend(value.table(&ROLE).map(|table| (role, Self::read(table)))),
                Err(hint) => table.problem(span, name, format!("`{name}` is not a role name"), Some(hint)),
            }
        }
        roles
    }
}
