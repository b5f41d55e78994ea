//! MicroPython's REPL, byte by byte.

use hil_bench::{BenchError, Board};
use tokio::io::AsyncReadExt as _;

use super::note;
use super::terminal_filter::TerminalFilter;
use crate::output::pass_on;

/// Ctrl-].
const END: u8 = 0x1d;

/// How long a board may take nothing of what is typed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Lets the person talk to the board's REPL until Ctrl-]. What is said meanwhile is shown and not captured.
pub(super) async fn talk(board: &mut Board, stdin: &mut tokio::io::Stdin) -> Result<(), BenchError> {
    note("interrupting what runs");
    let port = board.take_repl().await?;
    note("the REPL; Ctrl-D resets it softly, Ctrl-] leaves it");
    let failed = |error: std::io::Error| BenchError::Port { board: board.name().to_owned(), reason: error.to_string() };
    // For a prompt.
    port.write(b"\r").await.map_err(failed)?;
    let (mut said, mut typed, mut filter) = ([0; 4096], [0; 1024], TerminalFilter::default());
    loop {
        tokio::select! {
            read = port.read(&mut said) => match read.map_err(failed)? {
                0 => return Err(BenchError::PortVanished { board: board.name().to_owned() }),
                length => pass_on(&filter.take(&said[..length])).await,
            },
            read = stdin.read(&mut typed) => {
                // Nobody types any more: that is as good as leaving.
                let length = read.unwrap_or(0);
                let end = typed[..length].iter().position(|byte| *byte == END);
                let sent = tokio::time::timeout(PATIENCE, port.write(&typed[..end.unwrap_or(length)])).await;
                sent.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(failed)?;
                if end.is_some() || length == 0 {
                    note("");
                    note("the REPL is left; its scripts run again after a reset (Ctrl-T r)");
                    return Ok(());
                }
            }
        }
    }
}
