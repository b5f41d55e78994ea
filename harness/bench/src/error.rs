//! What can go wrong with a bench. None of it is the firmware's fault.

use std::path::PathBuf;

/// A failure of the bench. Its text names the board; [`BenchError::hint`] says what may help.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BenchError {
    /// The system gave no virtual board.
    #[error("can't start the virtual board `{board}`: {reason}")]
    NotStarted {
        /// The board.
        board: String,
        /// What the system said.
        reason: String,
    },
    /// The serial port can't be opened.
    #[error("can't open the serial port of board `{board}`: {reason}")]
    Port {
        /// The board.
        board: String,
        /// What the system said.
        reason: String,
    },
    /// The serial port went away.
    #[error("the serial port of board `{board}` vanished")]
    PortVanished {
        /// The board.
        board: String,
    },
    /// Nothing answered on the port.
    #[error("board `{board}` does not answer on {}", port.display())]
    NoAnswer {
        /// The board.
        board: String,
        /// Its port.
        port: PathBuf,
    },
    /// Another chip answered.
    #[error("board `{board}` on {} is an {found}, but the bench says {expected}", port.display())]
    WrongChip {
        /// The board.
        board: String,
        /// Its port.
        port: PathBuf,
        /// The chip of the bench file.
        expected: String,
        /// The chip that answered.
        found: String,
    },
    /// What was written is not what the flash holds.
    #[error("the flash of board `{board}` does not hold what was written to it")]
    VerifyFailed {
        /// The board.
        board: String,
    },
    /// Flashing failed in another way.
    #[error("flashing board `{board}` failed: {reason}")]
    Flash {
        /// The board.
        board: String,
        /// What the flasher said.
        reason: String,
    },
    /// The firmware can't be put together.
    #[error("firmware `{firmware}` can't be prepared: {reason}")]
    Firmware {
        /// The firmware.
        firmware: String,
        /// Why.
        reason: String,
        /// What may help.
        hint: Option<String>,
    },
    /// Nothing was heard on the console after a reset.
    #[error("board `{board}` says nothing on its console after a reset")]
    Silent {
        /// The board.
        board: String,
    },
    /// An earlier failure of this board that the ladder could not mend.
    #[error("board `{board}` failed earlier and could not be recovered: {cause}")]
    Stuck {
        /// The board.
        board: String,
        /// The failure.
        cause: Box<BenchError>,
    },
}

impl BenchError {
    /// One thing to try, true for this case.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotStarted { .. } => return None,
            Self::Port { .. } => "is another program using it?".to_owned(),
            Self::PortVanished { .. } => "check the cable and the supply of the board".to_owned(),
            Self::NoAnswer { .. } => "check its cable, its power and that nothing else drives its UART".to_owned(),
            Self::WrongChip { board, .. } => {
                format!("nothing was written; correct `boards.{board}.chip` or connect the other board")
            }
            Self::VerifyFailed { .. } => {
                "the flash may be worn or its supply weak; try a lower `flash-baud`".to_owned()
            }
            Self::Flash { .. } => "nothing else may use the port while it is flashed".to_owned(),
            Self::Firmware { hint, .. } => return hint.clone(),
            Self::Silent { .. } => "check `console.baud` and that the board has power".to_owned(),
            Self::Stuck { cause, .. } => return cause.hint(),
        };
        Some(hint)
    }

    /// Whether trying again can't change anything: the ladder is not climbed.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::WrongChip { .. } | Self::Firmware { .. } | Self::Stuck { .. } | Self::NotStarted { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_its_board_and_what_may_help() {
        let (board, port) = ("lamp".to_owned(), PathBuf::from("/dev/ttyUSB0"));
        let no_answer = BenchError::NoAnswer { board: board.clone(), port: port.clone() };
        let (expected, found) = ("esp32c3".to_owned(), "esp32c6".to_owned());
        let reason = "No such file or directory".to_owned();
        let errors = [
            BenchError::NotStarted { board: board.clone(), reason: reason.clone() },
            BenchError::Port { board: board.clone(), reason: reason.clone() },
            BenchError::PortVanished { board: board.clone() },
            no_answer.clone(),
            BenchError::WrongChip { board: board.clone(), port, expected, found },
            BenchError::VerifyFailed { board: board.clone() },
            BenchError::Flash { board: board.clone(), reason: reason.clone() },
            BenchError::Firmware { firmware: "lamp".to_owned(), reason, hint: None },
            BenchError::Silent { board: board.clone() },
            BenchError::Stuck { board, cause: Box::new(no_answer) },
        ];
        let mut text = String::new();
        for error in &errors {
            text.push_str(&format!("error: {error}\n"));
            text.extend(error.hint().map(|hint| format!("hint: {hint}\n")));
        }
        insta::assert_snapshot!(text);
    }
}
