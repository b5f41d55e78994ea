//! A board's rails.

use std::time::Duration;

use hil_config::{RailDriver, SafeState};
use hil_timeline::{Cursor, RunEvent, What};
use tokio::time::Instant;

use super::Board;
use crate::error::BenchError;

impl Board {
    /// Switches all rails on; the console is open before, where there is a port. A board without rails has power.
    ///
    /// # Errors
    /// When the driver fails or the port can't be opened.
    pub async fn power_on(&mut self) -> Result<(), BenchError> {
        if self.powered {
            return Ok(());
        }
        self.open_console()?;
        if let Some(power) = self.power.clone() {
            self.expect_boot();
            // Recorded first: what it causes comes after it.
            self.record_power(true);
            // Before it is so: whoever is stopped in between must know that there is something to switch off.
            self.powered = true;
            power.switch(true).await.map_err(|error| BenchError::power(self.name(), error))?;
            tokio::time::sleep(self.config.boot_delay).await;
        }
        self.powered = true;
        self.wait_for_port().await?;
        match &mut self.device {
            Some(device) => device.complete(&self.config).await,
            None => Ok(()),
        }
    }

    /// Switches all rails off, and looks whether the supply is gone where something measures it.
    ///
    /// # Errors
    /// When the driver fails, there are no rails, or the supply is still there.
    pub async fn power_off(&mut self) -> Result<(), BenchError> {
        if !self.powered {
            return Ok(());
        }
        let power = self.power.clone().ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })?;
        let failed = |error| BenchError::power(self.config.name.as_str(), error);
        let begin = self.scope.recorder().timeline().end();
        power.switch(false).await.map_err(failed)?;
        let measured = power.measure().await.map_err(failed)?;
        self.powered = false;
        self.record_power(false);
        let evidence = match measured {
            Some(on) => Some((on, "its driver measures it".to_owned())),
            None => self.sense_supply(begin).await,
        };
        match evidence {
            Some((true, evidence)) => Err(BenchError::StillPowered { board: self.name().to_owned(), evidence }),
            Some((false, evidence)) => {
                self.scope.note(format!("the cut is proven: {evidence}"));
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Whether there is supply after a cut, by the pin that tells so; none where there is no such pin.
    async fn sense_supply(&self, from: Cursor) -> Option<(bool, String)> {
        /// A supply falls as slowly as its capacitors let it.
        const FALLS: Duration = Duration::from_secs(3);
        /// And must then stay where it is.
        const STAYS: Duration = Duration::from_millis(200);
        let name = self.config.power_pin.clone()?;
        let gone = |event: &RunEvent| {
            matches!(&event.what, What::Pin { board, pin, on: false, .. } if board == self.name() && *pin == name)
                .then_some(())
        };
        let is_off = || self.pins.is_on(&name) == Some(false);
        let timeline = self.scope.recorder().timeline().clone();
        let mut fell = is_off() || timeline.wait_for(from, Instant::now() + FALLS, gone).await.is_ok();
        if fell {
            // A supply that dips and comes back is no cut.
            tokio::time::sleep(STAYS).await;
            fell = is_off();
        }
        Some((!fell, format!("its pin `{name}` is {}", if fell { "off" } else { "still on" })))
    }

    /// Switches its rails and nothing else: nobody listens to it, and its port may be absent.
    ///
    /// # Errors
    /// When the driver fails, there are no rails, or the supply is still there after a cut.
    pub async fn switch_rails(&mut self, on: bool) -> Result<(), BenchError> {
        if !on {
            // Whatever it is now, it shall be off.
            self.powered = true;
            return self.power_off().await;
        }
        let power = self.power.clone().ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })?;
        self.powered = true;
        self.record_power(true);
        power.switch(true).await.map_err(|error| BenchError::power(self.name(), error))
    }

    /// Whether it has supply, where something measures it.
    ///
    /// # Errors
    /// When measuring fails or there are no rails.
    pub async fn measure_power(&self) -> Result<Option<bool>, BenchError> {
        let power = self.power.clone().ok_or_else(|| BenchError::NoRails { board: self.name().to_owned() })?;
        power.measure().await.map_err(|error| BenchError::power(self.name(), error))
    }

    /// Lets go of its pins and leaves its rails as they shall be when nobody uses the board.
    pub async fn make_safe(&mut self) {
        self.release_pins().await;
        let Some(power) = self.power.clone() else { return };
        if !self.powered {
            return;
        }
        match power.make_safe().await {
            Ok(()) => {
                self.powered = false;
                if self.is_left_off() {
                    self.record_power(false);
                }
            }
            Err(error) => self.scope.note(format!("its rails could not be made safe: {error}")),
        }
    }

    /// Whether its rails are off when nobody uses it.
    fn is_left_off(&self) -> bool {
        let is_off = |rail: &hil_config::Rail| rail.safe_state == SafeState::Off && rail.driver != RailDriver::Manual;
        self.config.rails.iter().all(is_off)
    }

    fn record_power(&self, on: bool) {
        let rail = self.power.as_ref().map(|power| power.rail().to_owned()).unwrap_or_default();
        self.scope.record(|board| What::Power { board, rail, on });
    }
}
