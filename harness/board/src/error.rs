//! Failures of the bench. None of them is the firmware's fault.

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use crate::ports::{PortProblem, PortUser};
use hil_power::PowerError;
use hil_power::keeper::{KeeperError, device_text};

/// A failure of the bench. Its text names the board; [`BenchError::hint`] says what may help.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BenchError {
    /// A virtual board can't be started.
    #[error("can't start the virtual board `{board}`: {reason}")]
    NotStarted {
        /// The board.
        board: String,
        /// The system's error.
        reason: String,
    },
    /// The serial port can't be opened.
    #[error("can't open the serial port of board `{board}`: {reason}")]
    Port {
        /// The board.
        board: String,
        /// The system's error.
        reason: String,
    },
    /// No serial port is the board's, or several could be.
    #[error("board `{board}` has no serial port: {problem}")]
    NoPort {
        /// The board.
        board: String,
        /// Why.
        problem: PortProblem,
    },
    /// The serial port may not be opened.
    #[error("permission denied on the serial port of board `{board}`, {}", port.display())]
    PortDenied {
        /// The board.
        board: String,
        /// Its port.
        port: PathBuf,
    },
    /// Another program has the serial port.
    #[error("the serial port of board `{board}`, {}, is in use{}", port.display(), used_by(users))]
    PortBusy {
        /// The board.
        board: String,
        /// Its port.
        port: PathBuf,
        /// Programs that have it open, as far as this user may see them.
        users: Vec<PortUser>,
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
    #[error("board `{board}` on {} is an {found}, but the bench file has {expected}", port.display())]
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
    /// The image needs more flash than the chip has.
    #[error("the image needs a flash of {} KiB, and that of board `{board}` has {} KiB", needed.div_ceil(1024), flash >> 10)]
    FlashTooSmall {
        /// The board.
        board: String,
        /// Bytes that the image needs: to its end, or what its header says.
        needed: u64,
        /// Bytes of the flash.
        flash: u64,
    },
    /// What boots is not what was flashed.
    #[error("board `{board}` runs an app other than the flashed one: {found}")]
    OtherApp {
        /// The board.
        board: String,
        /// The evidence.
        found: String,
    },
    /// Flashing failed in another way.
    #[error("flashing board `{board}` failed: {reason}")]
    Flash {
        /// The board.
        board: String,
        /// The flasher's error.
        reason: String,
    },
    /// Its program can't be started.
    #[error("board `{board}`: {reason}")]
    Program {
        /// The board.
        board: String,
        /// Why.
        reason: String,
        /// What may help.
        hint: Option<String>,
    },
    /// A virtual board lacks what the firmware needs.
    #[error("board `{board}` can't run its firmware: {what}")]
    Unsupported {
        /// The board.
        board: String,
        /// What it lacks.
        what: String,
    },
    /// The firmware does not use the network that the bench would take away.
    #[error("the access point of board `{board}` can't go away: its firmware runs {runs}, without one")]
    NoAccessPoint {
        /// The board.
        board: String,
        /// How it runs.
        runs: &'static str,
    },
    /// It has no name server that the bench controls.
    #[error("the bench does not control the name server of board `{board}`: its firmware is {runs}")]
    NoNameServer {
        /// The board.
        board: String,
        /// How it runs.
        runs: &'static str,
    },
    /// The emulator that plays it has ended by itself.
    #[error("the emulator of board `{board}` ended {how}{}", quoted(said))]
    EmulatorEnded {
        /// The board.
        board: String,
        /// How.
        how: String,
        /// What it wrote to its standard error last.
        said: Vec<String>,
    },
    /// A text was not written to its console.
    #[error("can't type at the console of board `{board}`: {reason}")]
    NotTyped {
        /// The board.
        board: String,
        /// Why.
        reason: String,
    },
    /// MicroPython's REPL does not answer.
    #[error("board `{board}` shows no REPL: {reason}")]
    NoRepl {
        /// The board.
        board: String,
        /// Why.
        reason: String,
    },
    /// Its scripts can't be uploaded.
    #[error("the scripts of board `{board}` can't be uploaded: {reason}")]
    Upload {
        /// The board.
        board: String,
        /// Why.
        reason: String,
    },
    /// A firmware that is not for this kind of board.
    #[error("the firmware `{firmware}` is not for board `{board}`: {reason}")]
    WrongKind {
        /// The board.
        board: String,
        /// The firmware.
        firmware: String,
        /// Why.
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
    /// A rail is not in the requested state.
    #[error("the power of board `{board}` can't be switched: {error}")]
    Power {
        /// The board.
        board: String,
        /// Why.
        error: PowerError,
    },
    /// The rails are off, but the board still has supply.
    #[error("the power of board `{board}` was cut, but it still has supply: {evidence}")]
    StillPowered {
        /// The board.
        board: String,
        /// The evidence.
        evidence: String,
    },
    /// Two boards are the same device, or share one.
    #[error("boards `{}` and `{}` both use {device}", boards.0, boards.1)]
    Shared {
        /// The boards.
        boards: (String, String),
        /// What they share.
        device: String,
    },
    /// The board has no rails.
    #[error("the power of board `{board}` can't be switched: the bench file gives it no rails")]
    NoRails {
        /// The board.
        board: String,
    },
    /// The chip can't be reset.
    #[error("board `{board}` can't be reset: {reason}")]
    Reset {
        /// The board.
        board: String,
        /// Why.
        reason: String,
        /// What may help.
        hint: String,
    },
    /// A pin can't be sensed or driven.
    #[error("the pin `{pin}` of board `{board}` can't be used: {reason}")]
    Pin {
        /// The board.
        board: String,
        /// The pin.
        pin: String,
        /// Why.
        reason: String,
        /// What may help.
        hint: String,
    },
    /// The chip's security settings forbid it.
    #[error("the flash of board `{board}` must not be written: {reason}")]
    Forbidden {
        /// The board.
        board: String,
        /// Which setting.
        reason: String,
    },
    /// The keeper refuses a request: the board is in use, most likely.
    #[error(transparent)]
    Keeper(KeeperError),
    /// Nothing was heard on the console after a reset.
    #[error("board `{board}` prints nothing on its console after a reset")]
    Silent {
        /// The board.
        board: String,
    },
    /// An earlier failure of this board that the ladder could not recover from.
    #[error("board `{board}` failed earlier and could not be recovered: {cause}")]
    Stuck {
        /// The board.
        board: String,
        /// The failure.
        cause: Box<BenchError>,
    },
}

impl From<KeeperError> for BenchError {
    fn from(error: KeeperError) -> Self {
        match error {
            KeeperError::Shared { boards, key } => Self::Shared { boards, device: device_text(&key) },
            other => Self::Keeper(other),
        }
    }
}

fn quoted(said: &[String]) -> String {
    if said.is_empty() { " and wrote no error".to_owned() } else { format!("; it wrote `{}`", said.join("`, `")) }
}

fn used_by(users: &[PortUser]) -> String {
    let users: Vec<_> = users.iter().map(ToString::to_string).collect();
    if users.is_empty() { String::new() } else { format!(" by {}", users.join(" and ")) }
}

impl BenchError {
    pub(crate) fn no_port(board: &str, problem: PortProblem) -> Self {
        Self::NoPort { board: board.to_owned(), problem }
    }

    /// A rail of the board is not what it should be.
    #[must_use]
    pub fn power(board: &str, error: PowerError) -> Self {
        Self::Power { board: board.to_owned(), error }
    }

    /// The board that it is about, if it is about one: another board may not have the problem.
    #[must_use]
    pub fn board(&self) -> Option<&str> {
        match self {
            Self::NotStarted { board, .. }
            | Self::Port { board, .. }
            | Self::NoPort { board, .. }
            | Self::PortDenied { board, .. }
            | Self::PortBusy { board, .. }
            | Self::PortVanished { board }
            | Self::NoAnswer { board, .. }
            | Self::WrongChip { board, .. }
            | Self::VerifyFailed { board }
            | Self::FlashTooSmall { board, .. }
            | Self::OtherApp { board, .. }
            | Self::Flash { board, .. }
            | Self::Program { board, .. }
            | Self::Unsupported { board, .. }
            | Self::NoAccessPoint { board, .. }
            | Self::NoNameServer { board, .. }
            | Self::EmulatorEnded { board, .. }
            | Self::NotTyped { board, .. }
            | Self::NoRepl { board, .. }
            | Self::Upload { board, .. }
            | Self::WrongKind { board, .. }
            | Self::Power { board, .. }
            | Self::StillPowered { board, .. }
            | Self::NoRails { board }
            | Self::Reset { board, .. }
            | Self::Pin { board, .. }
            | Self::Forbidden { board, .. }
            | Self::Silent { board }
            | Self::Stuck { board, .. } => Some(board),
            Self::Firmware { .. } | Self::Shared { .. } | Self::Keeper(_) => None,
        }
    }

    /// One thing to try, true for this case.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotStarted { .. } => return None,
            Self::Port { .. } => "is another program using it?".to_owned(),
            Self::NoPort { problem: PortProblem::Absent { .. }, .. } => {
                "`hil boards discover` lists what is attached; is it plugged in, and does it have power?".to_owned()
            }
            Self::NoPort { board, problem: PortProblem::Ambiguous { .. } } => {
                format!("add `topology` to `boards.{board}.port`: it tells them apart")
            }
            Self::PortDenied { .. } => {
                "add yourself to the group that owns it and log in again: `sudo usermod -aG dialout $USER`".to_owned()
            }
            Self::PortBusy { .. } => "end that program; ModemManager can be kept away by a udev rule".to_owned(),
            Self::Shared { boards, .. } => {
                format!("each board needs a device of its own: correct `boards.{}` or `boards.{}`", boards.0, boards.1)
            }
            Self::PortVanished { .. } | Self::NotTyped { .. } => {
                "check the cable and the supply of the board".to_owned()
            }
            Self::NoAnswer { .. } => "check its cable, its power and that nothing else drives its UART".to_owned(),
            Self::WrongChip { board, .. } => {
                format!("nothing was written; correct `boards.{board}.chip` or connect the other board")
            }
            Self::VerifyFailed { .. } => {
                "the flash may be worn or its supply weak; try a lower `flash-baud`".to_owned()
            }
            Self::FlashTooSmall { .. } => "nothing was written; build it for the flash of the board".to_owned(),
            Self::OtherApp { .. } => {
                "give bootloader and partition table too, so that the OTA data chooses the app".to_owned()
            }
            Self::Flash { .. } => "nothing else may use the port while it is flashed".to_owned(),
            Self::Unsupported { .. } => {
                "`docs/concepts/virtual-boards.md` lists what virtual boards have; a real board has it all".to_owned()
            }
            Self::NoAccessPoint { .. } | Self::NoNameServer { .. } => {
                "give it a firmware whose machine code is executed, such as `builtin:lamp-esp32c3`".to_owned()
            }
            Self::EmulatorEnded { .. } => "`hil doctor` checks the program, its version and its machine".to_owned(),
            Self::Upload { .. } | Self::NoRepl { .. } => {
                "does MicroPython run on it, and does `console.baud` fit? `hil monitor` shows what it says".to_owned()
            }
            Self::WrongKind { .. } => {
                "programs run on boards of the kind `process`, other firmware on the other kinds".to_owned()
            }
            Self::Firmware { hint, .. } | Self::Program { hint, .. } => return hint.clone(),
            Self::Power { error, .. } => return error.hint.clone(),
            Self::StillPowered { .. } => {
                "is it powered through its UART lines, its USB cable or a second supply?".to_owned()
            }
            Self::NoRails { board } => {
                format!("add `[[boards.{board}.rails]]`; docs/how-to/real-bench.md shows how to wire a relay")
            }
            Self::Reset { hint, .. } | Self::Pin { hint, .. } => hint.clone(),
            Self::Forbidden { .. } => "nothing was written; use a board without that setting".to_owned(),
            Self::Keeper(KeeperError::Held { .. }) => {
                "without `--no-wait`, `hil` waits for it; `hil power BOARD off` ends a detached keeper".to_owned()
            }
            Self::Keeper(KeeperError::Lock { .. }) => {
                format!("name another folder in the environment variable `{}`", hil_config::HIL_LOCKS)
            }
            Self::Keeper(KeeperError::Power(error)) => return error.hint.clone(),
            Self::Keeper(_) => return None,
            Self::Silent { .. } => "check `console.baud` and that the board has power".to_owned(),
            Self::Stuck { cause, .. } => return cause.hint(),
        };
        Some(hint)
    }

    /// Whether another attempt can't help: the ladder is not climbed.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::WrongKind { .. } | Self::Program { .. } | Self::Unsupported { .. } | Self::NoAccessPoint { .. } => {
                true
            }
            Self::FlashTooSmall { .. } | Self::OtherApp { .. } | Self::NoNameServer { .. } => true,
            Self::WrongChip { .. } | Self::Firmware { .. } | Self::Stuck { .. } | Self::NotStarted { .. } => true,
            Self::PortDenied { .. } | Self::PortBusy { .. } | Self::NoRails { .. } | Self::Forbidden { .. } => true,
            Self::Power { error, .. } => !error.may_pass,
            Self::Keeper(_) | Self::Pin { .. } | Self::Shared { .. } => true,
            Self::NoPort { problem, .. } => matches!(problem, PortProblem::Ambiguous { .. }),
            Self::Port { .. } | Self::PortVanished { .. } | Self::NoAnswer { .. } | Self::VerifyFailed { .. } => false,
            Self::Flash { .. }
            | Self::Upload { .. }
            | Self::NoRepl { .. }
            | Self::Silent { .. }
            | Self::EmulatorEnded { .. }
            | Self::NotTyped { .. }
            | Self::Reset { .. }
            | Self::StillPowered { .. } => false,
        }
    }

    /// Whether the board is given up for the rest of the run after the ladder has failed with this error: not if the
    /// next attempt notices quickly that the cause is gone.
    pub(crate) fn sticks(&self) -> bool {
        // The next program or image may be a good one; another program may close the port again.
        !matches!(
            self,
            Self::Stuck { .. }
                | Self::Program { .. }
                | Self::Unsupported { .. }
                | Self::NoAccessPoint { .. }
                | Self::NoNameServer { .. }
                | Self::FlashTooSmall { .. }
                | Self::OtherApp { .. }
                | Self::PortBusy { .. }
        )
    }

    /// Whether the cause may be another program that reads the board's output.
    pub(crate) fn is_silence(&self) -> bool {
        matches!(
            self,
            Self::Port { .. }
                | Self::NoAnswer { .. }
                | Self::VerifyFailed { .. }
                | Self::Flash { .. }
                | Self::NoRepl { .. }
                | Self::Upload { .. }
                | Self::Silent { .. }
        )
    }

    /// Whether the scenario may pass in a second attempt: not if a user must change the bench first.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Stuck { .. } | Self::PortBusy { .. } => true,
            Self::Power { .. } | Self::Pin { .. } => true,
            other => !other.is_final(),
        }
    }
}
