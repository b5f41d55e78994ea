//! `boards.NAME.reset`: how a chip is reset and brought into its loader.

use crate::line::Line;
use crate::spec::{Role, TableSpec, TagSpec};
use crate::table::{Table, Value};

/// How a chip is reset: the settings, for the strategy alone, and the lines that it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reset {
    /// The word under `strategy`.
    pub word: String,
    /// What its table says, as the strategy reads it.
    pub settings: serde_json::Value,
    /// Lines of this machine, and the pins of the board that they are at.
    pub lines: Vec<(Line, &'static str)>,
}

/// A kind of reset strategy, as the file that implements it describes it.
#[derive(Debug, Clone, Copy)]
pub struct ResetKind {
    /// The word under `strategy`. One without required keys may be written as its word alone.
    pub word: &'static str,
    /// The keys of its table.
    pub keys: &'static TableSpec,
    /// Reads its table; none if something in it is wrong, which the table knows by then.
    pub read: fn(&mut Table<'_, '_>) -> Option<Reset>,
}

impl Reset {
    /// What a board has whose bench file names none.
    pub const DEFAULT: &str = "auto";
}

impl Default for Reset {
    fn default() -> Self {
        Self { word: Self::DEFAULT.to_owned(), settings: serde_json::Value::Null, lines: Vec::new() }
    }
}

pub(crate) static RESET: TagSpec = TagSpec {
    tag: "strategy",
    what: "reset strategy",
    doc: "How the chip is reset; a strategy without further keys may be written as its word alone.",
    role: Role::Reset,
};

impl Reset {
    pub(crate) fn read(value: &Value<'_, '_>, kinds: &[ResetKind]) -> Option<Self> {
        if !value.is_table() {
            return Self::read_word(value, kinds);
        }
        let variants: Vec<_> = kinds.iter().map(|kind| (kind.word, kind.keys)).collect();
        let (word, mut table) = value.tagged(&RESET, &variants)?;
        let kind = kinds.iter().find(|kind| kind.word == word)?;
        let read = (kind.read)(&mut table);
        table.finish();
        read
    }

    fn read_word(value: &Value<'_, '_>, kinds: &[ResetKind]) -> Option<Self> {
        let words: Vec<_> = kinds.iter().map(|kind| (kind.word, *kind)).collect();
        let kind = value.one_of(RESET.what, &words)?;
        if kind.keys.keys.iter().any(|key| key.required) {
            let hint = format!("write a table: `reset = {{ strategy = \"{}\", … }}`", kind.word);
            value.problem(format!("the strategy `{}` needs more keys", kind.word), hint);
            return None;
        }
        (kind.read)(&mut value.without_keys(kind.keys))
    }
}
