//! What a firmware needs of this machine.

use std::process::Stdio;
use std::time::Duration;

use hil_config::{Bench, BoardKind, FirmwareKind};

use crate::program::check_command;

/// Whether this machine has what a firmware needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Needs {
    /// It has all of it.
    Met,
    /// It lacks something: what, and what to install.
    Lacking(String),
    /// Unknown.
    Unknown(String),
}

/// Checks whether this machine has what a firmware needs on a board.
pub async fn needs(bench: &Bench, board: &str, firmware: &str) -> Needs {
    let (Some(board), Some(firmware)) = (bench.board(board), bench.firmware(firmware)) else { return Needs::Met };
    if board.kind == BoardKind::Virtual
        && firmware.kind() == FirmwareKind::MicroPython
        && let Err(name) = hil_config::find_micropython()
    {
        return Needs::Lacking(format!(
            "this machine has no `{name}` to run the scripts of a virtual board: `apt install micropython` (Debian 13 or newer), or `ci/install-parts`"
        ));
    }
    let Some(wanted) = &firmware.needs else { return Needs::Met };
    let Some(command) = check_command(&wanted.command, firmware.process.as_ref()) else { return Needs::Met };
    match works(command).await {
        Ok(true) => Needs::Met,
        Ok(false) => {
            Needs::Lacking(format!("this machine lacks what the firmware `{}` needs: {}", firmware.name, wanted.hint))
        }
        Err(reason) => Needs::Unknown(format!(
            "can't tell whether this machine has what the firmware `{}` needs: {reason}",
            firmware.name
        )),
    }
}

/// Only a command that fails, or does not exist, shows that something is missing.
async fn works(command: std::process::Command) -> Result<bool, String> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(PATIENCE, command.status()).await {
        Err(_) => Err(format!("its `needs.command` took longer than {} s", PATIENCE.as_secs())),
        Ok(Ok(status)) => Ok(status.success()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Ok(Err(error)) => Err(format!("its `needs.command` can't be run: {error}")),
    }
}
