//! Flashing through the `esptool` program: for the ESP8266, which espflash no longer knows, and by choice.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hil_timeline::FlashPhase;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::Command;

use super::plan::Region;
use super::{Flashed, Job};
use crate::error::BenchError;

/// A whole flash of 16 MiB at 115200 baud takes 24 minutes; nobody waits longer for a chip that fell silent.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Writes what the flash does not hold yet. Dropping the future kills the program.
pub(super) async fn flash(job: Job) -> Result<Flashed, BenchError> {
    let start = Instant::now();
    let failed = |reason: String| BenchError::Flash { board: job.board.clone(), reason };
    let folder = tempfile::tempdir().map_err(|error| failed(error.to_string()))?;
    let (mut written, mut skipped) = (0, 0);
    for (n, region) in job.regions.iter().enumerate() {
        (job.progress)(FlashPhase::Region { address: region.address, size: region.data.len() });
        let file = folder.path().join(format!("{n}.bin"));
        std::fs::write(&file, &region.data).map_err(|error| failed(error.to_string()))?;
        let at = [OsString::from(format!("{:#x}", region.address)), file.into_os_string()];
        if run(&job, "verify-flash", &at).await.is_ok() {
            skipped += region.data.len();
        } else {
            run(&job, "write-flash", &at).await.map_err(|said| explain(&job, &said))?;
            run(&job, "verify-flash", &at).await.map_err(|_| BenchError::VerifyFailed { board: job.board.clone() })?;
            written += region.data.len();
        }
        (job.progress)(FlashPhase::Progress { done: written + skipped, total: size(&job.regions) });
    }
    Ok(Flashed { written, skipped, took: start.elapsed() })
}

fn size(regions: &[Region]) -> usize {
    regions.iter().map(|region| region.data.len()).sum()
}

/// The program: the one of the environment, else `esptool` on the path.
pub(crate) fn program() -> OsString {
    std::env::var_os(hil_config::HIL_ESPTOOL).filter(|path| !path.is_empty()).unwrap_or_else(|| "esptool".into())
}

/// Runs one of its commands on the chip that waits in its loader. The error is what it said.
async fn run(job: &Job, command: &str, at: &[OsString]) -> Result<(), String> {
    let program = program();
    let name = program.to_string_lossy().into_owned();
    let mut tool = Command::new(&program);
    tool.args(["--chip", job.chip.word(), "--port"]).arg(&job.port).args(["--baud", &job.baud.to_string()]);
    // `hil` resets the chip itself, before and after. Without the stub the loader is the same for the next command.
    tool.args(["--before", "no-reset", "--after", "no-reset", "--no-stub", command]).args(at);
    tool.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = tool.spawn().map_err(|error| format!("`{name}` can't be run: {error}"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let said = async {
        let mut said = Vec::new();
        if let Some(stdout) = stdout {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                said.push(line);
            }
        }
        let mut rest = String::new();
        if let Some(mut stderr) = stderr {
            let _ = stderr.read_to_string(&mut rest).await;
        }
        said.extend(rest.lines().map(str::to_owned));
        said
    };
    let ended = tokio::time::timeout(LONGEST, async { tokio::join!(said, child.wait()) }).await;
    let (said, status) = ended.map_err(|_| format!("`{name}` took longer than {} min", LONGEST.as_secs() / 60))?;
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(said.join("\n")),
        Err(error) => Err(error.to_string()),
    }
}

fn explain(job: &Job, said: &str) -> BenchError {
    let (board, port) = (job.board.clone(), job.port.clone());
    // `This chip is ESP32-C6, not ESP32-C3. Wrong chip argument?`
    if let Some(rest) = said.split("This chip is ").nth(1)
        && let Some((found, expected)) = rest.lines().next().and_then(|line| line.split_once(", not "))
    {
        let expected = expected.split(['.', ' ']).next().unwrap_or(expected).to_owned();
        return BenchError::WrongChip { board, port, expected, found: found.to_owned() };
    }
    if said.contains("Failed to connect") || said.contains("No serial data received") {
        return BenchError::NoAnswer { board, port };
    }
    let line = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    BenchError::Flash { board, reason: format!("esptool: {}", line.trim()) }
}
