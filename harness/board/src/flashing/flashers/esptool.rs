//! Flashing through the `esptool` program: for the ESP8266, which espflash no longer knows, and by choice.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::{Duration, Instant};

use hil_config::table::Table;
use hil_power::Diagnosis;
use hil_timeline::FlashPhase;
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::error::BenchError;
use crate::flashing::kind::{FlasherType, Flashing};
use crate::flashing::{Flashed, Job, PortInUse, Region, Role};

/// The program on the path, or that of the environment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Esptool;

impl FlasherType for Esptool {
    const WORD: &'static str = "esptool";

    fn read(_: &mut Table<'_, '_>) -> Option<Self> {
        Some(Self)
    }

    fn flash(self, job: Job, _: PortInUse) -> Flashing {
        Box::pin(flash(job))
    }

    fn check(&self) -> Option<Diagnosis> {
        let program = program();
        let name = program.to_string_lossy();
        Some(match std::process::Command::new(&program).arg("version").output() {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8_lossy(&output.stdout);
                Diagnosis::Good(text.lines().next_back().unwrap_or_default().to_owned())
            }
            Ok(output) => Diagnosis::Bad {
                reason: format!("`{name}` ended with {}", output.status),
                hint: "`pipx reinstall esptool`".to_owned(),
            },
            Err(error) => Diagnosis::Bad {
                reason: format!("`{name}` can't be run: {error}"),
                hint: format!(
                    "`pipx install esptool`, or name it in the environment variable `{}`",
                    hil_config::HIL_ESPTOOL
                ),
            },
        })
    }
}

/// A whole flash of 16 MiB at 115200 baud takes 24 minutes; a chip that stops answering is given up then.
const LONGEST: Duration = Duration::from_secs(30 * 60);

/// Speed of the ROM's loader.
const ROM_BAUD: u32 = 115_200;

/// Writes what the flash does not hold yet. Dropping the future kills the program.
///
/// The chip stays in its loader from one call to the next, so the speed is changed in the last one only: a call that
/// begins at the ROM's speed would not find a chip that has left it.
async fn flash(job: Job) -> Result<Flashed, BenchError> {
    let start = Instant::now();
    let failed = |reason: String| BenchError::Flash { board: job.board.clone(), reason };
    let folder = hil_scratch::Scratch::new("image").map_err(|error| failed(error.to_string()))?;
    let mut files = Vec::new();
    for (n, region) in job.regions.iter().enumerate() {
        let file = folder.path().join(format!("{n}.bin"));
        std::fs::write(&file, &region.data).map_err(|error| failed(error.to_string()))?;
        files.push([OsString::from(format!("{:#x}", region.address)), file.into_os_string()]);
    }
    let holds = held(&job, &files).await?;
    let is_other = job.regions.iter().zip(&holds).any(|(region, holds)| region.role == Role::Program && !holds);
    let (mut missing, mut skipped) = (Vec::new(), 0);
    for ((region, holds), at) in job.regions.iter().zip(holds).zip(files) {
        let is_there = match region.role {
            Role::Program | Role::State => holds,
            // Blank data counts only where it is another firmware: no data of the previous one must stay.
            Role::Blank => !is_other || (holds && region.is_large()),
        };
        if is_there {
            skipped += region.data.len();
            (job.progress)(FlashPhase::Progress { done: skipped, total: size(&job.regions) });
        } else {
            (job.progress)(FlashPhase::Region { address: region.address, size: region.data.len() });
            missing.extend(at);
        }
    }
    let written = size(&job.regions) - skipped;
    if written > 0 {
        // It verifies what it has written.
        let write = Call { command: "write-flash", baud: job.baud, stub: true };
        run(&job, &write, &missing).await.map_err(|said| explain(&job, &said))?;
    }
    Ok(Flashed { written, skipped, took: start.elapsed() })
}

