//! How long a board with a firmware may take.

use std::time::Duration;

use crate::board::Board;
use crate::firmware::Firmware;
use crate::limits::TimeLimits;

/// The default: ROM, bootloader, an app that initialises its radio, and a join to Wi-Fi take less on silicon.
const USUAL: Duration = Duration::from_secs(10);

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
