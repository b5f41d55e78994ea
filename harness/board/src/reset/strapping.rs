//! Lines of this machine at pins of a board, and the keys of strategies that have one at the strapping pin.

use gpiocdev::Request;
use gpiocdev::line::{Config, Drive, Value};
use hil_config::spec::{Key, Kind};
use hil_config::table::Table;
use hil_config::{LINE, Line};
use hil_power::lines::{self, Found};

use crate::error::BenchError;

pub(super) const BOOT: Key = Key::optional(
    "boot",
    LINE,
    "",
    "Line of this machine at the strapping pin (GPIO9 on an ESP32-C3, GPIO0 on an ESP32); without it there is no way into the loader.",
);
pub(super) const INVERTED: Key = Key::optional(
    "inverted",
    Kind::Boolean,
    "`false`",
    "Whether a transistor is in between, so that a high level pulls the pin down.",
);

/// Reads [`BOOT`] and [`INVERTED`].
pub(super) fn read_boot(table: &mut Table<'_, '_>) -> (Option<Line>, bool) {
    let boot = table.value("boot").and_then(|v| Line::read(&v));
    let inverted = table.value("inverted").and_then(|v| v.boolean()).unwrap_or(false);
    (boot, inverted)
}

/// The pin that [`BOOT`] is at.
pub(super) const STRAPPING_PIN: &str = "the strapping pin";

/// A line that pulls a pin of the board down, or lets it go.
pub(super) struct PullDown {
    board: String,
    request: Request,
    offset: u32,
}

impl PullDown {
    /// Requests the line, letting the pin go. Without a transistor in between it is never driven high: the board's own
    /// pull-up does that, and its supply may be another.
    pub(super) fn open(board: &str, line: &Line, inverted: bool) -> Result<Self, BenchError> {
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

    pub(super) fn pull(&self, down: bool) -> Result<(), BenchError> {
        let value = if down { Value::Active } else { Value::Inactive };
        self.request.set_value(self.offset, value).map(drop).map_err(|error| BenchError::Reset {
            board: self.board.clone(),
            reason: error.to_string(),
            hint: "`gpioinfo` shows the state of the line".to_owned(),
        })
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
