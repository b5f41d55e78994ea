//! How long a board may take: keys that a board and a firmware share. A firmware's own limit counts before the board's.

use std::time::Duration;

use crate::spec::{Key, Kind};
use crate::table::Table;

/// How long a board may take before its firmware is blamed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TimeLimits {
    /// From its reset to an app that is ready.
    pub ready: Option<Duration>,
    /// From a step that waits for it to a session that the broker has accepted.
    pub connects: Option<Duration>,
}

/// The keys of a board, and of a firmware.
pub(crate) const LIMIT_KEYS: [Key; 2] = [
    Key::optional(
        "ready-within",
        Kind::Duration,
        "`\"10s\"`",
        "How long the app may take from the reset until it is ready, and MicroPython until its REPL answers. A value of the firmware overrides the one of the board.",
    ),
    Key::optional(
        "connects-within",
        Kind::Duration,
        "`\"10s\"`",
        "How long `is connected`, `has subscribed to`, `has loaded … %` and each return after a disturbance may take: a slow join to Wi-Fi or a slow load needs more. A value of the firmware overrides the one of the board.",
    ),
];

impl TimeLimits {
    pub(crate) fn read(table: &mut Table<'_, '_>) -> Self {
        let mut read = |key| table.value(key).and_then(|v| v.duration_above_zero());
        Self { ready: read("ready-within"), connects: read("connects-within") }
    }
}
