//! Events of boards: pins, power cuts, findings, flashing.

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

/// What the kernel reports about a change of a pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edge {
    /// When the line changed, by the kernel's own timestamp, on the run's clock.
    pub at: Stamp,
    /// Number of the change of this line, counted from 1 by the kernel.
    pub number: u32,
}

/// How well a power cut is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// A pin or the driver measured supply before the cut and none after it.
    Sensed,
    /// The console fell silent, and the board booted from power-on when the supply came back.
    Consistent,
    /// The board kept running, closed its connections, or did not boot again.
    Contradicted,
    /// There is no evidence either way.
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

/// What a scenario permits a board that would otherwise fail it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Allowance {
    /// It restarts by itself, by design.
    Reboot,
    /// It sends packets that violate the MQTT specification.
    ProtocolViolation,
}

/// What a console detector found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The chip left reset.
    Boot,
    /// It reset although no step or reset of the bench caused it.
    Reboot,
    /// The second-stage bootloader handed over to the app.
    AppStarted,
    /// Three or more unexpected boots in a row.
    BootLoop,
    /// The firmware panicked.
    Panic,
    /// The firmware aborted: `abort()`, a failed assertion, an uncaught C++ exception.
    Abort,
    /// An interpreter ended a program because of an uncaught exception.
    Exception,
    /// The supply sagged.
    BrownOut,
    /// A watchdog fired.
    Watchdog,
    /// Everything that the firmware printed about its panic, line by line.
    Backtrace,
    /// The console uses another baud rate than the bench file.
    WrongBaud,
    /// The program that is the device has exited.
    Ended,
    /// The emulator that plays the device has exited by itself: how, and what it wrote to its standard error.
    EmulatorEnded,
    /// The board can't run its firmware any further: a virtual board lacks what it needs.
    Unsupported,
}

impl Finding {
    /// The words that reports use.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Reboot => "unexpected reboot",
            Self::AppStarted => "app started",
            Self::BootLoop => "boot loop",
            Self::Panic => "panic",
            Self::Abort => "abort",
            Self::Exception => "uncaught exception",
            Self::BrownOut => "brown-out",
            Self::Watchdog => "watchdog",
            Self::Backtrace => "output of the panic",
            Self::WrongBaud => "wrong baud rate",
            Self::Ended => "program ended",
            Self::EmulatorEnded => "emulator ended",
            Self::Unsupported => "not supported",
        }
    }
}

/// Progress of a flash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "phase")]
pub enum FlashPhase {
    /// Talking to the chip.
    Connecting {
        /// Which attempt, from 1.
        attempt: u32,
    },
    /// A region is compared.
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
        /// Bytes written.
        done: usize,
        /// Bytes in total.
        total: usize,
    },
    /// The flash is complete.
    Finished {
        /// Bytes written; 0 if the flash already contained the image.
        written: usize,
        /// Bytes that the flash already contained.
        skipped: usize,
        /// Milliseconds.
        took_ms: u64,
    },
    /// The flash failed.
    Failed {
        /// The reason.
        reason: String,
    },
}
