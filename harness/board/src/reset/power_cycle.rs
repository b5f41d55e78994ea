//! Reset by the rails.

use std::sync::Arc;
use std::time::Duration;

use super::gpio::{PullDown, no_way_into_the_loader};
use super::{ResetDriver, ResetInto, Resetting};
use crate::error::BenchError;
use hil_power::PowerDriver;

/// How long the strapping pin stays low after the supply is there: it must have risen by then.
const STRAPPED: Duration = Duration::from_millis(200);

pub(crate) struct PowerCycleReset {
    pub(crate) board: String,
    pub(crate) power: Arc<dyn PowerDriver>,
    pub(crate) off_time: Duration,
    pub(crate) boot: Option<PullDown>,
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
