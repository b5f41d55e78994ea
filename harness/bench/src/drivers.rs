//! Which drivers act on which kind of board. A new kind of board is one arm here.

use std::sync::Arc;

use hil_config::{Board, BoardKind, Wifi};

use hil_board::ports::{IdentityFinder, PortFinder};
use hil_board::{
    BenchError, DeviceClaim, Drivers, EmulatorDevice, EmulatorPins, ProgramDevice, Scope, VirtualDevice, WiredPins,
};
use hil_power::keeper::{Claimed, Keeper, KeeperError, KeeperPower};
use hil_power::{AskPerson, Manual, PowerDriver, PowerError, Switching};

/// What real boards share.
pub(crate) struct Shared {
    /// The network that virtual boards find on air.
    pub(crate) wifi: Wifi,
    /// Whether virtual boards note the registers that they lack.
    pub(crate) traces_unknown: bool,
    /// Present if a board is real.
    pub(crate) keeper: Option<Arc<Keeper>>,
    /// A detached keeper has the boards.
    pub(crate) joins: bool,
    pub(crate) ask_person: Option<AskPerson>,
    /// What the boards are used for.
    pub(crate) what: String,
    /// What is locked.
    pub(crate) claimed: Vec<Claimed>,
}

impl Shared {
    /// The locks of a board; none if it uses no device of this machine.
    pub(crate) fn locks_of(&self, board: &Board) -> Option<DeviceClaim> {
        let keeper = self.keeper.as_ref().filter(|_| board.kind == BoardKind::Esp)?;
        let claimed = self.claimed.iter().filter(|claimed| claimed.board == board.name.as_str());
        let held = claimed.flat_map(|claimed| claimed.keys.clone()).collect();
        Some(DeviceClaim { keeper: Arc::clone(keeper), held, what: self.what.clone() })
    }
}

/// Opens the drivers of a board; nothing has power yet.
pub(crate) async fn open(config: &Board, scope: &Scope, shared: &Shared) -> Result<Drivers, BenchError> {
    match config.kind {
        BoardKind::Virtual => {
            let device = VirtualDevice::start(config, &shared.wifi, shared.traces_unknown, scope)?;
            Ok(Drivers {
                port: Arc::new(device.clone()),
                power: Some(Arc::new(device.clone())),
                reset: Box::new(device.clone()),
                pins: Box::new(device.clone()),
                program: None,
                executes: Some(device),
                emulator: None,
            })
        }
        BoardKind::Process => {
            let device = ProgramDevice::open(config, scope)?;
            Ok(Drivers {
                port: Arc::new(device.clone()),
                power: Some(Arc::new(device.clone())),
                reset: Box::new(device.clone()),
                pins: Box::new(device.clone()),
                program: Some(device),
                executes: None,
                emulator: None,
            })
        }
        BoardKind::Emulator => {
            let device = EmulatorDevice::open(config, scope).await?;
            let pins = EmulatorPins::open(config.name.as_str(), device.clone(), scope).await?;
            Ok(Drivers {
                port: Arc::new(device.clone()),
                power: Some(Arc::new(device.clone())),
                reset: Box::new(device.clone()),
                pins: Box::new(pins),
                program: None,
                executes: None,
                emulator: Some(device),
            })
        }
        BoardKind::Esp => {
            let port: Arc<dyn PortFinder> = Arc::new(IdentityFinder::new(config.port.clone().unwrap_or_default()));
            let power = open_power(config, shared).await?;
            let reset = hil_board::reset::open(config, &port, power.as_ref())?;
            let pins = WiredPins::open(config.name.as_str(), &config.pins, scope).await?;
            Ok(Drivers { port, power, reset, pins: Box::new(pins), program: None, executes: None, emulator: None })
        }
    }
}

/// The rails of a board: the keeper's, or a person's.
async fn open_power(config: &Board, shared: &Shared) -> Result<Option<Arc<dyn PowerDriver>>, BenchError> {
    let name = config.name.as_str();
    if config.rails.is_empty() {
        return Ok(None);
    }
    if shared.joins {
        return Ok(Some(Arc::new(HeldPower)));
    }
    if config.rails.iter().any(|rail| rail.driver.by_hand) {
        return Ok(Some(Arc::new(Manual::new(name, shared.ask_person.clone()))));
    }
    let Some(keeper) = &shared.keeper else { return Ok(None) };
    keeper.open(name, &config.rails).await.map_err(|error| match error {
        KeeperError::Power(error) => BenchError::power(name, error),
        other => other.into(),
    })?;
    let rail = config.rails.iter().map(|rail| rail.driver.to_string()).collect::<Vec<_>>().join(" + ");
    Ok(Some(Arc::new(KeeperPower::new(Arc::clone(keeper), name, rail))))
}

/// Rails that a detached keeper holds: they are on, and only the keeper switches them.
struct HeldPower;

impl PowerDriver for HeldPower {
    fn switch(&self, on: bool) -> Switching<'_> {
        let refused =
            || PowerError::new(self.rail(), "a detached keeper holds it", "`hil power BOARD off` ends the hold");
        Box::pin(async move { if on { Ok(()) } else { Err(refused()) } })
    }

    fn rail(&self) -> &'static str {
        "held"
    }
}
