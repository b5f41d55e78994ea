//! The serial ports that are attached, as the kernel's sysfs tells them.

use std::path::{Path, PathBuf};

/// A serial port of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedPort {
    /// Device path, `/dev/ttyUSB0`.
    pub path: PathBuf,
    /// The kernel's driver, `cp210x`.
    pub driver: Option<String>,
    /// Its USB device, if it is on USB.
    pub usb: Option<UsbIdentity>,
}

/// What a USB device reports of itself, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsbIdentity {
    /// Vendor id.
    pub vid: u16,
    /// Product id.
    pub pid: u16,
    /// Serial number.
    pub serial: Option<String>,
    /// Product name.
    pub product: Option<String>,
    /// Place in the USB tree, `1-1.2`.
    pub topology: String,
    /// Place with the interface, `1-1.2:1.0`.
    pub interface: String,
}

impl UsbIdentity {
    /// The USB-Serial/JTAG peripheral that some chips have inside (ESP32-C3 Technical Reference Manual).
    #[must_use]
    pub fn is_usb_jtag(&self) -> bool {
        (self.vid, self.pid) == (0x303a, 0x1001)
    }
}

/// Every serial port, by path. `sysfs` is `/sys`, `dev` is `/dev`. A machine without serial ports has none.
#[must_use]
pub fn attached(sysfs: &Path, dev: &Path) -> Vec<AttachedPort> {
    let entries = std::fs::read_dir(sysfs.join("class/tty")).into_iter().flatten().flatten();
    let mut ports: Vec<_> = entries.filter_map(|entry| read(&entry.path(), dev)).collect();
    ports.sort_by_key(|port| natural(&port.path));
    ports
}

/// `ttyUSB2` before `ttyUSB10`.
fn natural(path: &Path) -> (String, u64) {
    let name = path.to_string_lossy();
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem.to_owned(), name[stem.len()..].parse().unwrap_or(0))
}

fn read(entry: &Path, dev: &Path) -> Option<AttachedPort> {
    let name = entry.file_name()?.to_str()?;
    // An entry without a device is not hardware: consoles, pseudo-terminals.
    let device = entry.join("device").canonicalize().ok()?;
    // An 8250 port that is not there still has an entry; its type is 0 (PORT_UNKNOWN).
    if text(&entry.join("type")).is_some_and(|kind| kind == "0") {
        return None;
    }
    let driver = device.join("driver").canonicalize().ok();
    let driver = driver.and_then(|driver| Some(driver.file_name()?.to_str()?.to_owned()));
    Some(AttachedPort { path: dev.join(name), driver, usb: usb(&device) })
}

fn usb(device: &Path) -> Option<UsbIdentity> {
    let mut interface = None;
    for folder in device.ancestors() {
        if folder.join("bInterfaceNumber").is_file() {
            interface = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        }
        if folder.join("idVendor").is_file() {
            let hex = |name| u16::from_str_radix(&text(&folder.join(name))?, 16).ok();
            let topology = folder.file_name()?.to_string_lossy().into_owned();
            return Some(UsbIdentity {
                vid: hex("idVendor")?,
                pid: hex("idProduct")?,
                serial: text(&folder.join("serial")),
                product: text(&folder.join("product")),
                interface: interface.unwrap_or_else(|| topology.clone()),
                topology,
            });
        }
    }
    None
}

/// The text of an attribute, without control characters: it is shown and compared.
fn text(file: &Path) -> Option<String> {
    let text = std::fs::read(file).ok()?;
    let text: String = String::from_utf8_lossy(&text).trim().chars().filter(|c| !c.is_control()).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A folder shaped like sysfs with a USB serial port in it.
    pub(crate) fn plug(sysfs: &Path, tty: &str, topology: &str, serial: &str) {
        let device = sysfs.join("devices/usb1").join(topology);
        let port = device.join(format!("{topology}:1.0")).join(tty);
        std::fs::create_dir_all(&port).expect("port");
        std::fs::create_dir_all(sysfs.join("bus/usb-serial/drivers/cp210x")).expect("driver");
        for (file, text) in
            [("idVendor", "10c4\n"), ("idProduct", "ea60\n"), ("product", "CP2102\n"), ("serial", serial)]
        {
            std::fs::write(device.join(file), text).expect("attribute");
        }
        std::fs::write(port.parent().expect("interface").join("bInterfaceNumber"), "00\n").expect("interface");
        let _ = std::os::unix::fs::symlink(sysfs.join("bus/usb-serial/drivers/cp210x"), port.join("driver"));
        let class = sysfs.join("class/tty").join(tty);
        std::fs::create_dir_all(&class).expect("class");
        std::os::unix::fs::symlink(&port, class.join("device")).expect("device");
    }

    #[test]
    fn ports_are_listed_with_what_they_are_known_by() {
        let sysfs = tempfile::tempdir().expect("folder");
        plug(sysfs.path(), "ttyUSB10", "1-1.2", "0001");
        plug(sysfs.path(), "ttyUSB2", "1-1.3", "0001");
        std::fs::create_dir_all(sysfs.path().join("class/tty/tty0")).expect("console");
        let ports = attached(sysfs.path(), Path::new("/dev"));
        assert_eq!(
            ports.iter().map(|port| port.path.display().to_string()).collect::<Vec<_>>(),
            ["/dev/ttyUSB2", "/dev/ttyUSB10"]
        );
        assert_eq!(ports[1].driver.as_deref(), Some("cp210x"));
        let usb = ports[1].usb.clone().expect("usb");
        assert_eq!((usb.vid, usb.pid, usb.serial.as_deref()), (0x10c4, 0xea60, Some("0001")));
        assert_eq!((usb.topology.as_str(), usb.interface.as_str()), ("1-1.2", "1-1.2:1.0"));
    }

    #[test]
    fn a_machine_without_sysfs_has_no_ports() {
        assert_eq!(attached(Path::new("/no/such/sysfs"), Path::new("/dev")), []);
    }
}
