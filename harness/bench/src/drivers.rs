//! Which drivers act on which kind of board. A new kind of board is one arm here.

use std::path::PathBuf;

use hil_config::{Board, BoardKind};

use crate::error::BenchError;
use crate::pins::PinDriver;
use crate::power::PowerDriver;
use crate::reset::ResetDriver;
use crate::scope::Scope;
use crate::virtual_board::VirtualDevice;

/// Finds a board's serial port; none while it is not there.
pub(crate) trait PortFinder: Send + Sync {
    fn find(&self) -> Option<PathBuf>;
}

/// All that acts on one board.
pub(crate) struct Drivers {
    pub(crate) port: Box<dyn PortFinder>,
    pub(crate) power: Box<dyn PowerDriver>,
    pub(crate) reset: Box<dyn ResetDriver>,
    pub(crate) pins: Box<dyn PinDriver>,
}

impl Drivers {
    /// Opens the drivers of a board; nothing has power yet.
    pub(crate) fn open(config: &Board, scope: &Scope) -> Result<Self, BenchError> {
        match config.kind {
            BoardKind::Virtual => {
                let device = VirtualDevice::start(config, scope)?;
                Ok(Self {
                    port: Box::new(device.clone()),
                    power: Box::new(device.clone()),
                    reset: Box::new(device.clone()),
                    pins: Box::new(device),
                })
            }
        }
    }
}
