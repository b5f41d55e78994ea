//! Passes MicroPython's REPL through, byte by byte.

use hil_bench::{BenchError, Board};
use tokio::io::AsyncReadExt as _;

use super::note;
use super::terminal_filter::TerminalFilter;
use crate::output::pass_on;

/// Ctrl-].
const END: u8 = 0x1d;

/// How long a board may take to accept input.
const INPUT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(2);

/// Connects the user to the board's REPL until Ctrl-]. Its output is shown, but not captured as console lines.
pub(super) async fn talk(board: &mut Board, stdin: &mut tokio::io::Stdin) -> Result<(), BenchError> {
    note("interrupting the running script");
    let port = board.take_repl().await?;
    note("REPL: Ctrl-D does a soft reset, Ctrl-] leaves the REPL");
    let failed = |error: std::io::Error| BenchError::Port { board: board.name().to_owned(), reason: error.to_string() };
    // Makes it print a prompt.
    port.write(b"\r").await.map_err(failed)?;
    let (mut output, mut typed, mut filter) = ([0; 4096], [0; 1024], TerminalFilter::default());
    loop {
        tokio::select! {
            read = port.read(&mut output) => match read.map_err(failed)? {
                0 => return Err(BenchError::PortVanished { board: board.name().to_owned() }),
                length => pass_on(&filter.take(&output[..length])).await,
            },
            read = stdin.read(&mut typed) => {
                // End of input leaves the REPL.
                let length = read.unwrap_or(0);
                let end = typed[..length].iter().position(|byte| *byte == END);
                let sent = tokio::time::timeout(INPUT_TIMEOUT, port.write(&typed[..end.unwrap_or(length)])).await;
                sent.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(failed)?;
                if end.is_some() || length == 0 {
                    note("");
                    note("left the REPL; its scripts run again after a reset (Ctrl-T r)");
                    return Ok(());
                }
            }
        }
    }
}
