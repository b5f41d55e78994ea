//! QEMU's monitor: a few commands, one connection for each.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// Runs commands in order; each must be accepted.
pub(super) async fn run(socket: &Path, commands: &[&str]) -> io::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(5);
    let work = tokio::time::timeout(PATIENCE, talk(socket, commands));
    work.await.map_err(|_| io::Error::other(format!("its monitor did not answer within {} s", PATIENCE.as_secs())))?
}

async fn talk(socket: &Path, commands: &[&str]) -> io::Result<()> {
    let absent = |error| io::Error::other(format!("no monitor listens at `{{qmp}}`: {error}"));
    let mut stream = BufReader::new(UnixStream::connect(socket).await.map_err(absent)?);
    // Its greeting.
    next(&mut stream).await?;
    for command in ["qmp_capabilities"].iter().chain(commands) {
        let line = format!("{}\n", json!({ "execute": command }));
        stream.get_mut().write_all(line.as_bytes()).await?;
        loop {
            let answer = next(&mut stream).await?;
            if let Some(error) = answer.get("error") {
                return Err(io::Error::other(format!("its monitor refuses `{command}`: {error}")));
            }
            // Events come in between.
            if answer.get("return").is_some() {
                break;
            }
        }
    }
    Ok(())
}

async fn next(stream: &mut BufReader<UnixStream>) -> io::Result<Value> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::Error::other("its monitor has closed the connection"));
    }
    Ok(serde_json::from_str(&line)?)
}
