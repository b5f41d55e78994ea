//! Finds the port of a chip with a certain MAC address by querying the chips.

use std::path::Path;

use hil_config::{PortIdentity, mac_text};

use hil_power::keeper::DeviceLock;

use crate::flashing::probe;
use crate::ports::{PortState, attached, find, state_of};

/// The identity of a board by the place of its port, where it is known by its MAC and no native USB port tells that.
/// Every free USB port is asked for the MAC of its chip, which resets it; boards must have power. Blocks for seconds.
/// None if no query is needed, or no chip has that MAC.
pub fn place_by_mac(identity: &PortIdentity) -> Option<PortIdentity> {
    let mac = identity.mac?;
    if find(identity).is_ok() {
        return None;
    }
    let wanted = mac_text(mac);
    // The other parts of the identity must match as well.
    let others = PortIdentity { mac: None, ..identity.clone() };
    let ports = attached(Path::new("/sys"), Path::new("/dev")).into_iter();
    let asked = ports.filter(|port| state_of(&port.path) == PortState::Ready).find(|port| {
        let Some(usb) = &port.usb else { return false };
        let Ok(_lock) = DeviceLock::try_take(&format!("usb {}", usb.interface), "hil, looking for a MAC") else {
            return false;
        };
        probe(&port.path, Some(usb)).is_ok_and(|probed| probed.mac.eq_ignore_ascii_case(&wanted))
    });
    Some(PortIdentity { topology: Some(asked?.usb?.interface), ..others })
}
