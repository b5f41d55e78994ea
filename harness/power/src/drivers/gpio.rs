//! Rails behind relays or load switches on GPIO lines.

use std::path::Path;

use gpiocdev::Request;
use gpiocdev::line::{Config, Value, Values};
use hil_config::spec::{Key, Kind, TableSpec};
use hil_config::table::Table;
use hil_config::{BIAS, Bias, GpioLine, LINE, Line, OFF_TIME, RailContext, RailUses, SAFE_STATE, SafeState};
use serde::{Deserialize, Serialize};

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::kind::{Diagnosis, Opened, Opening, PowerKind};
use crate::lines::{self, Found, GpioError};

/// A line of this machine that drives a relay or a load switch.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Gpio(GpioLine);

impl PowerKind for Gpio {
    const WORD: &'static str = "gpio";
    const KEYS: &'static TableSpec = &TableSpec {
        keys: &[
            Key::required(
                "line",
                LINE,
                "Line of this machine: its name (`\"GPIO17\"`), or `{ chip = \"gpiochip0\", offset = 17 }`.",
            ),
            Key::optional("active-low", Kind::Boolean, "`false`", "Whether a low level switches the supply on."),
            Key::optional("bias", BIAS, "as it is", "Pull of the line, for an open input of a relay board."),
            OFF_TIME,
            Key { doc: "Only `off`: what a line does once it is released depends on the kernel.", ..SAFE_STATE },
        ],
    };
    const NEVER_LEFT_ON: Option<&'static str> = Some("a released line may fall back to an input");
    const OPENS_OFF: bool = true;

    fn read(table: &mut Table<'_, '_>, _: &RailContext<'_>) -> Option<Self> {
        let line = table.required("line", Line::HINT).and_then(|v| Line::read(&v));
        let active_low = table.value("active-low").and_then(|v| v.boolean()).unwrap_or(false);
        let bias = table.value("bias").and_then(|v| v.one_of("bias", Bias::WORDS));
        Some(Self(GpioLine { line: line?, active_low, bias }))
    }

    fn label(&self) -> String {
        self.0.line.to_string()
    }

    fn uses(&self) -> RailUses {
        RailUses { lines: vec![self.0.line.clone()], ..RailUses::default() }
    }

    fn open(rails: Vec<Opening<Self>>, _: &Path) -> Result<Vec<Opened>, PowerError> {
        let lines: Vec<_> = rails.iter().map(|opening| &opening.settings.0).collect();
        let opened = |driver| Opened { driver: Box::new(driver), safe_state: SafeState::Off };
        Ok(GpioRails::open(&lines)?.into_iter().map(opened).collect())
    }

    fn check(&self) -> Diagnosis {
        Diagnosis::of_line(&self.0.line)
    }
}

/// Lines of one chip, requested together so that they switch in one call.
#[derive(Debug)]
struct GpioRails {
    name: String,
    request: Request,
    offsets: Vec<u32>,
}

impl GpioRails {
    /// Requests the lines, switched off, one driver for each chip.
    fn open(lines: &[&GpioLine]) -> Result<Vec<Self>, PowerError> {
        let mut by_chip: Vec<Vec<(&GpioLine, Found)>> = Vec::new();
        for line in lines {
            let found = lines::find(&line.line).map_err(|error| refused(&line.line, &error))?;
            match by_chip.iter_mut().find(|group| group.iter().any(|(_, other)| other.chip == found.chip)) {
                Some(group) => group.push((line, found)),
                None => by_chip.push(vec![(line, found)]),
            }
        }
        by_chip.iter().map(|group| Self::request(group)).collect()
    }

    fn request(lines: &[(&GpioLine, Found)]) -> Result<Self, PowerError> {
        let name = lines.iter().map(|(line, _)| format!("gpio {}", line.line)).collect::<Vec<_>>().join(" + ");
        let mut builder = Request::builder();
        builder.with_consumer("hil rail");
        for (line, found) in lines {
            builder.on_chip(&found.chip);
            let mut config = Config::default();
            config.as_output(Value::Inactive);
            config.active_low = line.active_low;
            config.bias = line.bias.map(lines::bias);
            builder.with_line(found.offset).from_line_config(&config);
        }
        let request = builder.request().map_err(|error| {
            let lines: Vec<_> = lines.iter().map(|(line, found)| (line.line.clone(), found.clone())).collect();
            let explained = lines::explain_request(&error, &lines);
            PowerError::new(&name, explained.to_string(), explained.hint())
        })?;
        let offsets = lines.iter().map(|(_, found)| found.offset).collect();
        Ok(Self { name, request, offsets })
    }
}

fn refused(line: &Line, error: &GpioError) -> PowerError {
    PowerError::new(&format!("gpio {line}"), error.to_string(), error.hint())
}

impl PowerDriver for GpioRails {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(async move {
            let value = if on { Value::Active } else { Value::Inactive };
            let mut values = Values::default();
            for offset in &self.offsets {
                values.set(*offset, value);
            }
            let failed = |error: gpiocdev::Error| PowerError::new(&self.name, error.to_string(), None);
            self.request.set_values(&values).map_err(failed)
        })
    }

    /// On where any line is: what the kernel drives it to.
    fn state(&self) -> Measuring<'_> {
        Box::pin(async move {
            let mut values = Values::from_offsets(&self.offsets);
            let failed = |error: gpiocdev::Error| PowerError::new(&self.name, error.to_string(), None);
            self.request.values(&mut values).map_err(failed)?;
            Ok(Some(self.offsets.iter().any(|offset| values.get(*offset) == Some(Value::Active))))
        })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}
