//! What a bench file may hold: one description for the reader, the JSON schema and the documentation.

/// A table and its keys.
#[derive(Debug)]
pub struct TableSpec {
    /// Its keys, as the documentation lists them.
    pub keys: &'static [Key],
}

/// One key of a table.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// The key.
    pub name: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// As the documentation shows it; empty if there is none.
    pub default: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it means, with its unit and range.
    pub doc: &'static str,
}

/// What a value may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number in a range.
    Integer(i64, i64),
    /// `true` or `false`.
    Boolean,
    /// A string such as `"250ms"`.
    Duration,
    /// One of a few words.
    Word(fn() -> Vec<&'static str>),
    /// One of the words of some kinds.
    KindWord(Role),
    /// A table of one of some kinds.
    KindTable(Role),
    /// An array.
    List(&'static Kind),
    /// A table with known keys.
    Table(&'static TableSpec),
    /// A table whose keys the user chooses.
    Map(&'static Kind),
    /// A table whose other keys depend on the word under one of them.
    Tagged(&'static TagSpec),
    /// One of several.
    AnyOf(&'static [Kind]),
}

/// A table that is chosen by the word under one of its keys.
#[derive(Debug)]
pub struct TagSpec {
    /// The key.
    pub tag: &'static str,
    /// What its word says, for messages.
    pub what: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// Whose words choose the table.
    pub role: Role,
}

/// A place of the bench file whose words other crates implement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What switches a rail.
    Rail,
    /// How a chip is reset.
    Reset,
    /// What writes a flash.
    Flasher,
    /// What the boards' messages go through.
    Broker,
    /// What plays a chip.
    Emulator,
}

/// A word and the table that it chooses.
pub type Variant = (&'static str, &'static TableSpec);

impl Key {
    /// A key that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind, default, required: false, doc }
    }

    /// A key that must be there.
    #[must_use]
    pub const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, default: "", required: true, doc }
    }
}

/// The words of a list of words with their meanings.
#[must_use]
pub fn words<T>(of: &[(&'static str, T)]) -> Vec<&'static str> {
    of.iter().map(|(word, _)| *word).collect()
}
