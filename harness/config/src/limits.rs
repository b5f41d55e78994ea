//! How long a board may take: keys that a board and a firmware share. A firmware's own limit counts before the board's.

use std::time::Duration;

use crate::board::Board;
use crate::firmware::Firmware;
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

/// Where nothing is said: ROM, bootloader, an app that initialises its radio, and a join to Wi-Fi take less on silicon.
const USUAL: Duration = Duration::from_secs(10);

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
        "How long `is connected` and `has subscribed to` wait: a slow join to Wi-Fi needs more. A value of the firmware overrides the one of the board.",
    ),
];

impl TimeLimits {
    pub(crate) fn read(table: &mut Table<'_, '_>) -> Self {
        let mut read = |key| table.value(key).and_then(|v| v.duration_above_zero());
        Self { ready: read("ready-within"), connects: read("connects-within") }
    }
}

/// How long a board may take from its reset until its app is ready.
///
/// # Example
/// ```
/// use std::time::Duration;
/// assert_eq!(hil_config::ready_within(None, None), Duration::from_secs(10));
/// ```
#[must_use]
pub fn ready_within(board: Option<&Board>, firmware: Option<&Firmware>) -> Duration {
    limit(board, firmware, |limits| limits.ready)
}

/// How long a board may take until the broker has accepted its session.
#[must_use]
pub fn connects_within(board: Option<&Board>, firmware: Option<&Firmware>) -> Duration {
    limit(board, firmware, |limits| limits.connects)
}

fn limit(
    board: Option<&Board>,
    firmware: Option<&Firmware>,
    pick: impl Fn(TimeLimits) -> Option<Duration>,
) -> Duration {
    let own = firmware.and_then(|firmware| pick(firmware.limits));
    own.or_else(|| board.and_then(|board| pick(board.limits))).unwrap_or(USUAL)
}
