//! Writes all reports of a run folder.

use std::path::{Path, PathBuf};

use hil_timeline::{ReadError, read_events};

use crate::console_log::{broker_log, console_logs};
use crate::fold::RunSummary;
use crate::junit::junit;

/// Why reports could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The events can't be read.
    #[error(transparent)]
    Events(#[from] ReadError),
    /// A file can't be written.
    #[error("can't write `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The JUnit report can't be made.
    #[error("can't make the JUnit report")]
    Junit(#[from] quick_junit::SerializeError),
}

/// Reads `events.jsonl` of a run folder and writes every report beside it. Gives back the folded run.
///
/// # Errors
/// When the events can't be read or a report can't be written.
pub fn write_reports(folder: &Path) -> Result<RunSummary, WriteError> {
    let events = read_events(&folder.join("events.jsonl"))?;
    let run = RunSummary::of(&events);
    write(&folder.join("junit.xml"), &junit(&run)?)?;
    for (board, log) in console_logs(&events) {
        // A board's name is made of letters, digits, `-` and `_`, checked when the bench file was read; a file from
        // elsewhere may say anything.
        let safe: String = board.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).collect();
        write(&folder.join(format!("console-{safe}.log")), &log)?;
    }
    if let Some(log) = broker_log(&events) {
        write(&folder.join("broker.log"), &log)?;
    }
    Ok(run)
}

fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    std::fs::write(path, text).map_err(|source| WriteError::Io { path: path.to_owned(), source })
}
