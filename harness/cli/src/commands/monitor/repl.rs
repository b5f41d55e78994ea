//! MicroPython's REPL, byte by byte.

use std::io::Write as _;

use hil_bench::{BenchError, Board};
use tokio::io::AsyncReadExt as _;

use crate::commands::{shown, warn};

/// Ctrl-].
const END: u8 = 0x1d;

/// How long a board may take nothing of what is typed.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);

/// Lets the person talk to the board's REPL until Ctrl-]. What is said meanwhile is shown and not captured.
pub(super) async fn talk(board: &mut Board, stdin: &mut tokio::io::Stdin) -> Result<(), BenchError> {
    warn("interrupting what runs\r");
    let port = board.take_repl().await?;
    warn("the REPL; Ctrl-D resets it softly, Ctrl-] leaves it\r");
    let failed = |error: std::io::Error| BenchError::Port { board: board.name().to_owned(), reason: error.to_string() };
    // For a prompt.
    port.write(b"\r").await.map_err(failed)?;
    let (mut said, mut typed) = ([0; 4096], [0; 1024]);
    loop {
        tokio::select! {
            read = port.read(&mut said) => match read.map_err(failed)? {
                0 => return Err(BenchError::PortVanished { board: board.name().to_owned() }),
                length => print(&said[..length]),
            },
            read = stdin.read(&mut typed) => {
                // Nobody types any more: that is as good as leaving.
                let length = read.unwrap_or(0);
                let end = typed[..length].iter().position(|byte| *byte == END);
                let sent = tokio::time::timeout(PATIENCE, port.write(&typed[..end.unwrap_or(length)])).await;
                sent.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(failed)?;
                if end.is_some() || length == 0 {
                    warn("\r\nthe REPL is left; its scripts run again after a reset (Ctrl-T r)\r");
                    return Ok(());
                }
            }
        }
    }
}

fn print(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut stdout = std::io::stdout();
    // A reader that is gone is no error.
    let _ = stdout.write_all(shown(&text).as_bytes()).and_then(|()| stdout.flush());
}