/// Which regions the flash already holds. The ROM of an ESP8266 can't report it: all are written each time.
async fn held(job: &Job, files: &[[OsString; 2]]) -> Result<Vec<bool>, BenchError> {
    if job.chip == hil_config::Chip::Esp8266 {
        return Ok(vec![false; files.len()]);
    }
    // One call for all: the program takes longer to start than the chip to answer.
    let verify = Call { command: "verify-flash", baud: ROM_BAUD, stub: false };
    match run(job, &verify, &files.concat()).await {
        Ok(()) => Ok(vec![true; files.len()]),
        Err(said) => match verified(&said, files.len()) {
            Some(holds) => Ok(holds),
            None if said.contains("Verification failed") || said.contains("verification failed") => {
                Ok(vec![false; files.len()])
            }
            None => Err(explain(job, &said)),
        },
    }
}

/// What esptool reports for each file in turn; none if it did not get to the last.
fn verified(said: &str, files: usize) -> Option<Vec<bool>> {
    let verdict = |line: &str| match line {
        // Beyond these, a line on the whole ends the output: `A fatal error occurred: Verification failed.`
        line if line.starts_with("Verification successful") => Some(true),
        line if line.starts_with("Verification failed (") => Some(false),
        _ => None,
    };
    let all: Vec<_> = said.lines().filter_map(|line| verdict(line.trim())).collect();
    (all.len() == files).then_some(all)
}

/// One of esptool's commands.
struct Call {
    command: &'static str,
    baud: u32,
    stub: bool,
}

fn size(regions: &[Region]) -> usize {
    regions.iter().map(|region| region.data.len()).sum()
}

/// The program: the one of the environment, else `esptool` on the path.
#[must_use]
pub fn program() -> OsString {
    std::env::var_os(hil_config::HIL_ESPTOOL).filter(|path| !path.is_empty()).unwrap_or_else(|| "esptool".into())
}

/// Runs one of its commands on the chip that waits in its loader. The error is what it said.
async fn run(job: &Job, call: &Call, at: &[OsString]) -> Result<(), String> {
    let program = program();
    let name = program.to_string_lossy().into_owned();
    let mut tool = Command::new(&program);
    tool.args(["--chip", job.chip.word(), "--port"]).arg(&job.port).args(["--baud", &call.baud.to_string()]);
    // `hil` resets the chip itself, before and after.
    tool.args(["--before", "no-reset", "--after", "no-reset"]);
    if !call.stub {
        tool.arg("--no-stub");
    }
    tool.arg(call.command).args(at);
    tool.stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(LONGEST, tool.output()).await;
    let output = output.map_err(|_| format!("`{name}` took longer than {} min", LONGEST.as_secs() / 60))?;
    let output = output.map_err(|error| format!("`{name}` can't be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Err(format!("{}\n{}", text(&output.stdout), text(&output.stderr)))
}

/// The bench file's word for a chip, from the name that esptool uses.
fn word(chip: &str) -> String {
    hil_config::Chip::named(chip).map_or_else(|| chip.to_owned(), |chip| chip.word().to_owned())
}

fn explain(job: &Job, said: &str) -> BenchError {
    let (board, port) = (job.board.clone(), job.port.clone());
    // `This chip is ESP32-C6, not ESP32-C3. Wrong chip argument?`
    if let Some(rest) = said.split("This chip is ").nth(1)
        && let Some((found, expected)) = rest.lines().next().and_then(|line| line.split_once(", not "))
    {
        let expected = expected.split(['.', ' ']).next().unwrap_or(expected).to_owned();
        return BenchError::WrongChip { board, port, expected: word(&expected), found: word(found) };
    }
    if said.contains("Failed to connect") || said.contains("No serial data received") {
        return BenchError::NoAnswer { board, port };
    }
    let line = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    BenchError::Flash { board, reason: format!("esptool: {}", line.trim()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esptool_reports_for_each_file_whether_the_flash_holds_it() {
        let said = "Verifying 0x9000 (36864) bytes at 0x00000000 in flash against '0.bin'...\nVerification successful (digest matched).\nVerifying 0x6000 (24576) bytes at 0x00009000 in flash against '1.bin'...\nVerification failed (digest mismatch).\n\nA fatal error occurred: Verification failed.\n";
        assert_eq!(verified(said, 2), Some(vec![true, false]));
        assert_eq!(verified(said, 3), None, "it did not get to the third");
    }
}
