//! `boards.NAME.flasher`: what writes a board's flash.

use crate::chip::Chip;
use crate::spec::{Kind, Role, TableSpec};
use crate::table::{Table, Value, listed};

/// What writes a board's flash: the settings, for the flasher alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flasher {
    /// The word in `bench.toml`.
    pub word: String,
    /// What its table says, as the flasher reads it.
    pub settings: serde_json::Value,
}

/// A kind of flasher, as the file that implements it describes it.
#[derive(Debug, Clone, Copy)]
pub struct FlasherKind {
    /// Its word. It is written alone; a flasher with keys is a table that has the word as its first key.
    pub word: &'static str,
    /// The keys of its table; none if the word says all.
    pub keys: &'static TableSpec,
    /// Reads its table; none if something in it is wrong, which the table knows by then.
    pub read: fn(&mut Table<'_, '_>) -> Option<Flasher>,
    /// Whether it can write the flash of a chip.
    pub writes: fn(Chip) -> bool,
}

/// A word, or a table.
pub(crate) const FLASHER: Kind = Kind::AnyOf(&[Kind::KindWord(Role::Flasher), Kind::KindTable(Role::Flasher)]);

impl FlasherKind {
    fn is_word(&self) -> bool {
        self.keys.keys.is_empty()
    }
}

impl Flasher {
    /// What a board has that is not flashed.
    pub const DEFAULT: &str = "espflash";

    /// The first kind that can write the flash of this chip and that needs no settings.
    pub(crate) fn usual_for(chip: Chip, kinds: &[FlasherKind]) -> Self {
        let usual = kinds.iter().find(|kind| kind.is_word() && (kind.writes)(chip));
        let word = usual.map_or(Self::DEFAULT, |kind| kind.word).to_owned();
        Self { word, settings: serde_json::Value::Null }
    }

    pub(crate) fn read(value: &Value<'_, '_>, chip: Chip, kinds: &[FlasherKind]) -> Option<Self> {
        let (kind, mut table) = if value.is_table() {
            let with_keys = || kinds.iter().filter(|kind| !kind.is_word());
            let kind = with_keys().find(|kind| value.has_key(kind.word)).or_else(|| with_keys().next())?;
            (*kind, value.table(kind.keys)?)
        } else {
            let words: Vec<_> = kinds.iter().filter(|kind| kind.is_word()).map(|kind| (kind.word, *kind)).collect();
            let kind = value.one_of("flasher", &words)?;
            (kind, value.without_keys(kind.keys))
        };
        let read = (kind.read)(&mut table);
        table.finish();
        if !(kind.writes)(chip) {
            let can = kinds.iter().filter(|kind| kind.is_word() && (kind.writes)(chip)).map(|kind| kind.word);
            let hint = format!("use one of {}", listed(&can.collect::<Vec<_>>()));
            value.problem(format!("`{}` does not support the `{}`", kind.word, chip.word()), hint);
        }
        read
    }
}
