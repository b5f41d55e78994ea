//! Finding lines of this machine's GPIO chips.

use std::path::PathBuf;

use gpiocdev::Chip;
use gpiocdev_uapi::{Errno as SystemError, Error as CallError};
use hil_config::Line;
use rustix::io::Errno;

/// A line that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Path of its chip.
    pub chip: PathBuf,
    /// Its offset on it.
    pub offset: u32,
}

/// Why a line can't be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GpioError {
    /// There is no such chip.
    #[error("there is no GPIO chip `{0}`")]
    NoChip(String),
    /// There is no GPIO chip at all.
    #[error("this machine has no GPIO chip")]
    NoChips,
    /// A chip may not be opened.
    #[error("permission denied on `{0}`")]
    Denied(String),
    /// There is no such line.
    #[error("there is no GPIO line `{0}`")]
    NoLine(String),
    /// Several lines have this name.
    #[error("{1} GPIO lines are called `{0}`")]
    Ambiguous(String, usize),
    /// Another program or the kernel holds it.
    #[error("GPIO line `{line}` is in use{}", consumer.as_ref().map(|by| format!(" by `{by}`")).unwrap_or_default())]
    Busy {
        /// The line.
        line: String,
        /// Who holds it, as the kernel reports it.
        consumer: Option<String>,
    },
    /// The kernel reports another error.
    #[error("GPIO line `{line}`: {reason}")]
    Unusable {
        /// The line.
        line: String,
        /// The system's error.
        reason: String,
    },
}

impl GpioError {
    /// One thing to try.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoChip(_) | Self::NoLine(_) => "`gpioinfo` lists chips and lines",
            Self::NoChips => "on a Raspberry Pi there is `/dev/gpiochip0`; a container needs access to it",
            Self::Denied(_) => "add yourself to the group `gpio` and log in again: `sudo usermod -aG gpio $USER`",
            Self::Ambiguous(..) => "name it by chip and offset: `{ chip = \"gpiochip0\", offset = 17 }`",
            Self::Busy { .. } => "another program or an overlay of the kernel holds it; `gpioinfo` shows which",
            Self::Unusable { .. } => "`gpioinfo` shows its state",
        }
    }
}

/// The kernel's value for a pull.
pub fn bias(bias: hil_config::Bias) -> gpiocdev::line::Bias {
    match bias {
        hil_config::Bias::PullUp => gpiocdev::line::Bias::PullUp,
        hil_config::Bias::PullDown => gpiocdev::line::Bias::PullDown,
        hil_config::Bias::Disabled => gpiocdev::line::Bias::Disabled,
    }
}

/// Checks that a line can be used, without requesting it.
///
/// # Errors
/// Why not, and a hint.
pub fn check_line(line: &Line) -> Result<(), (String, String)> {
    let explained = |error: GpioError| (error.to_string(), error.hint().to_owned());
    let found = find(line).map_err(explained)?;
    let info = open(&found.chip)
        .and_then(|chip| chip.line_info(found.offset).map_err(|error| explain(&error, &line.to_string())));
    let info = info.map_err(explained)?;
    if !info.used {
        return Ok(());
    }
    let consumer = Some(info.consumer).filter(|by| !by.is_empty());
    Err(explained(GpioError::Busy { line: line.to_string(), consumer }))
}

/// Finds a line by name, or by chip and offset.
pub fn find(line: &Line) -> Result<Found, GpioError> {
    match line {
        Line::Name(name) => find_named(name),
        Line::Offset { chip, offset } => {
            let path = find_chip(chip)?;
            let opened = open(&path)?;
            opened.line_info(*offset).map_err(|_| GpioError::NoLine(line.to_string()))?;
            Ok(Found { chip: path, offset: *offset })
        }
    }
}

fn open(path: &PathBuf) -> Result<Chip, GpioError> {
    Chip::from_path(path).map_err(|error| explain(&error, &path.display().to_string()))
}

fn chips() -> Result<Vec<PathBuf>, GpioError> {
    let chips = gpiocdev::chip::chips().unwrap_or_default();
    if chips.is_empty() { Err(GpioError::NoChips) } else { Ok(chips) }
}

fn find_named(name: &str) -> Result<Found, GpioError> {
    let mut found = Vec::new();
    let mut denied = None;
    for path in chips()? {
        match open(&path) {
            Ok(chip) => {
                let named = chip.line_info_iter().into_iter().flatten().flatten().filter(|info| info.name == name);
                found.extend(named.map(|info| Found { chip: path.clone(), offset: info.offset }));
            }
            Err(error) => denied = Some(error),
        }
    }
    match (found.len(), denied) {
        (0, Some(error)) => Err(error),
        (0, None) => Err(GpioError::NoLine(name.to_owned())),
        (1, _) => Ok(found.remove(0)),
        (count, _) => Err(GpioError::Ambiguous(name.to_owned(), count)),
    }
}

fn find_chip(wanted: &str) -> Result<PathBuf, GpioError> {
    let mut denied = None;
    for path in chips()? {
        let is_named = path == *wanted || path.file_name().is_some_and(|name| name == wanted);
        if is_named {
            return Ok(path);
        }
        match open(&path) {
            Ok(chip) if chip.info().is_ok_and(|info| info.label == wanted) => return Ok(path),
            Ok(_) => {}
            Err(error) => denied = Some(error),
        }
    }
    Err(denied.unwrap_or_else(|| GpioError::NoChip(wanted.to_owned())))
}

/// The meaning of an error of the kernel.
pub fn explain(error: &gpiocdev::Error, line: &str) -> GpioError {
    let line = line.to_owned();
    match errno(error) {
        Some(Errno::ACCESS) => GpioError::Denied(line),
        Some(Errno::BUSY) => GpioError::Busy { line, consumer: None },
        _ => GpioError::Unusable { line, reason: error.to_string() },
    }
}

/// The error number, if the error comes from the kernel.
fn errno(error: &gpiocdev::Error) -> Option<Errno> {
    match error {
        gpiocdev::Error::Os(SystemError(number)) | gpiocdev::Error::Uapi(_, CallError::Os(SystemError(number))) => {
            Some(Errno::from_raw_os_error(*number))
        }
        _ => None,
    }
}

/// As [`explain`], for a request of some lines: names the line that is in use and who holds it.
pub fn explain_request(error: &gpiocdev::Error, lines: &[(Line, Found)]) -> GpioError {
    let names = lines.iter().map(|(line, _)| line.to_string()).collect::<Vec<_>>().join("`, `");
    let explained = explain(error, &names);
    if !matches!(explained, GpioError::Busy { .. }) {
        return explained;
    }
    let taken = lines.iter().find_map(|(line, found)| {
        let info = Chip::from_path(&found.chip).ok()?.line_info(found.offset).ok()?;
        info.used.then(|| GpioError::Busy {
            line: line.to_string(),
            consumer: Some(info.consumer).filter(|by| !by.is_empty()),
        })
    });
    taken.unwrap_or(explained)
}
