//! The protocol between `hil` and its keeper: one JSON object per line.

use std::path::PathBuf;

use hil_config::Rail;
use serde::{Deserialize, Serialize};

use super::lock::Holder;
use super::process_tree::KeeperIdentity;
use crate::PowerError;

/// A board and the keys of its locks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claimed {
    /// Its name in the bench file.
    pub board: String,
    /// What identifies the device: two names of one board have a key in common.
    pub keys: Vec<String>,
}

/// A numbered request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct NumberedRequest {
    pub(super) id: u64,
    pub(super) request: KeeperRequest,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KeeperRequest {
    /// Takes the locks of some boards, all or none.
    Lock { folder: PathBuf, boards: Vec<Claimed>, wait: bool, holder: Holder },
    /// Opens the rails of a board whose lock is held in this folder.
    Open { folder: PathBuf, board: String, rails: Vec<Rail> },
    /// Switches them.
    Switch { board: String, on: bool },
    /// Puts them into their safe state.
    MakeSafe { board: String },
    /// Measures them.
    Measure { board: String },
    /// Reports what they are switched to.
    State { board: String },
    /// The chip of a board whose lock is held in this folder is held in reset from now on: this program lets it run,
    /// once its rails are safe, if `hil` has not done so.
    /// None once it runs.
    Releases { folder: PathBuf, board: String, program: Option<Vec<String>> },
    /// Keeps running after `hil` exits, until a request to exit comes in at the socket of one of its locks.
    Detach,
    /// Hides these secrets: a rail's program may print them.
    Hide { secrets: Vec<String> },
    /// Is answered at once, so that a stopped keeper is noticed.
    Ping,
    /// Once nothing came for so long, the process that asks is stopped or hangs: everything is made safe as if it had
    /// ended.
    EndWhenSilent { after_ms: u64 },
    /// Makes all rails safe and exits.
    End,
}

/// What the keeper sends.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum KeeperResponse {
    /// The first message: which process it is.
    Identity { keeper: KeeperIdentity },
    /// It makes its rails safe and exits; it answers no more heartbeats.
    ShuttingDown,
    /// The answer to a request.
    Done { id: u64, result: Result<Answer, Refusal> },
    /// The last message: all rails are safe except these, and the locks are free.
    ShutdownReport { failures: Vec<(String, String)> },
    /// Another process holds a board; the keeper waits for it.
    Waiting { board: String, holder: Option<Holder> },
}

/// A key of [`Claimed`] as messages show it.
#[must_use]
pub fn device_text(key: &str) -> String {
    match key.split_once(' ') {
        Some(("port", identity)) => format!("the serial port with {identity}"),
        Some(("usb", interface)) => format!("the serial port at USB {interface}"),
        Some(("device", path)) => format!("the serial port `{path}`"),
        _ => format!("the {key}"),
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    Nothing,
    /// What the last holder of these boards left behind.
    Locked {
        left_unsafe: Vec<(String, String)>,
    },
    Measured(Option<bool>),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Refusal {
    Held {
        board: String,
        holder: Option<Box<Holder>>,
    },
    Lock {
        board: String,
        reason: String,
    },
    /// Two boards of this run claim the same key.
    Shared {
        boards: (String, String),
        key: String,
    },
    Power(PowerError),
    NoStandby {
        board: String,
        reason: String,
    },
    NotOpen {
        board: String,
    },
    NotDetachable {
        reason: String,
    },
}
