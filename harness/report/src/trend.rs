//! An overview of the last runs.

use std::collections::BTreeMap;

use hil_timeline::Verdict;
use serde::{Deserialize, Serialize};

use crate::record::{Metric, MetricKind, Record};
use crate::result::Counts;
use crate::statistics::median;

/// So many runs are shown.
const RUNS: usize = 30;

/// So many plots are shown.
const PLOTS: usize = 8;

/// The last runs, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// The runs.
    pub runs: Vec<TrendRun>,
    /// Medians of times of boards.
    pub metrics: Vec<TrendMetric>,
    /// A sign for each run, by scenario: see [`sign`].
    pub scenarios: BTreeMap<String, String>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrendRun {
    /// Its name.
    pub run: String,
    /// How its scenarios ended.
    pub counts: Counts,
}

/// The course of one time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrendMetric {
    /// The metric.
    pub name: String,
    /// Milliseconds; none if the run has not measured it.
    pub values: Vec<Option<f64>>,
}

/// `✓ ✗ ! ~ -`
#[must_use]
pub fn sign(verdict: Option<Verdict>) -> char {
    match verdict {
        Some(Verdict::Passed) => '✓',
        Some(Verdict::Failed) => '✗',
        Some(Verdict::Errored) => '!',
        Some(Verdict::Flaky) => '~',
        Some(Verdict::Skipped | Verdict::Aborted) | None => '-',
    }
}

/// `▁▂▃▄▅▆▇█`, a blank if there is no value.
#[must_use]
pub fn sparkline(values: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = || values.iter().flatten().copied();
    let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let bar = |value: &Option<f64>| match value {
        None => ' ',
        // A time that hardly changes must not look as if it did.
        Some(_) if high - low <= high.abs() * 0.02 => BARS[3],
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 7")]
        Some(value) => BARS[((value - low) / (high - low) * 7.0).round() as usize],
    };
    values.iter().map(bar).collect()
}

impl Trend {
    /// The newest of these records, oldest first, that are comparable with the last one.
    #[must_use]
    pub fn of(records: &[Record]) -> Self {
        let Some(newest) = records.last() else { return Self::default() };
        let kinds = newest.board_key();
        let same =
            |record: &&Record| record.board_key().iter().all(|(name, it)| kinds.get(name).is_none_or(|k| k == it));
        let mut recent: Vec<&Record> = records.iter().rev().filter(same).take(RUNS).collect();
        recent.reverse();
        let strip = |name: &String| recent.iter().map(|record| sign(record.scenarios.get(name).copied())).collect();
        Self {
            runs: recent.iter().map(|record| TrendRun { run: record.run.clone(), counts: record.counts() }).collect(),
            metrics: metrics(newest, &recent),
            scenarios: newest.scenarios.keys().map(|name| (name.clone(), strip(name))).collect(),
        }
    }
}

fn metrics(newest: &Record, recent: &[&Record]) -> Vec<TrendMetric> {
    let of_boards = newest.metrics.keys().filter(|metric| metric.kind != MetricKind::Step);
    let values = |metric: &Metric| -> Vec<_> {
        recent.iter().map(|record| record.metrics.get(metric).and_then(|values| median(values))).collect()
    };
    let plot = |metric: &Metric| TrendMetric { name: metric.to_string(), values: values(metric) };
    of_boards.take(PLOTS).map(plot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_shows_what_changes_and_only_that() {
        let line = |values: &[f64]| sparkline(&values.iter().map(|value| Some(*value)).collect::<Vec<_>>());
        assert_eq!(line(&[1.0, 2.0, 3.0, 8.0]), "▁▂▃█");
        assert_eq!(line(&[100.0, 101.0, 100.5]), "▄▄▄");
        assert_eq!(sparkline(&[None, Some(1.0), Some(2.0)]), " ▁█");
        assert_eq!(sparkline(&[]), "");
    }
}
