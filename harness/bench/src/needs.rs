//! What a firmware needs of this machine.

use std::process::Stdio;
use std::time::Duration;

use hil_config::{Bench, BoardKind, FirmwareKind};

use crate::program::check_command;

/// What this machine lacks for a firmware on a board, and what to install; none where it has all of it.
pub async fn lacking(bench: &Bench, board: &str, firmware: &str) -> Option<String> {
    let (board, firmware) = (bench.board(board)?, bench.firmware(firmware)?);
    if board.kind == BoardKind::Virtual
        && firmware.kind() == FirmwareKind::MicroPython
        && let Err(name) = hil_config::find_micropython()
    {
        return Some(format!(
            "this machine has no `{name}` to run the scripts of a virtual board: `apt install micropython` (Debian 13 or newer), or `ci/install-parts`"
        ));
    }
    let needs = firmware.needs.as_ref()?;
    if works(check_command(&needs.command, firmware.process.as_ref())?).await {
        return None;
    }
    Some(format!("this machine lacks what the firmware `{}` needs: {}", firmware.name, needs.hint))
}

async fn works(command: std::process::Command) -> bool {
    const PATIENCE: Duration = Duration::from_secs(10);
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(PATIENCE, command.status()).await;
    matches!(ended, Ok(Ok(status)) if status.success())
}
