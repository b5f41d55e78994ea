//! The power drivers, a file each. A new one is its file, its `mod` line and its line in [`DRIVERS`].

mod command;
mod gpio;
mod http;
pub(crate) mod manual;
mod shelly;
mod tasmota;
mod usb_port;

use hil_config::{RailDriver, RailKind};

use crate::driver::PowerError;
use crate::kind::{Diagnosis, Entry};

/// In the order of the documentation.
pub(crate) static DRIVERS: &[Entry] = &[
    Entry::of::<gpio::Gpio>(),
    Entry::of::<usb_port::UsbPort>(),
    Entry::of::<command::RailCommands>(),
    Entry::of::<tasmota::Tasmota>(),
    Entry::of::<shelly::Shelly>(),
    Entry::of::<http::Http>(),
    Entry::of::<manual::ByHand>(),
];

/// The power drivers, as the bench file names them.
#[must_use]
pub fn kinds() -> Vec<RailKind> {
    DRIVERS.iter().map(|entry| entry.kind).collect()
}

/// Checks that a rail can be switched, without switching it.
///
/// # Errors
/// If no driver has this name, or the driver can't read its settings because they come from another version.
pub fn check(driver: &RailDriver) -> Result<Diagnosis, PowerError> {
    let entry = DRIVERS.iter().find(|entry| entry.kind.word == driver.word);
    entry.ok_or_else(|| unknown(driver))?.check(driver)
}

pub(crate) fn unknown(driver: &RailDriver) -> PowerError {
    PowerError::new(&driver.name, format!("there is no power driver `{}`", driver.word), None)
}
