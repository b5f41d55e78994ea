//! What `hil` and its keeper say to each other: one JSON object a line.

use std::path::PathBuf;

use hil_config::Rail;
use serde::{Deserialize, Serialize};

use super::lock::Holder;
use super::offspring::Offspring;
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
pub(super) struct Request {
    pub(super) id: u64,
    pub(super) ask: Ask,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ask {
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
    /// Tells what they are switched to.
    State { board: String },
    /// Goes on when `hil` ends, until it is asked to end at the name of one of its locks.
    Detach,
    /// These are shown nowhere: what a rail's program prints may name them.
    Hide { secrets: Vec<String> },
    /// Answers at once, so that a keeper that is stopped is noticed.
    Ping,
    /// Makes everything safe and ends.
    End,
}

/// What the keeper says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Said {
    /// The first word: who it is.
    Keeper { keeper: Offspring },
    /// It makes its rails safe and ends: from here on it takes the time that this takes.
    Ending,
    /// A request is done.
    Done { id: u64, result: Result<Answer, Refusal> },
    /// The last word: all rails are safe but for these, and the locks are free.
    Farewell { failures: Vec<(String, String)> },
    /// A board is held by somebody else; the keeper waits for it.
    Waiting { board: String, holder: Option<Holder> },
}

/// A key of [`Claimed`] for people.
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
    Other(String),
}
