//! Misbehaviour of a board in place of its app.

use std::time::Duration;

use super::Platform;
use crate::boot::ResetCause;

/// An app that panics soon after its start.
pub(crate) async fn boot_loop(platform: Platform) -> ResetCause {
    tokio::time::sleep(Duration::from_millis(50)).await;
    panic(&platform).await
}

/// What ESP-IDF's panic handler prints before it resets the chip.
pub(crate) async fn panic(platform: &Platform) -> ResetCause {
    let lines = [
        "Guru Meditation Error: Core  0 panic'ed (Load access fault). Exception was unhandled.",
        "MEPC    : 0x42010020  RA      : 0x42010044  SP      : 0x3fc90a30  GP      : 0x3fc8d200",
        "Rebooting...",
    ];
    for line in lines {
        platform.console.line(line.to_owned()).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    ResetCause::SoftwareCpu
}

/// The supply sags when the radio switches on.
pub(crate) async fn brown_out(platform: Platform) -> ResetCause {
    tokio::time::sleep(Duration::from_millis(50)).await;
    platform.console.line("Brownout detector was triggered".to_owned()).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    ResetCause::BrownOut
}
