//! A kind of flasher: one type, in one file, with its keys, its reader, its work and its check.

use futures::future::BoxFuture;
use hil_config::spec::TableSpec;
use hil_config::table::Table;
use hil_config::{Chip, Flasher, FlasherKind};
use hil_power::Diagnosis;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::job::{Flashed, Job, PortInUse};
use crate::error::BenchError;

/// What a flasher does, boxed, so that flashers can be chosen at run time.
pub(super) type Flashing = BoxFuture<'static, Result<Flashed, BenchError>>;

/// The settings of a flasher, and what it does. The file of a flasher implements it; the list
/// [`super::flashers::FLASHERS`] names it.
pub(super) trait FlasherType: Serialize + DeserializeOwned {
    /// Its word.
    const WORD: &'static str;
    /// The keys of its table, the first of which is its word; none if the word says all.
    const KEYS: &'static TableSpec = &TableSpec { keys: &[] };

    /// Reads the keys of its table; none if one of them is wrong.
    fn read(table: &mut Table<'_, '_>) -> Option<Self>;

    /// Whether it can write the flash of a chip.
    fn writes(_: Chip) -> bool {
        true
    }

    /// Writes the flash. Dropping the future stops it.
    fn flash(self, job: Job, port_in_use: PortInUse) -> Flashing;

    /// Checks that it can be used on this machine; none if it is a part of `hil`.
    fn check(&self) -> Option<Diagnosis>;
}

/// A flasher without its type, as the list holds it.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) kind: FlasherKind,
    pub(super) flash: fn(&Flasher, Job, PortInUse) -> Result<Flashing, BenchError>,
    pub(super) check: fn(&Flasher) -> Option<Diagnosis>,
}

impl Entry {
    pub(super) const fn of<F: FlasherType>() -> Self {
        let kind = FlasherKind { word: F::WORD, keys: F::KEYS, read: read::<F>, writes: F::writes };
        Self { kind, flash: flash::<F>, check: check::<F> }
    }
}

fn read<F: FlasherType>(table: &mut Table<'_, '_>) -> Option<Flasher> {
    let settings = serde_json::to_value(F::read(table)?).unwrap_or_default();
    Some(Flasher { word: F::WORD.to_owned(), settings })
}

fn settings_of<F: FlasherType>(flasher: &Flasher) -> Result<F, serde_json::Error> {
    serde_json::from_value(flasher.settings.clone())
}

fn flash<F: FlasherType>(flasher: &Flasher, job: Job, port_in_use: PortInUse) -> Result<Flashing, BenchError> {
    let unreadable =
        |error: serde_json::Error| BenchError::Flash { board: job.board.clone(), reason: error.to_string() };
    let settings: F = settings_of(flasher).map_err(unreadable)?;
    Ok(settings.flash(job, port_in_use))
}

fn check<F: FlasherType>(flasher: &Flasher) -> Option<Diagnosis> {
    settings_of::<F>(flasher).ok()?.check()
}
