//! Which runs are meant: a folder, a baseline, or a word.

use std::path::{Path, PathBuf};

use hil_report::{History, Record, last_good, read_baseline, read_record, with_those_before};

use crate::exit_code::ExitCode;
use crate::output::{Message, set_up_failed, warn};

/// Runs to compare with.
#[derive(Debug, Clone)]
pub(crate) enum Baseline {
    /// Read already.
    Runs(Vec<Record>),
    /// The newest good run of the history that can be compared.
    LastGood,
}

/// The word for it.
pub(crate) const LAST_GOOD: &str = "last-good";

impl Baseline {
    /// Reads what is named; what is not there is told of now, and not after a long run.
    pub(crate) fn read(named: &Path) -> Result<Self, ExitCode> {
        if named == Path::new(LAST_GOOD) { Ok(Self::LastGood) } else { read_runs(named).map(Self::Runs) }
    }

    /// The records, the newest last; none where the history has no good run.
    pub(crate) fn records(&self, past: &[Record], head: &Record) -> Vec<Record> {
        match self {
            Self::Runs(records) => records.clone(),
            Self::LastGood => last_good(past, head),
        }
    }
}

/// A run folder, its `events.jsonl`, or a baseline.
pub(crate) fn read_runs(named: &Path) -> Result<Vec<Record>, ExitCode> {
    let hint = || Some(format!("name a run folder, a file that `hil baseline save` made, or `{LAST_GOOD}`"));
    let folder = match named.file_name() {
        Some(name) if name == "events.jsonl" => named.parent(),
        _ => named.is_dir().then_some(named),
    };
    match folder {
        Some(folder) => read_record(folder).map(|record| vec![record]).map_err(|error| set_up_failed(&error, hint())),
        None => {
            let records = read_baseline(named).map_err(|error| set_up_failed(&error, hint()))?;
            if records.is_empty() {
                let message = Message(format!("the baseline `{}` holds no run", named.display()));
                return Err(set_up_failed(&message, hint()));
            }
            Ok(records)
        }
    }
}

/// One run, with those of the same firmware before it.
pub(crate) fn with_history(record: &Record, past: &[Record]) -> Vec<Record> {
    with_those_before(past, record, |_| true)
}

/// Reads the history; tells where it can't be read.
pub(crate) fn past(history: &History) -> Result<Vec<Record>, ExitCode> {
    let hint = || Some("`--history` or `HIL_HISTORY` names another file".to_owned());
    history.read().map_err(|error| set_up_failed(&error, hint()))
}

/// What is compared with a baseline: a run with those of its firmware before it. Where the firmware is the baseline's, it
/// stands for itself: what that firmware did before is known already.
pub(crate) fn head(record: &Record, base: &[Record], past: &[Record]) -> Vec<Record> {
    let is_same = base.last().is_some_and(|base| record.is_of_firmware(base));
    if is_same { vec![record.clone()] } else { with_history(record, past) }
}

/// Whether somebody says where the history is.
pub(crate) fn is_history_named(asked: Option<&PathBuf>) -> bool {
    asked.is_some() || std::env::var_os(hil_config::HIL_HISTORY).is_some_and(|value| !value.is_empty())
}

/// Where the history is: `--history`, else `HIL_HISTORY`, else below `target/hil`.
pub(crate) fn history(asked: Option<&PathBuf>) -> History {
    let named = || std::env::var_os(hil_config::HIL_HISTORY).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = asked.cloned().or_else(named).unwrap_or_else(|| PathBuf::from("target/hil/history.jsonl"));
    History::at(&path)
}

/// Tells that the history has nothing to compare with.
pub(crate) fn no_good_run(history: &History) {
    warn(format!(
        "no good run of these scenarios in `{}`: there is nothing to compare with yet",
        history.path().display()
    ));
}

/// As an error.
pub(crate) fn nothing_to_compare(history: &History) -> ExitCode {
    let message = Message(format!("there is no good run in `{}`", history.path().display()));
    set_up_failed(&message, Some("run `hil run` until it passes, or name a run folder".to_owned()))
}
