//! Reset through lines of this machine at EN and at the strapping pin.

use std::time::Duration;

use hil_config::spec::{Key, TableSpec};
use hil_config::table::Table;
use hil_config::{LINE, Line};
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::reset::kind::{BoardParts, ResetStrategy};
use crate::reset::strapping::{BOOT, INVERTED, PullDown, STRAPPING_PIN, no_way_into_the_loader, read_boot};
use crate::reset::{ResetDriver, ResetInto, Resetting};

/// The lines at EN and at the strapping pin.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Gpio {
    /// Low resets.
    en: Line,
    /// Low selects the loader.
    boot: Option<Line>,
    /// Whether a transistor or an optocoupler is in between, so that a high level pulls down.
    inverted: bool,
}

impl ResetStrategy for Gpio {
    const WORD: &'static str = "gpio";
    const KEYS: &'static TableSpec =
        &TableSpec { keys: &[Key::required("en", LINE, "Line of this machine at EN (CHIP_PU)."), BOOT, INVERTED] };

    fn read(table: &mut Table<'_, '_>) -> Option<Self> {
        let en = table.required("en", "example: `en = \"GPIO5\"`").and_then(|v| Line::read(&v));
        let (boot, inverted) = read_boot(table);
        Some(Self { en: en?, boot, inverted })
    }

    fn lines(&self) -> Vec<(Line, &'static str)> {
        let boot = self.boot.iter().map(|line| (line.clone(), STRAPPING_PIN));
        std::iter::once((self.en.clone(), "EN")).chain(boot).collect()
    }

    fn open(self, board: &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError> {
        let Self { en, boot, inverted } = self;
        let boot = boot.map(|line| PullDown::open(board.name, &line, inverted)).transpose()?;
        let en = PullDown::open(board.name, &en, inverted)?;
        Ok(Box::new(GpioReset { board: board.name.to_owned(), en, boot }))
    }
}

/// How long EN is held low: enough for the capacitor at it.
const HELD: Duration = Duration::from_millis(100);
/// How long the strapping pin stays low after EN is let go.
const STRAPPED: Duration = Duration::from_millis(100);

struct GpioReset {
    board: String,
    en: PullDown,
    boot: Option<PullDown>,
}

impl ResetDriver for GpioReset {
    fn hold(&self) -> Resetting<'_> {
        Box::pin(async move {
            self.en.pull(true)?;
            tokio::time::sleep(HELD).await;
            Ok(())
        })
    }

    fn release(&self, into: ResetInto) -> Resetting<'_> {
        Box::pin(async move {
            match (into, &self.boot) {
                (ResetInto::App, boot) => {
                    boot.as_ref().map_or(Ok(()), |boot| boot.pull(false))?;
                    self.en.pull(false)
                }
                (ResetInto::Loader { .. }, None) => Err(no_way_into_the_loader(&self.board)),
                (ResetInto::Loader { .. }, Some(boot)) => {
                    boot.pull(true)?;
                    self.en.pull(false)?;
                    tokio::time::sleep(STRAPPED).await;
                    boot.pull(false)
                }
            }
        })
    }

    fn describe(&self) -> &str {
        "EN pulled low by a GPIO line and released"
    }
}
