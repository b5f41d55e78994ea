//! The record of a run for later comparisons: verdicts, measurements and traffic, without events.

mod builder;
mod metric;
mod traffic_lines;

use std::collections::{BTreeMap, BTreeSet};

use hil_timeline::{BoardInfo, Provenance, Verdict};
use serde::{Deserialize, Serialize};

pub use self::builder::RecordBuilder;
pub use self::metric::{Metric, MetricKind};
use crate::result::{Counts, FirmwareInfo, is_whole};
use crate::statistics::median;

/// Version of the format of baselines and histories.
pub const RECORD_SCHEMA: u32 = 1;

/// The record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Version of this format.
    pub schema: u32,
    /// Name of the run: that of its folder.
    pub run: String,
    /// Wall clock at its start, milliseconds since 1970.
    pub unix_ms: u64,
    /// The starts of the runs that were merged into it, in the same unit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<u64>,
    /// The bench.
    pub bench: String,
    /// The commit, the job and the computer.
    #[serde(default, skip_serializing_if = "Provenance::is_empty")]
    pub provenance: Provenance,
    /// Kind of broker.
    pub broker: String,
    /// Boards that took part.
    pub boards: Vec<BoardInfo>,
    /// The firmware of the boards.
    pub firmware: Vec<FirmwareInfo>,
    /// The exit code, unless the run was killed.
    pub exit_code: Option<u8>,
    /// A comparison with a baseline found a regression: it is not used as a baseline.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub regressed: bool,
    /// Each scenario's verdict.
    pub scenarios: BTreeMap<String, Verdict>,
    /// The reason of each scenario that did not pass, in one line.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub failures: BTreeMap<String, String>,
    /// Those that did not pass but are in quarantine: neither a good run nor a regression depends on them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub quarantined: BTreeSet<String>,
    /// How long each scenario took that ran, in milliseconds; of several repetitions, the last.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub times: BTreeMap<String, u64>,
    /// Measurements: milliseconds, and gauges in their own units.
    pub metrics: BTreeMap<Metric, Vec<f64>>,
    /// What each scenario's boards published and announced, and how often; 0 for traffic of its last step only:
    /// whether that comes before the end of the scenario, when its boards are disconnected, is chance.
    pub traffic: BTreeMap<String, BTreeMap<String, u32>>,
}

