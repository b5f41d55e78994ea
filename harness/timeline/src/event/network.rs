//! What happens to connections and packets.

use serde::{Deserialize, Serialize};

/// A life event of one connection through the tap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "change")]
pub enum ConnectionChange {
    /// The board connected to its tap port.
    Opened,
    /// A layer above TCP stands.
    Upgraded {
        /// `TLS 1.3`, `WebSocket`, …
        layer: String,
    },
    /// It was refused: no broker answered, or a handshake failed.
    Refused {
        /// Why.
        reason: String,
    },
    /// It did not come from the board: the tap reset it, and it says nothing about the board.
    TurnedAway {
        /// Why.
        reason: String,
    },
    /// It ended.
    Closed {
        /// Who ended it and how, for people.
        how: String,
    },
}

/// What the tap did to a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Disposition {
    /// It was sent, and did not arrive.
    Dropped,
    /// It arrived later than it would have.
    Late,
    /// Nobody sent it: the tap made it, or sent it a second time.
    Injected,
}

impl Disposition {
    /// The word for people.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Dropped => "dropped by the tap",
            Self::Late => "held back by the tap",
            Self::Injected => "made by the tap",
        }
    }
}

/// Whether a fault begins or ends.
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
