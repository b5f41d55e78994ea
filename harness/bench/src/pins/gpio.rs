//! Pins on lines of this machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gpiocdev::Request;
use gpiocdev::line::{Config, EdgeDetection, EdgeKind, Value};
use gpiocdev::tokio::AsyncRequest;
use hil_config::{Pin, PinDirection, PinLine};
use hil_timeline::{PinCause, What};
use tokio::task::JoinHandle;

use super::{Driving, PinDriver};
use crate::error::BenchError;
use crate::gpio::{self, GpioError};
use crate::scope::Scope;

/// Sensed lines, watched by edge events, and driven ones.
pub(crate) struct GpioPins {
    board: String,
    driven: BTreeMap<String, (Request, u32)>,
    sensed: BTreeMap<String, Sensed>,
}

struct Sensed {
    on: Arc<Mutex<bool>>,
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
            let found = gpio::find(line).map_err(refused)?;
            let mut builder = Request::builder();
            builder
                .with_consumer("hil pin")
                .on_chip(&found.chip)
                .with_line(found.offset)
                .from_line_config(&config(pin));
            let request = builder
                .request()
                .map_err(|error| refused(gpio::explain_request(&error, &[(line.clone(), found.clone())])))?;
            match pin.direction {
                PinDirection::Drive => drop(driven.insert(name.clone(), (request, found.offset))),
                PinDirection::Sense => {
                    let on = request.value(found.offset).map_err(|error| refused(gpio::explain(&error, name)))?;
                    let on = Arc::new(Mutex::new(on == Value::Active));
                    let watched = Watched { name: name.clone(), on: Arc::clone(&on), scope: scope.clone() };
                    let task = tokio::spawn(watched.follow(AsyncRequest::new(request)));
                    sensed.insert(name.clone(), Sensed { on, task });
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
            config.bias = pin.bias.map(gpio::bias);
        }
    }
    config.active_low = pin.active_low;
    config
}

struct Watched {
    name: String,
    on: Arc<Mutex<bool>>,
    scope: Scope,
}

impl Watched {
    async fn follow(self, request: AsyncRequest) {
        loop {
            match request.read_edge_event().await {
                Ok(event) => self.note(event.kind == EdgeKind::Rising),
                Err(error) => {
                    self.scope.note(format!("the pin `{}` is not sensed any more: {error}", self.name));
                    return;
                }
            }
        }
    }

    fn note(&self, on: bool) {
        *self.on.lock().unwrap_or_else(PoisonError::into_inner) = on;
        self.scope.record(|board| What::Pin { board, pin: self.name.clone(), on, cause: PinCause::Sensed, edge: None });
    }
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
                hint: "`gpioinfo` shows what the kernel knows of the line".to_owned(),
            })
        })
    }

    fn is_on(&self, name: &str) -> Option<bool> {
        Some(*self.sensed.get(name)?.on.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn record_levels(&self, scope: &Scope) {
        for (name, sensed) in &self.sensed {
            let on = *sensed.on.lock().unwrap_or_else(PoisonError::into_inner);
            scope.record(|board| What::Pin { board, pin: name.clone(), on, cause: PinCause::Sensed, edge: None });
        }
    }
}
