//! Rails behind relays or load switches on GPIO lines.

use gpiocdev::Request;
use gpiocdev::line::{Config, Value, Values};
use hil_config::{GpioLine, Line};

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::lines::{self, Found, GpioError};

/// Lines of one chip, requested together so that they switch in one call.
#[derive(Debug)]
pub(crate) struct GpioRails {
    name: String,
    request: Request,
    offsets: Vec<u32>,
}

impl GpioRails {
    /// Requests the lines, switched off, one driver for each chip.
    pub(crate) fn open(lines: &[&GpioLine]) -> Result<Vec<Self>, PowerError> {
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
