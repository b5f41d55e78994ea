//! Detects the chip at a port.

use std::path::Path;
use std::time::Duration;

use espflash::connection::{Connection, ResetAfterOperation, ResetBeforeOperation};
use espflash::flasher::Flasher;
use serialport::UsbPortInfo;

use crate::ports::UsbIdentity;

/// What answered at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probed {
    /// The chip, as the bench file calls it where it knows it.
    pub chip: String,
    /// Its MAC address.
    pub mac: String,
}

/// Resets the chip at a port into its loader, asks for chip and MAC, and resets it into its app. Blocks for some
/// seconds. Nothing is written.
///
/// # Errors
/// Why there is no answer.
pub fn probe(path: &Path, usb: Option<&UsbIdentity>) -> Result<Probed, String> {
    const ROM_BAUD: u32 = 115_200;
    let open = serialport::new(path.to_string_lossy(), ROM_BAUD).timeout(Duration::from_secs(3));
    let port = serialport::TTYPort::open(&open).map_err(|error| error.to_string())?;
    let (vid, pid) = usb.map_or((0, 0), |usb| (usb.vid, usb.pid));
    let usb = UsbPortInfo { vid, pid, serial_number: None, manufacturer: None, product: None };
    let (after, before) = (ResetAfterOperation::HardReset, ResetBeforeOperation::DefaultReset);
    let connection = Connection::new(port, usb, after, before, ROM_BAUD);
    let flasher = Flasher::connect(connection, false, false, false, None, None);
    let mut flasher = flasher.map_err(|error| format!("nothing answers: {error}"))?;
    let chip = flasher.chip();
    let mac = chip.mac_address(flasher.connection()).map_err(|error| error.to_string())?;
    // The app runs again; a chip that can't be reset stays in its loader, and its next user resets it.
    let _ = flasher.connection().reset();
    let name = chip.to_string();
    let word = hil_config::Chip::named(&name).map(|chip| chip.word().to_owned());
    Ok(Probed { chip: word.unwrap_or(name), mac })
}
