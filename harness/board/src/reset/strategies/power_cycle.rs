//! Reset by the rails.

use std::sync::Arc;
use std::time::Duration;

use hil_config::Line;
use hil_config::spec::TableSpec;
use hil_config::table::Table;
use hil_power::PowerDriver;
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::reset::kind::{BoardParts, ResetStrategy};
use crate::reset::strapping::{BOOT, INVERTED, PullDown, STRAPPING_PIN, no_way_into_the_loader, read_boot};
use crate::reset::{ResetDriver, ResetInto, Resetting};

/// The strapping pin, on a line of this machine.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PowerCycle {
    /// Low selects the loader.
    boot: Option<Line>,
    /// Whether a high level pulls it down.
    inverted: bool,
}

impl ResetStrategy for PowerCycle {
    const WORD: &'static str = "power-cycle";
    const KEYS: &'static TableSpec = &TableSpec { keys: &[BOOT, INVERTED] };

    fn read(table: &mut Table<'_, '_>) -> Option<Self> {
        let (boot, inverted) = read_boot(table);
        Some(Self { boot, inverted })
    }

    fn lines(&self) -> Vec<(Line, &'static str)> {
        self.boot.iter().map(|line| (line.clone(), STRAPPING_PIN)).collect()
    }

    fn open(self, board: &BoardParts<'_>) -> Result<Box<dyn ResetDriver>, BenchError> {
        let power = board.power.ok_or_else(|| BenchError::NoRails { board: board.name.to_owned() })?;
        let boot = self.boot.map(|line| PullDown::open(board.name, &line, self.inverted)).transpose()?;
        let (board, off_time) = (board.name.to_owned(), board.off_time);
        Ok(Box::new(PowerCycleReset { board, power: Arc::clone(power), off_time, boot }))
    }
}

/// How long the strapping pin stays low after the supply is there: it must have risen by then.
const STRAPPED: Duration = Duration::from_millis(200);

struct PowerCycleReset {
    board: String,
    power: Arc<dyn PowerDriver>,
    off_time: Duration,
    boot: Option<PullDown>,
}

impl PowerCycleReset {
    async fn switch(&self, on: bool) -> Result<(), BenchError> {
        self.power.switch(on).await.map_err(|error| BenchError::power(&self.board, error))
    }
}

impl ResetDriver for PowerCycleReset {
    fn hold(&self) -> Resetting<'_> {
        Box::pin(async move {
            self.switch(false).await?;
            tokio::time::sleep(self.off_time).await;
            Ok(())
        })
    }

    fn release(&self, into: ResetInto) -> Resetting<'_> {
        Box::pin(async move {
            match (into, &self.boot) {
                (ResetInto::Loader { .. }, None) => Err(no_way_into_the_loader(&self.board)),
                (ResetInto::Loader { .. }, Some(boot)) => {
                    boot.pull(true)?;
                    self.switch(true).await?;
                    tokio::time::sleep(STRAPPED).await;
                    boot.pull(false)
                }
                (ResetInto::App, boot) => {
                    boot.as_ref().map_or(Ok(()), |boot| boot.pull(false))?;
                    self.switch(true).await
                }
            }
        })
    }

    /// The rails are left in their safe state.
    fn end_hold(&self) -> Resetting<'_> {
        Box::pin(async { self.boot.as_ref().map_or(Ok(()), |boot| boot.pull(false)) })
    }

    fn describe(&self) -> &str {
        "power cycle"
    }
}
