//! A board's rails.

use std::sync::Arc;

use hil_config::SafeState;
use hil_timeline::{Cursor, Effect, Evidence, RunEvent, What};

use super::Board;
use crate::error::BenchError;
use hil_power::PowerDriver;

/// What is known of the supply that a board's rails give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    /// Nothing has switched the rails yet, and opening them leaves them as they are.
    Untouched,
    /// The rails are off.
    Off,
    /// The rails are on, or there are none and the board has power of its own.
    On,
    /// A switch failed or was given up: the rails may be on or off. Both ways of switching are open.
    Unknown,
}

impl Supply {
    /// Before the rails are switched for the first time. Lines of this machine are opened switched off, virtual boards
    /// and programs start without power; a plug or a hub stays as its last user left it.
    pub(super) fn at_first(config: &hil_config::Board) -> Self {
        let opened_off = |rail: &hil_config::Rail| rail.driver.opens_off;
        if config.rails.iter().all(opened_off) { Self::Off } else { Self::Untouched }
    }

    fn of(on: bool) -> Self {
        if on { Self::On } else { Self::Off }
    }
}

impl Board {
    /// Switches all rails on; the console is opened first, if there is a port. A board without rails has power.
    ///
    /// None if nothing was switched: the rails are on already, or there are none.
    ///
    /// # Errors
    /// If the driver fails or the port can't be opened.
    pub async fn power_on(&mut self) -> Result<Option<Effect>, BenchError> {
        if self.supply == Supply::On {
            return Ok(None);
        }
        self.open_console()?;
        let mut effect = None;
        if let Some(power) = self.power.clone() {
            self.expect_boot();
            effect = Some(self.switch(&*power, true).await?);
            tokio::time::sleep(self.config.boot_delay).await;
        }
        self.supply = Supply::On;
        self.wait_for_port().await?;
        if let Some(device) = &mut self.device {
            device.complete(&self.config).await?;
        }
        Ok(effect)
    }

    /// Switches all rails off, and records what shows that the supply is gone. None if they are off already.
    ///
    /// # Errors
    /// If the driver fails, there are no rails, or the supply is still there.
    pub async fn power_off(&mut self) -> Result<Option<Effect>, BenchError> {
        if self.supply == Supply::Off {
            return Ok(None);
        }
        let power = self.power.clone().ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })?;
        let before = self.measure_before_cut(&*power).await;
        let effect = self.switch(&*power, false).await?;
        let evidence = self.judge_cut(&*power, before, effect.cursor).await;
        let detail = evidence.detail;
        self.scope.record(|board| What::PowerCut { board, evidence: evidence.grade, detail: detail.clone() });
        match evidence.grade {
            Evidence::Contradicted => Err(BenchError::StillPowered { board: self.name().to_owned(), evidence: detail }),
            Evidence::Sensed | Evidence::Consistent | Evidence::Unproven => Ok(Some(effect)),
        }
    }

    /// Switches its rails and nothing else: its console is not captured, and its port may be absent.
    ///
    /// # Errors
    /// If the driver fails, there are no rails, or the supply is still there after a cut.
    pub async fn switch_rails(&mut self, on: bool) -> Result<Effect, BenchError> {
        let power = self.power.clone().ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })?;
        if on {
            return self.switch(&*power, true).await;
        }
        // Switch off unconditionally: another program may have switched them.
        self.supply = Supply::Unknown;
        let effect = self.power_off().await?;
        effect.ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })
    }

    /// Asks the driver to switch, and records when it was asked and when it had switched.
    ///
    /// The board may print before the driver has answered, so its output counts from the request. Deadlines count from
    /// the answer: a plug takes 100 ms, a person 20 s.
    async fn switch(&mut self, power: &dyn PowerDriver, on: bool) -> Result<Effect, BenchError> {
        let asked = self.scope.record(|board| What::PowerSwitching { board, on });
        // Unknown until the driver has answered, also if this future is dropped: making the board safe must then switch
        // it.
        self.supply = Supply::Unknown;
        match power.switch(on).await {
            Ok(()) => {
                self.supply = Supply::of(on);
                Ok(Effect::since(Cursor::after(&asked), &self.record_power(on)))
            }
            Err(error) => {
                self.follow_rails(power).await;
                Err(BenchError::power(self.name(), error))
            }
        }
    }

    /// After a failure: what the rails are, where the driver can tell.
    async fn follow_rails(&mut self, power: &dyn PowerDriver) {
        match power.state().await {
            Ok(Some(on)) => {
                self.supply = Supply::of(on);
                self.record_power(on);
                self.scope.note(format!("its rails are {} after the failure", if on { "on" } else { "off" }));
            }
            Ok(None) | Err(_) => self.supply = Supply::Unknown,
        }
    }

    /// Whether it has supply, where something measures it.
    ///
    /// # Errors
    /// If measuring fails or there are no rails.
    pub async fn measure_power(&self) -> Result<Option<bool>, BenchError> {
        let power = self.power.clone().ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })?;
        power.measure().await.map_err(|error| BenchError::power(self.name(), error))
    }

    /// Puts the board into the state that it must have after use: pins released, rails in their safe state, the chip
    /// out of reset.
    pub async fn make_safe(&mut self) {
        self.release_pins().await;
        self.make_rails_safe().await;
        // After the rails: a board that loses its power does not boot once more.
        self.release_reset().await;
    }

    /// Leaves a board whose rails another process holds: pins released, the chip out of reset, its power as it is.
    pub async fn leave_powered(&mut self) {
        self.release_pins().await;
        self.release_reset().await;
    }

    /// Opens the console of a board whose rails another process holds: they are on.
    ///
    /// # Errors
    /// If the port can't be opened.
    pub async fn join_held(&mut self) -> Result<(), BenchError> {
        self.supply = Supply::On;
        self.open_console()?;
        self.wait_for_port().await.map(drop)
    }

    async fn make_rails_safe(&mut self) {
        let Some(power) = self.power.clone() else { return };
        // Rails that this run never switched are left to the keeper.
        if matches!(self.supply, Supply::Off | Supply::Untouched) {
            return;
        }
        let left_off = self.is_left_off();
        if left_off {
            self.scope.record(|board| What::PowerSwitching { board, on: false });
        }
        self.supply = Supply::Unknown;
        match power.make_safe().await {
            Ok(()) if left_off => {
                self.supply = Supply::Off;
                self.record_power(false);
            }
            // Some of them may be on: the next user switches them as needed.
            Ok(()) => {}
            Err(error) => self.scope.note(format!("its rails could not be made safe: {error}")),
        }
    }

    /// Whether its rails are off while it is not in use.
    fn is_left_off(&self) -> bool {
        let is_off = |rail: &hil_config::Rail| rail.safe_state == SafeState::Off && !rail.driver.by_hand;
        self.config.rails.iter().all(is_off)
    }

    fn record_power(&self, on: bool) -> Arc<RunEvent> {
        let rail = self.power.as_ref().map(|power| power.rail().to_owned()).unwrap_or_default();
        self.scope.record(|board| What::Power { board, rail, on })
    }
}
