//! Compares two sets of runs: regressions and other changes.

mod measurements;
mod show;
mod traffic;

use std::collections::BTreeMap;

use hil_timeline::Verdict;
use serde::{Deserialize, Serialize};

pub use measurements::{Measured, Measurements, MetricChange, TimeChange};
pub use traffic::{TrafficChange, TrafficKind};

use crate::record::Record;
use crate::result::FirmwareInfo;

/// Why two sets of runs are not compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// One side has no run.
    #[error("there is no run to compare with")]
    Nothing,
    /// Boards of different ways: real ones on one side, simulated or emulated ones on the other.
    #[error("board `{board}` is {base} in the baseline and {head} in this run: they are never compared")]
    Mixed {
        /// The board.
        board: String,
        /// What it is in the baseline.
        base: &'static str,
        /// What it is in the run.
        head: &'static str,
    },
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Name of its newest run.
    pub run: String,
    /// When that run began, milliseconds since 1970.
    pub unix_ms: u64,
    /// How many runs it has.
    pub runs: usize,
    /// The firmware of the boards.
    pub firmware: Vec<FirmwareInfo>,
}

/// A scenario whose verdict is reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioChange {
    /// Its file and name.
    pub scenario: String,
    /// How it ended in the baseline.
    pub was: Option<Verdict>,
    /// How it ended in the run.
    pub is: Option<Verdict>,
    /// Why it did not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Scenarios, grouped by change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScenarioChanges {
    /// Failed now, but not in the baseline.
    pub newly_failing: Vec<ScenarioChange>,
    /// Failed sometimes, but was steady in the baseline.
    pub newly_flaky: Vec<ScenarioChange>,
    /// Failed in both.
    pub still_failing: Vec<ScenarioChange>,
    /// Passed now, but failed in the baseline.
    pub fixed: Vec<ScenarioChange>,
    /// The bench failed, or the run was aborted: the result of the firmware is unknown.
    pub unknown: Vec<ScenarioChange>,
    /// Not in the baseline.
    pub new: Vec<ScenarioChange>,
    /// In the baseline only.
    pub removed: Vec<ScenarioChange>,
    /// The number of scenarios whose result is known on both sides.
    pub compared: usize,
}

/// A firmware whose bytes changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageChange {
    /// In the baseline.
    pub base: FirmwareInfo,
    /// In the run.
    pub head: FirmwareInfo,
}

/// Everything that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The baseline.
    pub base: Side,
    /// The compared runs.
    pub head: Side,
    /// Whether there is a regression: newly failing, newly flaky or slower.
    pub regression: bool,
    /// Verdicts.
    pub scenarios: ScenarioChanges,
    /// Times.
    pub measurements: Measurements,
    /// Topics, flags and wills.
    pub traffic: Vec<TrafficChange>,
    /// Firmware.
    pub images: Vec<ImageChange>,
}

/// Compares runs with a baseline; the newest run of each side is its last.
///
/// # Errors
/// When a side is empty, or a board is real on one side only, or simulated, or emulated.
pub fn compare(base: &[Record], head: &[Record]) -> Result<Comparison, CompareError> {
    let (Some(newest_base), Some(newest_head)) = (base.last(), head.last()) else { return Err(CompareError::Nothing) };
    check_boards(base, head)?;
    let scenarios = scenario_changes(base, head);
    let measurements = measurements::compare(base, head);
    let worse = measurements.changes.iter().any(|change| change.direction == TimeChange::Slower);
    Ok(Comparison {
        base: side(newest_base, base.len()),
        head: side(newest_head, head.len()),
        regression: worse || !scenarios.newly_failing.is_empty() || !scenarios.newly_flaky.is_empty(),
        scenarios,
        measurements,
        traffic: traffic::compare(base, head),
        images: image_changes(newest_base, newest_head),
    })
}

fn side(newest: &Record, runs: usize) -> Side {
    Side { run: newest.run.clone(), unix_ms: newest.unix_ms, runs, firmware: newest.firmware.clone() }
}

