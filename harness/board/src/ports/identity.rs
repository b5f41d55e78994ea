//! Which attached port is a board's.

use std::io;
use std::path::{Path, PathBuf};

use hil_config::{PortIdentity, mac_text};

use super::attached::{AttachedPort, attached};
use super::watch::FolderWatch;
use super::{PortFinder, PortProblem, PortUser, PortWatch, users_of};

/// The port with this identity.
///
/// # Errors
/// If none fits, or several do.
pub fn find(identity: &PortIdentity) -> Result<PathBuf, PortProblem> {
    find_in(identity, Path::new("/sys"), Path::new("/dev"))
}

fn find_in(identity: &PortIdentity, sysfs: &Path, dev: &Path) -> Result<PathBuf, PortProblem> {
    let absent = || PortProblem::Absent { wanted: identity.to_string() };
    // A path is a port whether or not the kernel knows hardware behind it: pseudo-terminals and links are ports too.
    let named = match &identity.path {
        Some(path) => Some(path.canonicalize().map_err(|_| absent())?),
        None => None,
    };
    if let (Some(path), PortIdentity { usb_serial: None, topology: None, mac: None, .. }) = (&named, identity) {
        return Ok(path.clone());
    }
    let ports = attached(sysfs, dev);
    let fits = |port: &&AttachedPort| named.as_ref().is_none_or(|path| *path == port.path) && is(identity, port);
    let fitting: Vec<_> = ports.iter().filter(fits).collect();
    match fitting.as_slice() {
        [] => Err(absent()),
        [port] => Ok(port.path.clone()),
        several => {
            let place = |port: &&AttachedPort| {
                let place = port.usb.as_ref().map(|usb| format!(" at {}", usb.interface)).unwrap_or_default();
                format!("`{}`{place}", port.path.display())
            };
            Err(PortProblem::Ambiguous { wanted: identity.to_string(), found: several.iter().map(place).collect() })
        }
    }
}

/// Whether a port has all that the identity asks for, except its path.
fn is(identity: &PortIdentity, port: &AttachedPort) -> bool {
    let usb = port.usb.as_ref();
    let serial = usb.and_then(|usb| usb.serial.as_deref());
    let same_serial = identity.usb_serial.as_deref().is_none_or(|wanted| serial == Some(wanted));
    let same_place = identity
        .topology
        .as_deref()
        .is_none_or(|wanted| usb.is_some_and(|usb| usb.topology == wanted || usb.interface == wanted));
    // A native USB port has the chip's MAC as its serial number (ESP-IDF, "USB Serial/JTAG").
    let same_mac =
        identity.mac.is_none_or(|mac| serial.is_some_and(|serial| serial.eq_ignore_ascii_case(&mac_text(mac))));
    same_serial && same_place && same_mac
}

/// Finds a real board's port.
#[derive(Debug)]
pub struct IdentityFinder(PortIdentity);

impl IdentityFinder {
    /// Finds the port that has all of this.
    #[must_use]
    pub fn new(identity: PortIdentity) -> Self {
        Self(identity)
    }
}

impl PortFinder for IdentityFinder {
    fn find(&self) -> Result<PathBuf, PortProblem> {
        find(&self.0)
    }

    fn users(&self) -> Vec<PortUser> {
        self.find().map(|path| users_of(&path)).unwrap_or_default()
    }

    fn watch(&self) -> io::Result<Box<dyn PortWatch>> {
        // Where links by id are, and where the devices are.
        let named = self.0.path.as_deref().into_iter().flat_map(Path::ancestors).skip(1).map(Path::to_owned);
        let folders = named.filter(|folder| {
            folder.starts_with("/dev") || Some(folder.as_path()) == self.0.path.as_deref().and_then(Path::parent)
        });
        Ok(Box::new(FolderWatch::new(folders.chain([PathBuf::from("/dev")]))?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::attached::tests::plug;
    use super::*;

    fn by(serial: Option<&str>, topology: Option<&str>) -> PortIdentity {
        PortIdentity {
            usb_serial: serial.map(str::to_owned),
            topology: topology.map(str::to_owned),
            ..PortIdentity::default()
        }
    }

    #[test]
    fn two_adapters_with_one_serial_number_are_distinguished_by_topology() {
        let sysfs = tempfile::tempdir().expect("folder");
        plug(sysfs.path(), "ttyUSB0", "1-1.2", "0001");
        plug(sysfs.path(), "ttyUSB1", "1-1.3", "0001");
        plug(sysfs.path(), "ttyACM0", "1-1.4", "84:F7:03:00:00:01");
        let found = |identity: &PortIdentity| {
            find_in(identity, sysfs.path(), Path::new("/dev")).map(|path| path.display().to_string())
        };
        let ambiguous = found(&by(Some("0001"), None)).expect_err("ambiguous");
        assert_eq!(
            ambiguous.to_string(),
            "2 serial ports have USB serial number `0001`: `/dev/ttyUSB0` at 1-1.2:1.0, `/dev/ttyUSB1` at 1-1.3:1.0"
        );
        assert_eq!(found(&by(Some("0001"), Some("1-1.3"))).as_deref(), Ok("/dev/ttyUSB1"));
        assert_eq!(found(&by(None, Some("1-1.2:1.0"))).as_deref(), Ok("/dev/ttyUSB0"));
        let mac = PortIdentity { mac: Some([0x84, 0xf7, 3, 0, 0, 1]), ..PortIdentity::default() };
        assert_eq!(found(&mac).as_deref(), Ok("/dev/ttyACM0"));
        let absent = found(&by(Some("0002"), None)).expect_err("absent");
        assert_eq!(absent.to_string(), "no serial port with USB serial number `0002` is attached");
    }
}
