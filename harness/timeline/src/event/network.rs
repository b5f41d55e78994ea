//! Events of connections and packets.

use serde::{Deserialize, Serialize};

/// An event of one connection through the tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum ConnectionChange {
    /// The board connected to its tap port.
    Opened,
    /// A layer above TCP is established.
    Upgraded {
        /// `TLS 1.3`, `WebSocket`, …
        layer: String,
    },
    /// It was refused: the broker did not answer, or a handshake failed.
    Refused {
        /// The reason.
        reason: String,
        /// The TLS alert with which the board ended the handshake, named as in RFC 8446; `none` if it said nothing;
        /// missing if it was not the board.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alert: Option<String>,
    },
    /// It did not come from the board's address: the tap reset it, and it says nothing about the board.
    #[serde(rename = "turned-away")]
    Rejected {
        /// The reason.
        reason: String,
    },
    /// It ended.
    Closed {
        /// Which side ended it and how, as text.
        how: String,
    },
}

/// What the tap did to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// It was sent but did not arrive.
    Dropped,
    /// It arrived late.
    Late,
    /// The tap made it, or sent it a second time.
    Injected,
}

impl Disposition {
    /// The word that reports use.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dropped => "dropped by the tap",
            Self::Late => "held back by the tap",
            Self::Injected => "made by the tap",
        }
    }
}

/// The phase of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultPhase {
    /// It begins.
    Begins,
    /// It ends.
    Ends,
    /// It happens at once and is over.
    Happens,
}