fn check_boards(base: &[Record], head: &[Record]) -> Result<(), CompareError> {
    let known: BTreeMap<&str, &'static str> = base.iter().flat_map(Record::board_key).collect();
    for (board, way) in head.iter().flat_map(Record::board_key) {
        if let Some(was) = known.get(board).filter(|was| **was != way) {
            return Err(CompareError::Mixed { board: board.to_owned(), base: was, head: way });
        }
    }
    // Boards of other names may still differ.
    match (only_way(base), only_way(head)) {
        (Some(base), Some(head)) if base != head => Err(CompareError::Mixed { board: "*".to_owned(), base, head }),
        _ => Ok(()),
    }
}

/// How all boards of these records run, if all run in the same way.
fn only_way(records: &[Record]) -> Option<&'static str> {
    let mut ways = records.iter().flat_map(Record::board_key).map(|(_, way)| way);
    let first = ways.next()?;
    ways.all(|way| way == first).then_some(first)
}

/// The newest verdict of a scenario on one side, and whether it was steady there.
fn verdict(records: &[Record], scenario: &str) -> Option<Verdict> {
    let newest = *records.iter().rev().find_map(|record| record.scenarios.get(scenario))?;
    let last = records.last()?;
    // If the firmware is unknown, the caller has chosen the runs.
    let is_unknown = |record: &Record| record.firmware.is_empty() && last.firmware.is_empty();
    let same = records.iter().filter(|record| is_unknown(record) || record.is_of_firmware(last));
    let seen: Vec<_> = same.filter_map(|record| record.scenarios.get(scenario)).collect();
    let flips = seen.contains(&&Verdict::Passed) && seen.contains(&&Verdict::Failed);
    let wavered = flips || seen.contains(&&Verdict::Flaky);
    // If the newest run failed, that is reported, whatever came before.
    Some(if newest == Verdict::Passed && wavered { Verdict::Flaky } else { newest })
}

fn scenario_changes(base: &[Record], head: &[Record]) -> ScenarioChanges {
    let mut changes = ScenarioChanges::default();
    let newest = &head[head.len() - 1];
    // What is in quarantine is not a regression.
    for scenario in newest.scenarios.keys().filter(|name| !newest.quarantined.contains(*name)) {
        let (was, is) = (verdict(base, scenario), verdict(head, scenario));
        let why = newest.failures.get(scenario).cloned();
        let change = ScenarioChange { scenario: scenario.clone(), was, is, why };
        let is_known = |verdict| matches!(verdict, Some(Verdict::Passed | Verdict::Failed | Verdict::Flaky));
        changes.compared += usize::from(is_known(was) && is_known(is));
        let list = match (was, is) {
            (None, _) => &mut changes.new,
            (_, Some(Verdict::Errored)) => &mut changes.unknown,
            (was, Some(Verdict::Aborted | Verdict::Skipped)) if is_known(was) => &mut changes.unknown,
            (Some(Verdict::Failed), Some(Verdict::Failed)) => &mut changes.still_failing,
            (_, Some(Verdict::Failed)) => &mut changes.newly_failing,
            (Some(Verdict::Failed), Some(Verdict::Passed | Verdict::Flaky)) => &mut changes.fixed,
            (Some(Verdict::Flaky), Some(Verdict::Flaky)) => continue,
            (_, Some(Verdict::Flaky)) => &mut changes.newly_flaky,
            _ => continue,
        };
        list.push(change);
    }
    let gone = base.last().into_iter().flat_map(|record| &record.scenarios);
    let gone = gone.filter(|(scenario, _)| !newest.scenarios.contains_key(*scenario));
    changes.removed = gone
        .map(|(scenario, was)| ScenarioChange { scenario: scenario.clone(), was: Some(*was), is: None, why: None })
        .collect();
    changes
}

fn image_changes(base: &Record, head: &Record) -> Vec<ImageChange> {
    let changed = head.firmware.iter().filter_map(|head| {
        let same = |base: &&FirmwareInfo| (&base.board, &base.firmware) == (&head.board, &head.firmware);
        let base = base.firmware.iter().find(same).filter(|base| base.hash != head.hash)?;
        Some(ImageChange { base: base.clone(), head: head.clone() })
    });
    changed.collect()
}

#[cfg(test)]
mod tests;
