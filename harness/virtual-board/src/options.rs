//! The options of a virtual board.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use hil_config::{Misbehaviour, Wifi};

use crate::names::Names;

/// Called with GPIO and level at each change, on the board's own thread.
pub(crate) type PinListener = Arc<dyn Fn(u8, bool) + Send + Sync>;
/// What an executed firmware meets that is not its own doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The board can't run the image, or can't run it any further.
    Refused(String),
    /// This machine did not run the board for so long.
    Stalled(std::time::Duration),
    /// This machine took so much time from a program that computes.
    Slow(std::time::Duration),
    /// The program uses a register that the board does not have: it remembers what is written, and does nothing.
    Unknown {
        /// Its address.
        address: u32,
        /// Whether it was written.
        write: bool,
        /// Where the program was.
        pc: u32,
    },
}

/// Called when a firmware meets trouble, on the board's threads.
pub(crate) type TroubleListener = Arc<dyn Fn(Trouble) + Send + Sync>;
/// Path of the port while it exists.
pub(crate) type PortPath = Option<PathBuf>;

/// The options of a virtual board.
#[derive(Clone, Default)]
pub struct Options {
    /// MAC address; the first byte should mark it as locally administered (`0x02`).
    pub mac: [u8; 6],
    /// Its misbehaviours.
    pub misbehaves: Vec<Misbehaviour>,
    /// Called with GPIO and level (`true` is high) whenever a pin changes.
    pub on_pin: Option<PinListener>,
    /// Called when an executed firmware meets something that is not its own doing.
    pub on_trouble: Option<TroubleListener>,
    /// The names that its network knows.
    pub names: Names,
    /// The network that it finds on air.
    pub network: Wifi,
}

/// An access point as a station hears it.
pub(crate) fn on_air(network: &Wifi) -> hil_esp_core::chip::AccessPoint {
    hil_esp_core::chip::AccessPoint {
        ssid: network.ssid.clone().into_bytes(),
        bssid: [0x02, 0x48, 0x49, 0x4c, 0x00, 0x01],
        channel: 6,
        rssi: -50,
        auth: if network.password.is_empty() { hil_esp_core::chip::Auth::Open } else { hil_esp_core::chip::Auth::Wpa2 },
        password: network.password.clone().into_bytes(),
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options").field("mac", &self.mac).field("misbehaves", &self.misbehaves).finish_non_exhaustive()
    }
}

impl Options {
    /// A board with a locally administered MAC that depends on its name only, so that client ids stay the same between
    /// runs.
    #[must_use]
    pub fn named(name: &str, misbehaves: &[Misbehaviour]) -> Self {
        // FNV-1a, 32 bits.
        let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let [a, b, c, d] = hash.to_be_bytes();
        Self { mac: [0x02, 0x00, a, b, c, d], misbehaves: misbehaves.to_vec(), ..Self::default() }
    }

    pub(crate) fn has(&self, misbehaviour: Misbehaviour) -> bool {
        self.misbehaves.contains(&misbehaviour)
    }
}
