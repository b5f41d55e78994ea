//! Finds the runs that an argument names: a run folder, a baseline file or `last-good`.

use std::path::{Path, PathBuf};

use hil_report::{Branch, History, Record, last_good, read_baseline, read_record, with_those_before};
use hil_timeline::ScenarioInfo;

use crate::exit_code::ExitCode;
use crate::output::{Message, set_up_failed, warn};

/// Runs to compare with.
#[derive(Debug, Clone)]
pub(crate) enum Baseline {
    /// Already read.
    Runs(Vec<Record>),
    /// The newest good run of the history that can be compared.
    LastGood(Branch),
}

/// The argument that selects it; `last-good@BRANCH` selects that of a branch.
pub(crate) const LAST_GOOD: &str = "last-good";

/// The branches of the argument, if it is `last-good` or `last-good@BRANCH`.
pub(crate) fn last_good_branch(named: &Path) -> Option<Branch> {
    let rest = named.to_str()?.strip_prefix(LAST_GOOD)?;
    if rest.is_empty() {
        return Some(Branch::OfTheRun);
    }
    rest.strip_prefix('@').filter(|branch| !branch.is_empty()).map(|branch| Branch::Named(branch.to_owned()))
}

impl Baseline {
    /// Reads the named runs. Called before a run, so that a missing file is reported early.
    pub(crate) fn read(named: &Path) -> Result<Self, ExitCode> {
        match last_good_branch(named) {
            Some(branch) => Ok(Self::LastGood(branch)),
            None => read_runs(named).map(Self::Runs),
        }
    }

    /// The records, the newest last; empty if the history has no good run.
    pub(crate) fn records(&self, past: &[Record], head: &Record) -> Vec<Record> {
        match self {
            Self::Runs(records) => records.clone(),
            Self::LastGood(branch) => last_good(past, head, branch),
        }
    }
}

/// A run folder, its `events.jsonl`, or a baseline.
pub(crate) fn read_runs(named: &Path) -> Result<Vec<Record>, ExitCode> {
    let hint = || Some(format!("name a run folder, a file written by `hil baseline save`, or `{LAST_GOOD}`"));
    let folder = match named.file_name() {
        Some(name) if name == "events.jsonl" => named.parent(),
        _ => named.is_dir().then_some(named),
    };
    match folder {
        Some(folder) => read_record(folder).map(|record| vec![record]).map_err(|error| set_up_failed(&error, hint())),
        None => {
            let records = read_baseline(named).map_err(|error| set_up_failed(&error, hint()))?;
            if records.is_empty() {
                let message = Message(format!("the baseline `{}` contains no runs", named.display()));
                return Err(set_up_failed(&message, hint()));
            }
            Ok(records)
        }
    }
}

/// A run and the earlier runs of the same firmware.
pub(crate) fn with_history(record: &Record, past: &[Record]) -> Vec<Record> {
    with_those_before(past, record, |_| true)
}

/// Reads the history; reports an error if it can't be read.
pub(crate) fn past(history: &History) -> Result<Vec<Record>, ExitCode> {
    let hint = || Some("name another file with `--history` or `HIL_HISTORY`".to_owned());
    history.read().map_err(|error| set_up_failed(&error, hint()))
}

/// What to compare with a baseline: a run and the earlier runs of its firmware. If the firmware is the baseline's, the
/// run alone: its earlier runs may be part of the baseline.
pub(crate) fn head(record: &Record, base: &[Record], past: &[Record]) -> Vec<Record> {
    let is_same = base.last().is_some_and(|base| record.is_of_firmware(base));
    if is_same { vec![record.clone()] } else { with_history(record, past) }
}

/// Whether the user named a history file.
pub(crate) fn is_history_given(asked: Option<&PathBuf>) -> bool {
    asked.is_some() || std::env::var_os(hil_config::HIL_HISTORY).is_some_and(|value| !value.is_empty())
}

/// The history: `--history`, else `HIL_HISTORY`, else `target/hil/history.jsonl`.
pub(crate) fn history(asked: Option<&PathBuf>) -> History {
    let named = || std::env::var_os(hil_config::HIL_HISTORY).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = asked.cloned().or_else(named).unwrap_or_else(|| PathBuf::from("target/hil/history.jsonl"));
    History::at(&path)
}

/// Warns that the history has no run to compare with.
pub(crate) fn warn_no_good_run(history: &History) {
    warn(format!("no good run of these scenarios in `{}`: nothing to compare with yet", history.path().display()));
}

/// Reports as an error that the history has no good run.
pub(crate) fn no_good_run(history: &History) -> ExitCode {
    let message = Message(format!("`{}` contains no good run", history.path().display()));
    set_up_failed(&message, Some("name a run folder, or repeat this after a `hil run` that passes".to_owned()))
}

/// How long a scenario took in the newest run that has it.
pub(crate) fn last_time(info: &ScenarioInfo, past: &[Record]) -> Option<u64> {
    let (path, rule, name) = info.identity();
    let key = match rule {
        Some(rule) => format!("{path}: {rule}: {name}"),
        None => format!("{path}: {name}"),
    };
    past.iter().rev().find_map(|record| record.times.get(&key).copied())
}
