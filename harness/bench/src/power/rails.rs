//! All rails of a board: switched together, each left in its safe state.

use std::path::Path;

use hil_config::{Rail, RailDriver, SafeState};

use super::command::Command;
use super::gpio::GpioRails;
use super::shelly::Shelly;
use super::tasmota::Tasmota;
use super::usb_port::UsbPort;
use super::{Measuring, PowerDriver, PowerError, Switching};

/// The rails of one board.
pub struct Rails {
    drivers: Vec<(Box<dyn PowerDriver>, SafeState)>,
    name: String,
}

impl std::fmt::Debug for Rails {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rails").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Rails {
    /// Opens the rails. Lines of this machine are requested switched off; everything else stays as it is. `sysfs` is
    /// `/sys`.
    ///
    /// # Errors
    /// When a line, a hub or its port can't be had.
    pub fn open(rails: &[Rail], sysfs: &Path) -> Result<Self, PowerError> {
        let lines: Vec<_> = rails
            .iter()
            .filter_map(|rail| match &rail.driver {
                RailDriver::Gpio(line) => Some(line),
                _ => None,
            })
            .collect();
        let mut drivers: Vec<(Box<dyn PowerDriver>, _)> = Vec::new();
        for gpio in GpioRails::open(&lines)? {
            drivers.push((Box::new(gpio), SafeState::Off));
        }
        for rail in rails {
            let name = rail.driver.to_string();
            let driver: Box<dyn PowerDriver> = match rail.driver.clone() {
                // A person is asked where the terminal is.
                RailDriver::Gpio(_) | RailDriver::Manual => continue,
                RailDriver::UsbPort { topology } => Box::new(UsbPort::open(sysfs, &topology)?),
                RailDriver::Command { on, off, state, timeout } => Box::new(Command { name, on, off, state, timeout }),
                RailDriver::Tasmota { broker, topic, output, login } => {
                    Box::new(Tasmota { name, broker, topic, output, login })
                }
                RailDriver::Shelly { address, output, generation } => {
                    Box::new(Shelly { name, address, output, generation, busy: Default::default() })
                }
            };
            drivers.push((driver, rail.safe_state));
        }
        let name = drivers.iter().map(|(driver, _)| driver.rail()).collect::<Vec<_>>().join(" + ");
        Ok(Self { drivers, name })
    }

    /// Switches every rail to what `wanted` says; the first failure is told, but every rail is tried.
    async fn switch_each(&self, wanted: impl Fn(SafeState) -> bool) -> Result<(), PowerError> {
        let switching = self.drivers.iter().map(|(driver, safe)| driver.switch(wanted(*safe)));
        futures::future::join_all(switching).await.into_iter().collect()
    }
}

impl PowerDriver for Rails {
    fn switch(&self, on: bool) -> Switching<'_> {
        Box::pin(self.switch_each(move |_| on))
    }

    /// Off only where every rail that can be measured is off; none where none can.
    fn measure(&self) -> Measuring<'_> {
        Box::pin(async {
            let mut any = None;
            for (driver, _) in &self.drivers {
                any = driver.measure().await?.map(|on| on || any == Some(true)).or(any);
            }
            Ok(any)
        })
    }

    fn make_safe(&self) -> Switching<'_> {
        Box::pin(self.switch_each(|safe| safe == SafeState::On))
    }

    fn rail(&self) -> &str {
        &self.name
    }
}
