//! The options of a virtual board.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use hil_config::Misbehaviour;

/// Called with GPIO and level at each change, on the board's own thread.
pub(crate) type PinListener = Arc<dyn Fn(u8, bool) + Send + Sync>;
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
        Self { mac: [0x02, 0x00, a, b, c, d], misbehaves: misbehaves.to_vec(), on_pin: None }
    }

    pub(crate) fn has(&self, misbehaviour: Misbehaviour) -> bool {
        self.misbehaves.contains(&misbehaviour)
    }
}
