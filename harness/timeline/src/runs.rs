//! What runs the firmware of a board.

use serde::{Deserialize, Serialize};

/// What runs the firmware of a board: what a verdict about it rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runs {
    /// A chip.
    Silicon,
    /// A virtual board that executes the machine code of the image.
    Executed,
    /// A virtual board with an app of `hil` that the image only selects.
    Native,
    /// A virtual board whose scripts an interpreter of this machine runs.
    Interpreted,
    /// An emulator of someone else.
    Emulated,
    /// This machine: the firmware is a program.
    Program,
}

impl Runs {
    /// The word that reports show.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Silicon => "on silicon",
            Self::Executed => "executed",
            Self::Native => "native",
            Self::Interpreted => "interpreted",
            Self::Emulated => "emulated",
            Self::Program => "a program",
        }
    }
}
