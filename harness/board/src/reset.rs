//! Resetting a chip into its app or its loader.

mod command;
mod gpio;
mod lines;
mod power_cycle;
mod serial;

use std::path::Path;
use std::sync::Arc;

use command::CommandReset;
use futures::future::BoxFuture;
use gpio::{GpioReset, PullDown};
use power_cycle::PowerCycleReset;
use serial::{Sequence, SerialReset};

use hil_config::{Board, Reset};
use hil_power::PowerDriver;

use crate::error::BenchError;
use crate::ports::{PortFinder, attached};

/// What runs after a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetInto {
    /// The flashed app.
    App,
    /// The ROM's loader.
    Loader {
        /// Which attempt it is, from 0: strategies vary with it.
        attempt: u32,
    },
}

/// What a driver promises: boxed, so that drivers can be chosen at run time.
pub type Resetting<'a> = BoxFuture<'a, Result<(), BenchError>>;

/// Resets a chip. A new strategy is one file here and one line in the board's set-up.
pub trait ResetDriver: Send + Sync {
    /// Holds the chip in reset: from here on its former life says nothing.
    fn hold(&self) -> Resetting<'_>;

    /// Releases it; returns when it runs.
    fn release(&self, into: ResetInto) -> Resetting<'_>;

    /// Lets a chip that is held run, because the board is given back. It switches no rails: those are
    /// in their safe state.
    fn end_hold(&self) -> Resetting<'_> {
        self.release(ResetInto::App)
    }

    /// Whether another attempt resets in another way.
    fn varies(&self) -> bool {
        false
    }

    /// What it does, for the timeline.
    fn describe(&self) -> &str;
}

/// Opens what resets a board, as its bench file says.
///
/// # Errors
/// When a line can't be had, or the board has no rails to cycle.
pub fn open(
    config: &Board,
    port: &Arc<dyn PortFinder>,
    power: Option<&Arc<dyn PowerDriver>>,
) -> Result<Box<dyn ResetDriver>, BenchError> {
    let board = config.name.as_str();
    let serial = |sequence| Box::new(SerialReset::new(board, Arc::clone(port), sequence));
    Ok(match &config.reset {
        Reset::Auto => serial(automatic(&**port)),
        Reset::Classic => serial(Sequence::Classic),
        Reset::Tight => serial(Sequence::Tight),
        Reset::UsbJtag => serial(Sequence::UsbJtag),
        Reset::Gpio { en, boot, inverted } => Box::new(GpioReset::open(board, en, boot.as_ref(), *inverted)?),
        Reset::PowerCycle { boot, inverted } => {
            let power = power.ok_or_else(|| BenchError::NoRails { board: board.to_owned() })?;
            let boot = boot.as_ref().map(|line| PullDown::open(board, line, *inverted)).transpose()?;
            Box::new(PowerCycleReset {
                board: board.to_owned(),
                power: Arc::clone(power),
                off_time: config.off_time,
                boot,
            })
        }
        Reset::Command { hold, run, loader } => {
            let (hold, run, loader) = (hold.clone(), run.clone(), loader.clone());
            Box::new(CommandReset { board: board.to_owned(), hold, run, loader })
        }
    })
}

/// By what the port is right now; one that is not there yet is taken for an adapter with the usual circuit.
fn automatic(port: &dyn PortFinder) -> Sequence {
    let Ok(path) = port.find() else { return Sequence::InTurn };
    let ports = attached(Path::new("/sys"), Path::new("/dev"));
    let usb = ports.into_iter().find(|port| port.path == path).and_then(|port| port.usb);
    if usb.is_some_and(|usb| usb.is_usb_jtag()) { Sequence::UsbJtag } else { Sequence::InTurn }
}
