//! Reset through lines of this machine at EN and at the strapping pin.

use std::time::Duration;

use gpiocdev::Request;
use gpiocdev::line::{Config, Drive, Value};
use hil_config::Line;

use super::{ResetDriver, ResetInto, Resetting};
use crate::error::BenchError;
use hil_power::lines::{self, Found};

/// How long EN is held low: enough for the capacitor at it.
const HELD: Duration = Duration::from_millis(100);
/// How long the strapping pin stays low after EN is let go.
const STRAPPED: Duration = Duration::from_millis(100);

/// A line that pulls a pin of the board down, or lets it go.
pub(crate) struct PullDown {
    board: String,
    request: Request,
    offset: u32,
}

impl PullDown {
    /// Requests the line, letting the pin go. Without a transistor in between it is never driven high: the board's own
    /// pull-up does that, and its supply may be another.
    pub(crate) fn open(board: &str, line: &Line, inverted: bool) -> Result<Self, BenchError> {
        let refused = |error: lines::GpioError| BenchError::Reset {
            board: board.to_owned(),
            reason: error.to_string(),
            hint: error.hint().to_owned(),
        };
        let found: Found = lines::find(line).map_err(refused)?;
        let mut config = Config::default();
        config.as_output(Value::Inactive);
        if !inverted {
            config.active_low = true;
            config.drive = Some(Drive::OpenDrain);
        }
        let mut builder = Request::builder();
        builder.with_consumer("hil reset").on_chip(&found.chip).with_line(found.offset).from_line_config(&config);
        let request = builder.request();
        let request =
            request.map_err(|error| refused(lines::explain_request(&error, &[(line.clone(), found.clone())])))?;
        Ok(Self { board: board.to_owned(), request, offset: found.offset })
    }

    pub(crate) fn pull(&self, down: bool) -> Result<(), BenchError> {
        let value = if down { Value::Active } else { Value::Inactive };
        self.request.set_value(self.offset, value).map(drop).map_err(|error| BenchError::Reset {
            board: self.board.clone(),
            reason: error.to_string(),
            hint: "`gpioinfo` shows what the kernel knows of the line".to_owned(),
        })
    }
}

pub(crate) struct GpioReset {
    board: String,
    en: PullDown,
    boot: Option<PullDown>,
}

impl GpioReset {
    pub(crate) fn open(board: &str, en: &Line, boot: Option<&Line>, inverted: bool) -> Result<Self, BenchError> {
        let boot = boot.map(|line| PullDown::open(board, line, inverted)).transpose()?;
        Ok(Self { board: board.to_owned(), en: PullDown::open(board, en, inverted)?, boot })
    }
}

/// There is no line at the strapping pin.
pub(super) fn no_way_into_the_loader(board: &str) -> BenchError {
    BenchError::Reset {
        board: board.to_owned(),
        reason: "no line at its strapping pin is given, so there is no way into its loader".to_owned(),
        hint: "add `boot = \"GPIO…\"` to `reset`".to_owned(),
    }
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
