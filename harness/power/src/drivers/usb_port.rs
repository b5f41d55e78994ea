//! Rails that are ports of a USB hub with power switching, through the kernel's `disable` attribute (Linux 6.0,
//! `Documentation/ABI/testing/sysfs-bus-usb`, `portX/disable`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hil_config::spec::{Key, Kind, TableSpec};
use hil_config::table::Table;
use hil_config::{OFF_TIME, RailContext, RailUses, SAFE_STATE};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::driver::{Measuring, PowerDriver, PowerError, Switching};
use crate::kind::{Diagnosis, Opened, Opening, PowerKind};
use crate::retry::{Failed, retry};

const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(200);

/// The port of a hub, by the place of the device in the USB tree.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UsbPort {
    topology: String,
}

impl PowerKind for UsbPort {
    const WORD: &'static str = "usb-port";
    const KEYS: &'static TableSpec = &TableSpec {
        keys: &[
            Key::optional(
                "topology",
                Kind::Text,
                "the port's",
                "Place of the switched device in the USB tree: `\"1-1.2\"` is port 2 of hub `1-1`.",
            ),
            OFF_TIME,
            SAFE_STATE,
        ],
    };

    fn read(table: &mut Table<'_, '_>, context: &RailContext<'_>) -> Option<Self> {
        let own = table.value("topology").and_then(|v| v.usb_place());
        // The interface of a port is not part of the hub's place.
        let from_port = || context.port_topology.and_then(|place| Some(place.split(':').next()?.to_owned()));
        let topology = own.or_else(from_port);
        if topology.is_none() {
            table.missing("missing key `topology`", "example: `topology = \"1-1.2\"`; `hil boards discover` shows it");
        }
        Some(Self { topology: topology? })
    }

    fn label(&self) -> String {
        self.topology.clone()
    }

    fn uses(&self) -> RailUses {
        RailUses { hub_port: Some(self.topology.clone()), ..RailUses::default() }
    }

    fn open(rails: Vec<Opening<Self>>, sysfs: &Path) -> Result<Vec<Opened>, PowerError> {
        Opening::each(rails, |settings, _| HubPort::open(sysfs, &settings.topology))
    }

    fn check(&self) -> Diagnosis {
        match HubPort::open(Path::new("/sys"), &self.topology) {
            Ok(_) => Diagnosis::Good("the hub can switch it".to_owned()),
            Err(error) => Diagnosis::Bad { reason: error.reason, hint: error.hint.unwrap_or_default() },
        }
    }
}

/// One port of a hub.
#[derive(Debug)]
struct HubPort {
    name: String,
    attribute: PathBuf,
    /// Held while it is written: a switch that was given up ends before the next begins.
    busy: Arc<Mutex<()>>,
}

impl HubPort {
    /// Finds the port; `sysfs` is `/sys`.
    fn open(sysfs: &Path, topology: &str) -> Result<Self, PowerError> {
        let name = format!("usb-port {topology}");
        let attribute = sysfs.join("bus/usb/devices").join(attribute_of(topology));
        if attribute.is_file() {
            return Ok(Self { name, attribute, busy: Arc::default() });
        }
        let reason = format!("there is no `{}`", attribute.display());
        let hint = "is the hub attached, can it switch its ports (the uhubctl project lists hubs), and is this Linux 6.0 or later?";
        Err(PowerError::new(&name, reason, hint))
    }
}

/// The attribute of the port that a device is attached to: `1-1.2` is port 2 of hub `1-1`, `1-1` is port 1 of root hub
/// 1.
fn attribute_of(topology: &str) -> PathBuf {
    let (hub, port) = match topology.rsplit_once('.') {
        Some((hub, port)) => (hub.to_owned(), port),
        None => {
            let (bus, port) = topology.split_once('-').unwrap_or((topology, ""));
            (format!("{bus}-0"), port)
        }
    };
    // A root hub's interface is `1-0:1.0`, its device `usb1`.
    let device = hub.strip_suffix("-0").map_or_else(|| hub.clone(), |bus| format!("usb{bus}"));
    PathBuf::from(format!("{hub}:1.0/{device}-port{port}/disable"))
}

impl PowerDriver for HubPort {
    fn switch(&self, on: bool) -> Switching<'_> {
        let (attribute, name) = (self.attribute.clone(), self.name.clone());
        Box::pin(async move {
            // The kernel reports an error if the hub is slow to answer; written again, the value is the same.
            let written = retry(ATTEMPTS, PAUSE, || async {
                let busy = Arc::clone(&self.busy).lock_owned().await;
                let attribute = attribute.clone();
                // The kernel takes its time while it enumerates.
                let write = move || {
                    let _busy = busy;
                    std::fs::write(&attribute, if on { "0" } else { "1" })
                };
                let error = match tokio::task::spawn_blocking(write).await {
                    Ok(Ok(())) => return Ok(()),
                    Ok(Err(error)) => error,
                    Err(error) => std::io::Error::other(error),
                };
                let denied = error.kind() == std::io::ErrorKind::PermissionDenied;
                Err(if denied { Failed::Lasting(error.to_string()) } else { Failed::Passing(error.to_string()) })
            });
            written.await.map_err(|failed| match failed {
                Failed::Lasting(reason) => {
                    PowerError::new(&name, reason, "a udev rule can give the group of `hil` the right to write it")
                }
                Failed::Passing(reason) => PowerError::new(&name, reason, "is the hub still attached?").passing(),
            })
        })
    }

    /// What the kernel reports of the port.
    fn state(&self) -> Measuring<'_> {
        Box::pin(async move {
            // The kernel may wait for a hub that is busy.
            let (busy, attribute) = (Arc::clone(&self.busy).lock_owned().await, self.attribute.clone());
            let read = move || {
                let _busy = busy;
                std::fs::read_to_string(&attribute)
            };
            match tokio::task::spawn_blocking(read).await.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
                Ok(text) => Ok(match text.trim() {
                    "0" => Some(true),
                    "1" => Some(false),
                    _ => None,
                }),
                Err(error) => Err(PowerError::new(&self.name, error.to_string(), "is the hub still attached?")),
            }
        })
    }

    fn rail(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_hubs_and_of_root_hubs_are_named_as_the_kernel_does() {
        assert_eq!(attribute_of("1-1.2"), Path::new("1-1:1.0/1-1-port2/disable"));
        assert_eq!(attribute_of("1-1.4.3"), Path::new("1-1.4:1.0/1-1.4-port3/disable"));
        assert_eq!(attribute_of("2-3"), Path::new("2-0:1.0/usb2-port3/disable"));
    }
}
