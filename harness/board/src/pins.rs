//! The pins of a board.

mod edges;
mod gpio;
mod level;
mod program;

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use gpio::GpioPins;
use hil_config::{Pin, PinDirection, PinLine};
use program::ProgramPins;

use crate::error::BenchError;
use crate::scope::Scope;

/// The future of a driver, boxed, so that drivers can be chosen at run time.
pub type Driving<'a> = BoxFuture<'a, Result<(), BenchError>>;

/// Senses and drives the pins of a board. Changes of sensed pins are recorded as they happen.
pub trait PinDriver: Send + Sync {
    /// Drives a pin to its "on" or "off", whatever level that is.
    fn drive<'a>(&'a self, name: &'a str, pin: &'a Pin, on: bool) -> Driving<'a>;

    /// Whether a sensed pin is on.
    fn is_on(&self, name: &str) -> Option<bool>;

    /// Records the level of every sensed pin.
    fn record_levels(&self, scope: &Scope);

    /// Records every change until now that is not read yet; nothing to do for drivers without a buffer.
    fn catch_up(&self) {}

    /// Why nothing can be concluded from a sensed pin that does not change; none while its changes are reported.
    fn doubt(&self, _name: &str) -> Option<PinDoubt> {
        None
    }
}

/// Why a pin may have changed unseen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PinDoubt {
    /// Its line or its program is gone.
    #[error("is no longer sensed: {reason}")]
    NotSensed {
        /// What happened.
        reason: String,
    },
    /// It changed, and the kernel did not report that.
    #[error("changes, and its line reports no edges: a change shorter than {} ms is not seen", edges::LOOK.as_millis())]
    NoEdges,
}

impl PinDoubt {
    /// One thing to try.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotSensed { .. } => None,
            Self::NoEdges => {
                Some("`gpiomon` shows the edges that the kernel reports; a program can sense the pin: `watch`")
            }
        }
    }
}

/// The pins of a real board: lines of this machine, and what programs sense and drive.
pub struct WiredPins {
    lines: GpioPins,
    programs: ProgramPins,
}

impl WiredPins {
    /// Requests the lines, drives what is driven to "off", and starts the programs that watch.
    pub async fn open(board: &str, pins: &BTreeMap<String, Pin>, scope: &Scope) -> Result<Self, BenchError> {
        let lines = GpioPins::open(board, pins, scope)?;
        program::drive_off(board, pins).await?;
        Ok(Self { lines, programs: ProgramPins::open(board, pins, scope).await? })
    }

    /// The same where what programs drive may not be there yet.
    pub(crate) async fn open_unpowered(
        board: &str,
        pins: &BTreeMap<String, Pin>,
        scope: &Scope,
    ) -> Result<Self, BenchError> {
        let lines = GpioPins::open(board, pins, scope)?;
        let _ = program::drive_off(board, pins).await;
        Ok(Self { lines, programs: ProgramPins::open(board, pins, scope).await? })
    }
}

impl PinDriver for WiredPins {
    fn drive<'a>(&'a self, name: &'a str, pin: &'a Pin, on: bool) -> Driving<'a> {
        match pin.line {
            PinLine::Driven { .. } => self.programs.drive(name, pin, on),
            _ => self.lines.drive(name, pin, on),
        }
    }

    fn is_on(&self, name: &str) -> Option<bool> {
        self.lines.is_on(name).or_else(|| self.programs.is_on(name))
    }

    fn record_levels(&self, scope: &Scope) {
        self.lines.record_levels(scope);
        self.programs.record_levels(scope);
    }

    fn catch_up(&self) {
        self.lines.catch_up();
    }

    fn doubt(&self, name: &str) -> Option<PinDoubt> {
        self.lines.doubt(name).or_else(|| self.programs.doubt(name))
    }
}

/// Names and lines of a board's pins.
pub(crate) struct Pins {
    config: BTreeMap<String, Pin>,
    driver: Box<dyn PinDriver>,
}

impl Pins {
    pub(crate) fn new(config: BTreeMap<String, Pin>, driver: Box<dyn PinDriver>) -> Self {
        Self { config, driver }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Pin> {
        self.config.get(name)
    }

    pub(crate) fn is_on(&self, name: &str) -> Option<bool> {
        self.driver.is_on(name)
    }

    pub(crate) fn record_levels(&self, scope: &Scope) {
        self.driver.record_levels(scope);
    }

    pub(crate) fn catch_up(&self) {
        self.driver.catch_up();
    }

    pub(crate) fn doubt(&self, name: &str) -> Option<PinDoubt> {
        self.driver.doubt(name)
    }

    pub(crate) async fn drive(&self, name: &str, on: bool) -> Result<(), BenchError> {
        match self.config.get(name) {
            Some(pin) => self.driver.drive(name, pin, on).await,
            None => Ok(()),
        }
    }

    /// Releases every pin that the bench drives: drives it to "off".
    pub(crate) async fn release(&self) -> Result<(), BenchError> {
        for (name, pin) in self.config.iter().filter(|(_, pin)| pin.direction == PinDirection::Drive) {
            self.driver.drive(name, pin, false).await?;
        }
        Ok(())
    }
}
