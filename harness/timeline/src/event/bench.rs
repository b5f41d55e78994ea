//! What happens to boards: pins, cuts, findings, flashing.

use serde::{Deserialize, Serialize};

use crate::Stamp;

/// Why a pin changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PinCause {
    /// The bench sensed it.
    Sensed,
    /// The bench drove it.
    Driven,
}

/// What the kernel says about a change of a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// When the line changed, by the kernel's own timestamp, on the run's clock.
    pub at: Stamp,
    /// Number of the change on its line, counted from 1 by the kernel.
    pub number: u32,
}

/// How well it is shown that a power cut took the supply away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// A pin or the driver measured supply before the cut and none after it.
    Sensed,
    /// The console fell silent, and the board booted from power-on when the supply came back.
    Consistent,
    /// The board went on, closed its connections in order, or did not boot again.
    Contradicted,
    /// Nothing shows it either way.
    Unproven,
}

impl Evidence {
    /// The word that reports use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Sensed => "sensed",
            Self::Consistent => "consistent",
            Self::Contradicted => "contradicted",
            Self::Unproven => "unproven",
        }
    }
}

/// What a scenario allows a board to do that would fail it otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allowance {
    /// It restarts by itself, by design.
    Reboot,
    /// It sends packets that break the MQTT protocol.
    ProtocolViolation,
}

/// What a console detector found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The chip left reset.
    Boot,
    /// It did so although nobody asked for it.
    Reboot,
    /// The second-stage bootloader handed over to the app.
    AppStarted,
    /// Three or more boots in a row that nobody asked for.
    BootLoop,
    /// The firmware panicked.
    Panic,
    /// The firmware aborted: `abort()`, a failed assertion, an uncaught C++ exception.
    Abort,
    /// An interpreter ended a program with an exception that nothing caught.
    Exception,
    /// The supply sagged.
    BrownOut,
    /// A watchdog fired.
    Watchdog,
    /// All that the firmware printed about its panic, line by line.
    Backtrace,
    /// The console speaks at another speed than the bench file says.
    WrongBaud,
    /// The program that is the device has ended.
    Ended,
}

/// How a flash goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum FlashPhase {
    /// Talking to the chip.
    Connecting {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// A region is looked at.
    Region {
        /// Address in flash.
        address: u32,
        /// Bytes.
        size: usize,
    },
    /// A file is uploaded.
    File {
        /// Its path on the board.
        path: String,
        /// Bytes.
        size: usize,
    },
    /// Bytes written so far of all bytes.
    Progress {
        /// Done.
        done: usize,
        /// All.
        total: usize,
    },
    /// Over.
    Finished {
        /// Bytes written; 0 where the flash already held the image.
        written: usize,
        /// Bytes that the flash already held.
        skipped: usize,
        /// Milliseconds.
        took_ms: u64,
    },
    /// It did not work.
    Failed {
        /// Why.
        reason: String,
    },
}
