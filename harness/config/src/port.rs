//! `boards.NAME.port`: which serial port is the board's.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::spec::{Key, Kind, TableSpec};
use crate::table::Value;

/// What a port is known by. All that is given must fit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PortIdentity {
    /// Serial number of the USB device.
    pub usb_serial: Option<String>,
    /// Device path, best one under `/dev/serial/by-id`.
    pub path: Option<PathBuf>,
    /// Place in the USB tree, `1-1.2`, with the interface `1-1.2:1.0` where a device has several ports.
    pub topology: Option<String>,
    /// MAC address of the chip, six bytes.
    pub mac: Option<[u8; 6]>,
}

impl PortIdentity {
    /// Whether each port that `other` finds has all that this identity asks for: then both are the same port, or this
    /// one is ambiguous.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(ours: Option<&T>, theirs: Option<&T>) -> bool {
            ours.is_none() || ours == theirs
        }
        let path = |identity: &Self| identity.path.as_deref().map(normal);
        same(self.usb_serial.as_ref(), other.usb_serial.as_ref())
            && same(path(self).as_ref(), path(other).as_ref())
            && same(self.mac.as_ref(), other.mac.as_ref())
            && self.topology.as_deref().is_none_or(|ours| other.topology.as_deref().is_some_and(|it| is_at(ours, it)))
    }
}

/// Whether a place in the USB tree is `place`, or an interface of the device there.
fn is_at(place: &str, other: &str) -> bool {
    other == place || other.split_once(':').is_some_and(|(device, _)| device == place)
}

/// A path without what leads nowhere: `/dev/../dev//ttyUSB0` is `/dev/ttyUSB0`. Links are followed only where the
/// device is there.
pub(crate) fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => drop(normal.pop()),
            // Above the root is the root.
            Component::ParentDir if normal.has_root() => {}
            other => normal.push(other),
        }
    }
    normal
}

impl fmt::Display for PortIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        parts.extend(self.usb_serial.as_ref().map(|serial| format!("USB serial number `{serial}`")));
        parts.extend(self.path.as_ref().map(|path| format!("path `{}`", path.display())));
        parts.extend(self.topology.as_ref().map(|topology| format!("USB topology `{topology}`")));
        parts.extend(self.mac.map(|mac| format!("MAC `{}`", mac_text(mac))));
        f.write_str(&parts.join(" and "))
    }
}

/// A MAC address as people write it.
///
/// # Example
/// ```
/// assert_eq!(hil_config::mac_text([0x84, 0xf7, 3, 0, 0, 1]), "84:f7:03:00:00:01");
/// ```
#[must_use]
pub fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

pub(crate) static PORT: TableSpec = TableSpec {
    keys: &[
        Key::optional("usb-serial", Kind::Text, "", "Serial number of the USB device; `hil boards discover` shows it."),
        Key::optional("path", Kind::Text, "", "Device path, preferably one under `/dev/serial/by-id/`."),
        Key::optional(
            "topology",
            Kind::Text,
            "",
            "Place in the USB tree, `\"1-1.2\"`, or with the interface, `\"1-1.2:1.0\"`. Tells two adapters with the same serial number apart.",
        ),
        Key::optional(
            "mac",
            Kind::Text,
            "",
            "MAC address of the chip, `\"84:f7:03:12:34:56\"`; native USB ports have it as their serial number; with an adapter, each free port is asked, and the board must have power.",
        ),
    ],
};

impl PortIdentity {
    /// What to write.
    pub(crate) const HINT: &str =
        "example: `port = { usb-serial = \"A50285BI\" }`; `hil boards discover` lists what is attached";

    pub(crate) fn read(value: &Value<'_, '_>) -> Option<Self> {
        let mut table = value.table(&PORT)?;
        let text = |value: Option<Value<'_, '_>>| value.and_then(|v| v.text());
        let usb_serial = text(table.value("usb-serial"));
        let path = text(table.value("path")).map(PathBuf::from);
        let topology = table.value("topology").and_then(|v| {
            let hint = "example: `1-1.2`; `hil boards discover` shows it";
            v.parsed("a place in the USB tree", hint, |text| is_topology(text).then(|| text.to_owned()))
        });
        let mac = table.value("mac").and_then(|v| v.parsed("a MAC address", "example: `84:f7:03:12:34:56`", parse_mac));
        table.finish();
        let identity = Self { usb_serial, path, topology, mac };
        if identity == Self::default() && value.map().is_none_or(|map| map.entries().next().is_none()) {
            value.problem("no key identifies the port", Self::HINT.to_owned());
        }
        (identity != Self::default()).then_some(identity)
    }
}

fn is_topology(text: &str) -> bool {
    match text.split_once(':') {
        Some((device, interface)) => is_device(device) && is_numbers(interface),
        None => is_device(text),
    }
}

/// Whether this is a place in the USB tree, without an interface: `1-1.2`.
pub(crate) fn is_device(text: &str) -> bool {
    text.split_once('-').is_some_and(|(bus, ports)| is_numbers(bus) && !bus.contains('.') && is_numbers(ports))
}

fn is_numbers(text: &str) -> bool {
    text.split('.').all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

pub(crate) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut mac = [0; 6];
    let mut bytes = text.split([':', '-']);
    for byte in &mut mac {
        let text = bytes.next().filter(|text| text.len() == 2 && text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(text, 16).ok()?;
    }
    bytes.next().is_none().then_some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_port_is_known_by_several_names() {
        let by_path = |path: &str| PortIdentity { path: Some(path.into()), ..PortIdentity::default() };
        let at = |topology: &str| PortIdentity { topology: Some(topology.into()), ..PortIdentity::default() };
        assert!(by_path("/dev/ttyUSB0").covers(&by_path("/dev/./x/..//ttyUSB0")));
        assert!(by_path("/dev/ttyUSB0").covers(&by_path("/../dev/ttyUSB0")));
        assert!(!by_path("/dev/ttyUSB0").covers(&by_path("/dev/ttyUSB1")));
        assert!(at("1-1.2").covers(&at("1-1.2:1.0")), "the device's port, or one of several");
        assert!(!at("1-1.2:1.0").covers(&at("1-1.2:1.1")) && !at("1-1.2").covers(&at("1-1.20:1.0")));
        let twin = |topology: &str| PortIdentity { usb_serial: Some("0001".into()), ..at(topology) };
        let serial = PortIdentity { topology: None, ..twin("1-1") };
        assert!(serial.covers(&twin("1-1.2")), "a board known by the number alone may get this one");
        assert!(!twin("1-1.2").covers(&twin("1-1.3")) && !serial.covers(&at("1-1.2")));
    }

    #[test]
    fn topologies_and_macs_are_recognised() {
        for good in ["1-1", "1-1.2", "3-1.4.2:1.0"] {
            assert!(is_topology(good), "{good}");
        }
        for bad in ["", "1", "1-", "-1", "1-a", "ttyUSB0", "1-1.2:"] {
            assert!(!is_topology(bad), "{bad}");
        }
        assert_eq!(parse_mac("84:F7:03:00:00:01"), Some([0x84, 0xf7, 3, 0, 0, 1]));
        for bad in ["", "84:f7", "84:f7:03:00:00:01:02", "84:f7:03:00:00:g1", "+4:f7:03:00:00:01"] {
            assert!(parse_mac(bad).is_none(), "{bad}");
        }
    }
}