impl Record {
    /// How its scenarios ended.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let counted = self.scenarios.iter().filter(|(name, _)| !self.quarantined.contains(*name));
        Counts { quarantined: self.quarantined.len(), ..Counts::of(counted.map(|(_, verdict)| *verdict)) }
    }

    /// The median of the measurements.
    #[must_use]
    pub fn median(&self, metric: &Metric) -> Option<f64> {
        median(self.metrics.get(metric)?)
    }

    /// Whether the run came to its end: it was neither killed nor ended from outside.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        is_whole(self.exit_code)
    }

    /// Every scenario that ran passed (perhaps on a retry), and at least one did.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let good = |verdict: &Verdict| matches!(verdict, Verdict::Passed | Verdict::Skipped | Verdict::Flaky);
        self.exit_code == Some(0)
            && !self.regressed
            && self.scenarios.iter().all(|(name, verdict)| good(verdict) || self.quarantined.contains(name))
            && self.scenarios.values().any(|verdict| *verdict == Verdict::Passed)
    }

    /// Whether it ran firmware, and none that `other` did not run, identified by their bytes: a partial run uses some
    /// of the firmware.
    #[must_use]
    pub fn is_of_firmware(&self, other: &Self) -> bool {
        let key = |it: &FirmwareInfo| (it.board.clone(), it.firmware.clone(), it.hash.clone());
        let theirs: BTreeSet<_> = other.firmware.iter().map(key).collect();
        !self.firmware.is_empty() && self.firmware.iter().all(|ours| theirs.contains(&key(ours)))
    }

    /// Identifies a run: several folders may have the same name.
    #[must_use]
    pub fn id(&self) -> (&str, u64) {
        (&self.run, self.unix_ms)
    }

    /// Whether another run was merged from all that this one is made of: then both are the same measurements.
    pub(crate) fn is_merged_into(&self, other: &Self) -> bool {
        let own = if self.parts.is_empty() { std::slice::from_ref(&self.unix_ms) } else { &self.parts };
        let is_part = !other.parts.is_empty() && own.iter().all(|start| other.parts.contains(start));
        is_part && self.scenarios.keys().all(|name| other.scenarios.contains_key(name))
    }

    /// Whether its times can be compared with another run: same bench and broker, and the same chip for boards of one
    /// name. A partial run has only some of the boards.
    #[must_use]
    pub fn is_of_place(&self, other: &Self) -> bool {
        let same = |board: &BoardInfo| {
            let other = other.boards.iter().find(|other| other.name == board.name);
            other.is_none_or(|other| (&other.kind, &other.chip) == (&board.kind, &board.chip))
        };
        self.is_of_bench(other) && self.broker == other.broker && self.boards.iter().all(same)
    }

    /// Whether both ran on one bench. A bench without a name that is not in the project, such as
    /// `/etc/hil/bench.toml`, is another one on each computer.
    #[must_use]
    pub fn is_of_bench(&self, other: &Self) -> bool {
        let host = |record: &Self| record.provenance.host.clone();
        let may_be = host(self).zip(host(other)).is_none_or(|(ours, theirs)| ours == theirs);
        self.bench == other.bench && (may_be || !self.bench.starts_with('/'))
    }

    /// Boards, and how they run: only records that agree on it may be compared.
    #[must_use]
    pub fn board_key(&self) -> BTreeMap<&str, &'static str> {
        self.boards.iter().map(|board| (board.name.as_str(), board.way())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::RunSummary;

    #[test]
    fn a_bench_outside_of_the_project_is_another_one_on_each_computer_unless_it_has_a_name() {
        let on = |bench: &str, host: &str| {
            let mut record = RecordBuilder::default().finish("r", &RunSummary::default());
            record.bench = bench.to_owned();
            record.provenance.host = Some(host.to_owned()).filter(|host| !host.is_empty());
            record
        };
        let same = |bench: &str, a: &str, b: &str| on(bench, a).is_of_place(&on(bench, b));
        assert!(same("/etc/hil/bench.toml", "pi-3", "pi-3") && same("/etc/hil/bench.toml", "pi-3", ""));
        assert!(!same("/etc/hil/bench.toml", "pi-3", "pi-4"));
        assert!(same("rack-3", "pi-3", "pi-4") && same("bench.toml", "pi-3", "pi-4"));
        assert!(!on("rack-3", "pi").is_of_place(&on("rack-4", "pi")));
    }

    #[test]
    fn a_partial_run_matches_the_whole_but_not_vice_versa() {
        let record = |firmware: &[(&str, &str, &str)]| {
            let mut record = RecordBuilder::default().finish("r", &RunSummary::default());
            record.firmware = firmware
                .iter()
                .map(|(board, firmware, hash)| FirmwareInfo {
                    board: (*board).to_owned(),
                    firmware: (*firmware).to_owned(),
                    hash: (*hash).to_owned(),
                    size: 1,
                    version: None,
                    runs: None,
                })
                .collect();
            record
        };
        let whole = record(&[("lamp", "lamp", "A"), ("lamp", "lamp-tls", "B")]);
        let (part, other) =
            (record(&[("lamp", "lamp-tls", "B")]), record(&[("lamp", "lamp", "A2"), ("lamp", "lamp-tls", "B")]));
        assert!(whole.is_of_firmware(&whole) && part.is_of_firmware(&whole) && part.is_of_firmware(&other));
        assert!(!whole.is_of_firmware(&part) && !whole.is_of_firmware(&other) && !other.is_of_firmware(&whole));
        assert!(!record(&[]).is_of_firmware(&whole), "its firmware is unknown");
    }
}
