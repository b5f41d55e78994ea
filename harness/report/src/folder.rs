//! Writes all reports of a run folder.

use std::path::{Path, PathBuf};

use hil_files::{LARGEST_TEXT, Links, write_whole};
use hil_timeline::{EventReader, ReadError, RunEvent};

use crate::REPORTS;
use crate::compare::Comparison;
use crate::console_log::ConsoleLogs;
use crate::fold::Fold;
use crate::gathering::Gathering;
use crate::record::{Record, RecordBuilder};
use crate::report_file::{Material, ReportError};
use crate::result::RunSummary;
use crate::trend::Trend;

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
        /// What the system reports.
        source: std::io::Error,
    },
    /// A report can't be made.
    #[error("can't make the reports")]
    Json(#[from] serde_json::Error),
}

impl WriteError {
    /// A hint on how to fix it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        match self {
            Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded | FileTooLarge) => {
                Some("make room on the disk; `hil report` then writes the reports from `events.jsonl`")
            }
            Self::Events(ReadError::Schema { .. }) => Some("read it with the `hil` that wrote it, or a newer one"),
            Self::Events(_) => Some("name the folder that holds `events.jsonl`"),
            Self::Io { .. } | Self::Json(_) => None,
        }
    }
}

/// A run folder that has been read.
#[derive(Debug)]
pub struct ReadRun {
    folder: PathBuf,
    /// Name of the run: that of its folder.
    pub name: String,
    /// The folded run.
    pub run: RunSummary,
    /// The record for later comparisons.
    pub record: Record,
    gathering: Gathering,
}

/// Reads `events.jsonl` of a run folder, event by event, and writes the logs meanwhile.
///
/// # Errors
/// When the events can't be read or a log can't be written.
pub fn read_run(folder: &Path) -> Result<ReadRun, WriteError> {
    let (mut logs, mut gathering) = (ConsoleLogs::new(folder), Gathering::default());
    let failed = |source| WriteError::Io { path: folder.to_owned(), source };
    let (run, record) = folded(folder, |event| {
        gathering.take(event);
        logs.take(event).map_err(failed)
    })?;
    logs.finish().map_err(failed)?;
    gathering.finish();
    Ok(ReadRun { folder: folder.to_owned(), name: name(folder), run, record, gathering })
}

/// The record of a run for later comparisons; writes nothing.
///
/// # Errors
/// When the events can't be read.
pub fn read_record(folder: &Path) -> Result<Record, ReadError> {
    let (_, mut record) = folded(folder, |_| Ok::<_, ReadError>(()))?;
    record.regressed = kept::<Comparison>(&folder.join(COMPARISON)).is_some_and(|comparison| comparison.regression);
    Ok(record)
}

/// The folded run of a folder; writes nothing.
///
/// # Errors
/// When the events can't be read.
pub fn read_summary(folder: &Path) -> Result<RunSummary, ReadError> {
    folded(folder, |_| Ok::<_, ReadError>(())).map(|(run, _)| run)
}

/// Folds the events of a run folder to the run and its record; `also` sees each event.
fn folded<E: From<ReadError>>(
    folder: &Path,
    mut also: impl FnMut(&RunEvent) -> Result<(), E>,
) -> Result<(RunSummary, Record), E> {
    let (mut fold, mut recording) = (Fold::default(), RecordBuilder::default());
    for event in EventReader::open(&folder.join(EVENTS))? {
        let event = event?;
        fold.take(&event);
        recording.take(&event);
        also(&event)?;
    }
    let run = fold.finish();
    let record = recording.finish(&name(folder), &run);
    Ok((run, record))
}

const EVENTS: &str = "events.jsonl";
const COMPARISON: &str = "comparison.json";
const TREND: &str = "trend.json";

impl ReadRun {
    /// Stores a comparison with a baseline in the folder: its reports show it from now on.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep_comparison(&self, comparison: &Comparison) -> Result<(), WriteError> {
        write(&self.folder.join(COMPARISON), &serde_json::to_string(comparison)?)
    }

    /// Stores the last runs in the folder: its page shows them from now on.
    ///
    /// # Errors
    /// When they can't be written.
    pub fn keep_trend(&self, trend: &Trend) -> Result<(), WriteError> {
        write(&self.folder.join(TREND), &serde_json::to_string(trend)?)
    }

    /// The comparison with a baseline, if there is one.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        kept(&self.folder.join(COMPARISON))
    }

    /// Writes every report into the folder.
    ///
    /// # Errors
    /// When a report can't be written.
    pub fn write_reports(&self) -> Result<(), WriteError> {
        let comparison = self.comparison();
        let trend: Option<Trend> = kept(&self.folder.join(TREND));
        let page = page_from_here(&self.folder);
        let material = Material {
            name: &self.name,
            run: &self.run,
            gathering: &self.gathering,
            comparison: comparison.as_ref(),
            trend: trend.as_ref(),
            page: page.as_deref(),
        };
        for report in REPORTS {
            let path = self.folder.join(report.name);
            let text = (report.text)(&material).map_err(|error| match error {
                ReportError::Io(source) => WriteError::Io { path: path.clone(), source },
                ReportError::Json(error) => WriteError::Json(error),
            })?;
            write(&path, &text)?;
        }
        Ok(())
    }
}

/// Reads a file that `hil` wrote; none if it is missing or has another version.
fn kept<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&hil_files::read(path, Links::Refuse, LARGEST_TEXT).ok()?).ok()
}

/// The name of a run: that of its folder.
pub(crate) fn name(folder: &Path) -> String {
    let real = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    real.file_name().map_or_else(|| "run".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// The page as a path from the root of the project, which is where GitLab runs a job.
fn page_from_here(folder: &Path) -> Option<String> {
    let here = std::env::current_dir().ok()?.canonicalize().ok()?;
    let page = folder.canonicalize().ok()?.join("report.html");
    Some(page.strip_prefix(here).ok()?.display().to_string())
}

/// Whole or not at all, even if `hil` is killed.
fn write(path: &Path, text: &str) -> Result<(), WriteError> {
    write_whole(path, text).map_err(|source| WriteError::Io { path: path.to_owned(), source })
}
