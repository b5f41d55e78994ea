//! Pins on lines of this machine.

use std::collections::BTreeMap;
use std::sync::Arc;

use gpiocdev::Request;
use gpiocdev::line::{Config, EdgeDetection, EventClock, Value};
use hil_config::{Pin, PinDirection, PinLine};
use tokio::task::JoinHandle;

use super::edges::{BUFFERED_EVENTS, RequestedLine, WatchedLine};
use super::{Driving, PinDoubt, PinDriver};
use crate::error::BenchError;
use crate::scope::Scope;
use hil_power::lines::{self, GpioError};

/// Sensed lines, watched by edge events, and driven ones.
pub(crate) struct GpioPins {
    board: String,
    driven: BTreeMap<String, (Request, u32)>,
    sensed: BTreeMap<String, Sensed>,
}

struct Sensed {
    watched: Arc<WatchedLine>,
    task: JoinHandle<()>,
}

impl Drop for Sensed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl GpioPins {
    /// Requests all lines: sensed ones with both edges, driven ones at "off".
    pub(crate) fn open(board: &str, pins: &BTreeMap<String, Pin>, scope: &Scope) -> Result<Self, BenchError> {
        let (mut driven, mut sensed) = (BTreeMap::new(), BTreeMap::new());
        for (name, pin) in pins {
            let PinLine::Bench(line) = &pin.line else { continue };
            let refused = |error: GpioError| BenchError::Pin {
                board: board.to_owned(),
                pin: name.clone(),
                reason: error.to_string(),
                hint: error.hint().to_owned(),
            };
            let found = lines::find(line).map_err(refused)?;
            let mut builder = Request::builder();
            builder
                .with_consumer("hil pin")
                .with_kernel_event_buffer_size(BUFFERED_EVENTS)
                .on_chip(&found.chip)
                .with_line(found.offset)
                .from_line_config(&config(pin));
            let request = builder
                .request()
                .map_err(|error| refused(lines::explain_request(&error, &[(line.clone(), found.clone())])))?;
            match pin.direction {
                PinDirection::Drive => drop(driven.insert(name.clone(), (request, found.offset))),
                PinDirection::Sense => {
                    let on = request.value(found.offset).map_err(|error| refused(lines::explain(&error, name)))?;
                    let failed = |error: std::io::Error| {
                        refused(GpioError::Unusable { line: line.to_string(), reason: error.to_string() })
                    };
                    let line = RequestedLine { request, offset: found.offset };
                    let watched = WatchedLine::new(name, scope, line, on == Value::Active).map_err(failed)?;
                    let watched = Arc::new(watched);
                    let follower = Arc::clone(&watched);
                    let task = tokio::spawn(async move { follower.follow().await });
                    sensed.insert(name.clone(), Sensed { watched, task });
                }
            }
        }
        Ok(Self { board: board.to_owned(), driven, sensed })
    }
}

fn config(pin: &Pin) -> Config {
    let mut config = Config::default();
    match pin.direction {
        PinDirection::Drive => {
            config.as_output(Value::Inactive);
        }
        PinDirection::Sense => {
            config.as_input();
            config.edge_detection = Some(EdgeDetection::BothEdges);
            config.event_clock = Some(EventClock::Monotonic);
            config.bias = pin.bias.map(lines::bias);
        }
    }
    config.active_low = pin.active_low;
    config
}

impl PinDriver for GpioPins {
    fn drive<'a>(&'a self, name: &'a str, _pin: &'a Pin, on: bool) -> Driving<'a> {
        Box::pin(async move {
            let Some((request, offset)) = self.driven.get(name) else { return Ok(()) };
            let value = if on { Value::Active } else { Value::Inactive };
            request.set_value(*offset, value).map(drop).map_err(|error| BenchError::Pin {
                board: self.board.clone(),
                pin: name.to_owned(),
                reason: error.to_string(),
                hint: "`gpioinfo` shows the state of the line".to_owned(),
            })
        })
    }

    fn is_on(&self, name: &str) -> Option<bool> {
        self.sensed.get(name)?.watched.is_on()
    }

    fn record_levels(&self, scope: &Scope) {
        for sensed in self.sensed.values() {
            sensed.watched.record_level(scope);
        }
    }

    fn catch_up(&self) {
        for sensed in self.sensed.values() {
            sensed.watched.read_all();
        }
    }

    fn doubt(&self, name: &str) -> Option<PinDoubt> {
        self.sensed.get(name)?.watched.doubt()
    }
}
