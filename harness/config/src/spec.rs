//! What may stand in a bench file: one description for the reader, the JSON schema and the documentation.

/// A table and its keys.
pub(crate) struct TableSpec {
    pub(crate) keys: &'static [Key],
}

/// One key of a table.
#[derive(Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// As the documentation shows it; empty where there is none.
    pub(crate) default: &'static str,
    pub(crate) required: bool,
    pub(crate) doc: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
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
pub(crate) struct TagSpec {
    pub(crate) tag: &'static str,
    /// What the word says, for messages.
    pub(crate) what: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) variants: &'static [(&'static str, &'static TableSpec)],
}

impl Key {
    /// A key that may be left out.
    pub(crate) const fn optional(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Self {
        Self { name, kind, default, required: false, doc }
    }

    /// A key that must be there.
    pub(crate) const fn required(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self { name, kind, default: "", required: true, doc }
    }
}

/// The words of a list of words with their meanings.
pub(crate) fn words<T>(of: &[(&'static str, T)]) -> Vec<&'static str> {
    of.iter().map(|(word, _)| *word).collect()
}
