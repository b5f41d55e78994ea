//! A kind of reset strategy: one type, in one file, with its keys, its reader and its driver.

use std::sync::Arc;
use std::time::Duration;

use hil_config::spec::TableSpec;
use hil_config::table::Table;
use hil_config::{Line, Reset, ResetKind};
use hil_power::PowerDriver;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ResetDriver;
use crate::error::BenchError;
use crate::ports::PortFinder;

/// The settings of a reset strategy, and the driver that they open. The file of a strategy implements it; the list
/// [`super::strategies::STRATEGIES`] names it.
pub(super) trait ResetStrategy: Serialize + DeserializeOwned {
    /// The word under `strategy`.
    const WORD: &'static str;
    /// The keys of its table.
    const KEYS: &'static TableSpec = &TableSpec { keys: &[] };

    /// Reads the keys of its table; none if one of them is wrong.
    fn read(table: &mut Table<'_, '_>) -> Option<Self>;

    /// Lines of this machine, and the pins of the board that they are at.
    fn lines(&self) -> Vec<(Line, &'static str)> {
        Vec::new()
    }

    /// Opens what resets the board.
    fn open(self, board: &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError>;
}

/// What a strategy may use of a board.
pub(super) struct BoardParts<'a> {
    pub(super) name: &'a str,
    pub(super) port: &'a Arc<dyn PortFinder>,
    /// None if the bench can't switch its supply.
    pub(super) power: Option<&'a Arc<dyn PowerDriver>>,
    /// How long its rails stay off in a power cycle.
    pub(super) off_time: Duration,
}

/// Opens the driver of a reset whose settings it can read.
type Open = fn(&Reset, &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError>;

/// A strategy without its type, as the list holds it.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) kind: ResetKind,
    pub(super) open: Open,
}

impl Entry {
    pub(super) const fn of<S: ResetStrategy>() -> Self {
        Self { kind: ResetKind { word: S::WORD, keys: S::KEYS, read: read::<S> }, open: open::<S> }
    }
}

fn read<S: ResetStrategy>(table: &mut Table<'_, '_>) -> Option<Reset> {
    let strategy = S::read(table)?;
    let settings = serde_json::to_value(&strategy).unwrap_or_default();
    Some(Reset { word: S::WORD.to_owned(), settings, lines: strategy.lines() })
}

fn open<S: ResetStrategy>(reset: &Reset, board: &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError> {
    let strategy: S = serde_json::from_value(reset.settings.clone()).map_err(|error| BenchError::Reset {
        board: board.name.to_owned(),
        reason: error.to_string(),
        hint: format!("check `reset` of the board: `{}`", S::WORD),
    })?;
    strategy.open(board)
}
