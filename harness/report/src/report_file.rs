//! What a report is: a file of the run folder that is made of what was read from the record.

use std::io;

use crate::compare::Comparison;
use crate::gathering::Gathering;
use crate::result::RunSummary;
use crate::trend::Trend;

/// One report.
#[derive(Debug, Clone, Copy)]
pub struct ReportFile {
    /// Its name in the run folder.
    pub name: &'static str,
    /// Who or what reads it, as the documentation says.
    pub audience: &'static str,
    /// What it is, as the documentation says.
    pub about: &'static str,
    /// Makes its text.
    pub(crate) text: fn(&Material<'_>) -> Result<String, ReportError>,
}

/// What reports are made of.
pub(crate) struct Material<'a> {
    /// The name of the run.
    pub(crate) name: &'a str,
    pub(crate) run: &'a RunSummary,
    pub(crate) gathering: &'a Gathering,
    /// The comparison with a baseline.
    pub(crate) comparison: Option<&'a Comparison>,
    /// The last runs.
    pub(crate) trend: Option<&'a Trend>,
    /// The page as a path from the root of the project.
    pub(crate) page: Option<&'a str>,
}

/// Why a report can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReportError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}
