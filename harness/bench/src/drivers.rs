//! Which drivers act on which kind of board. A new kind of board is one arm here.

use std::path::Path;
use std::sync::Arc;

use hil_config::{Board, BoardKind, RailDriver, Reset};

use crate::error::BenchError;
use crate::keeper::{Claimed, Keeper, KeeperError};
use crate::pins::{PinDriver, WiredPins};
use crate::ports::{IdentityFinder, PortFinder, attached};
use crate::power::{AskPerson, KeptPower, Manual, PowerDriver};
use crate::program::ProgramDevice;
use crate::reset::{CommandReset, GpioReset, PowerCycleReset, PullDown, ResetDriver, Sequence, SerialReset};
use crate::scope::Scope;
use crate::virtual_board::VirtualDevice;

/// All that acts on one board.
pub(crate) struct Drivers {
    pub(crate) port: Arc<dyn PortFinder>,
    /// None where the bench can't switch its supply.
    pub(crate) power: Option<Arc<dyn PowerDriver>>,
    pub(crate) reset: Box<dyn ResetDriver>,
    pub(crate) pins: Box<dyn PinDriver>,
    /// There where the device is a program.
    pub(crate) program: Option<ProgramDevice>,
}

/// What real boards share.
pub(crate) struct Shared {
    /// There where a real board is.
    pub(crate) keeper: Option<Arc<Keeper>>,
    pub(crate) ask_person: Option<AskPerson>,
    /// What the boards are wanted for.
    pub(crate) what: String,
    /// What is locked.
    pub(crate) claimed: Vec<Claimed>,
}

impl Shared {
    /// The keys that are locked for a board.
    pub(crate) fn held_by(&self, board: &str) -> Vec<String> {
        self.claimed.iter().filter(|claimed| claimed.board == board).flat_map(|claimed| claimed.keys.clone()).collect()
    }
}

impl Drivers {
    /// Opens the drivers of a board; nothing has power yet.
    pub(crate) async fn open(config: &Board, scope: &Scope, shared: &Shared) -> Result<Self, BenchError> {
        match config.kind {
            BoardKind::Virtual => {
                let device = VirtualDevice::start(config, scope)?;
                Ok(Self {
                    port: Arc::new(device.clone()),
                    power: Some(Arc::new(device.clone())),
                    reset: Box::new(device.clone()),
                    pins: Box::new(device),
                    program: None,
                })
            }
            BoardKind::Process => {
                let device = ProgramDevice::open(config, scope)?;
                Ok(Self {
                    port: Arc::new(device.clone()),
                    power: Some(Arc::new(device.clone())),
                    reset: Box::new(device.clone()),
                    pins: Box::new(device.clone()),
                    program: Some(device),
                })
            }
            BoardKind::Esp => {
                let port: Arc<dyn PortFinder> = Arc::new(IdentityFinder(config.port.clone().unwrap_or_default()));
                let power = open_power(config, shared).await?;
                let reset = open_reset(config, &port, power.as_ref())?;
                let pins = WiredPins::open(config.name.as_str(), &config.pins, scope).await?;
                Ok(Self { port, power, reset, pins: Box::new(pins), program: None })
            }
        }
    }
}

/// The rails of a board: the keeper's, or a person's.
async fn open_power(config: &Board, shared: &Shared) -> Result<Option<Arc<dyn PowerDriver>>, BenchError> {
    let name = config.name.as_str();
    if config.rails.is_empty() {
        return Ok(None);
    }
    if config.rails.iter().any(|rail| rail.driver == RailDriver::Manual) {
        return Ok(Some(Arc::new(Manual::new(name, shared.ask_person.clone()))));
    }
    let Some(keeper) = &shared.keeper else { return Ok(None) };
    keeper.open(name, &config.rails).await.map_err(|error| match error {
        KeeperError::Power(error) => BenchError::power(name, error),
        other => other.into(),
    })?;
    let rail = config.rails.iter().map(|rail| rail.driver.to_string()).collect::<Vec<_>>().join(" + ");
    Ok(Some(Arc::new(KeptPower::new(Arc::clone(keeper), name, rail))))
}

fn open_reset(
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
