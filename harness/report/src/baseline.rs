//! A baseline: the records of some good runs in one file, small enough to keep in the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use hil_files::Links;
use hil_timeline::{BoardInfo, Provenance, Verdict};
use serde::{Deserialize, Serialize};

use crate::record::{Metric, RECORD_SCHEMA, Record};
use crate::result::FirmwareInfo;

/// Why a baseline or a history can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file can't be read or written.
    #[error("can't {verb} `{}`", path.display())]
    Io {
        /// `read` or `write`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system reports.
        source: std::io::Error,
    },
    /// The file is not a baseline or history.
    #[error("`{}` contains no runs of `hil`", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// It was written by a newer `hil`.
    #[error("`{}` has version {found}, this `hil` reads up to {RECORD_SCHEMA}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// The version found.
        found: u32,
    },
}

/// The fields of all runs, each name written once.
#[derive(Serialize, Deserialize)]
struct File {
    hil_baseline: u32,
    runs: Vec<Run>,
    /// The verdict of each run; none if it did not run.
    scenarios: BTreeMap<String, Vec<Option<Verdict>>>,
    /// Measurements of each run.
    metrics: BTreeMap<Metric, Vec<Vec<f64>>>,
    /// The count of each run; none if it was not recorded.
    traffic: BTreeMap<String, BTreeMap<String, Vec<Option<u32>>>>,
}

#[derive(Serialize, Deserialize)]
struct Run {
    run: String,
    unix_ms: u64,
    bench: String,
    #[serde(default, skip_serializing_if = "Provenance::is_empty")]
    provenance: Provenance,
    broker: String,
    boards: Vec<BoardInfo>,
    firmware: Vec<FirmwareInfo>,
    exit_code: Option<u8>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    regressed: bool,
    failures: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    quarantined: BTreeSet<String>,
}

/// So many measurements of a metric are kept per run.
const KEPT: usize = 40;

/// Writes records as a baseline, the newest last. One entry per line, so that a diff is readable.
///
/// # Errors
/// When the file can't be written.
pub fn write_baseline(path: &Path, records: &[Record]) -> Result<(), RecordError> {
    let text = to_lines(&merge(records)).map_err(|source| RecordError::Malformed { path: path.to_owned(), source })?;
    hil_files::write_whole(path, text).map_err(|source| RecordError::Io {
        verb: "write",
        path: path.to_owned(),
        source,
    })
}

/// Reads a baseline, the newest record last.
///
/// # Errors
/// When the file can't be read, is not a baseline, or is from a newer `hil`.
pub fn read_baseline(path: &Path) -> Result<Vec<Record>, RecordError> {
    let text = hil_files::read_text(path, Links::Follow);
    let text = text.map_err(|source| RecordError::Io { verb: "read", path: path.to_owned(), source })?;
    let malformed = |source| RecordError::Malformed { path: path.to_owned(), source };
    let value: serde_json::Value = serde_json::from_str(&text).map_err(malformed)?;
    let version = value.get("hil_baseline").and_then(serde_json::Value::as_u64);
    match version.map(|version| u32::try_from(version).unwrap_or(u32::MAX)) {
        Some(found) if found > RECORD_SCHEMA => Err(RecordError::Schema { path: path.to_owned(), found }),
        _ => serde_json::from_value(value).map(split).map_err(malformed),
    }
}

fn merge(records: &[Record]) -> File {
    let mut file = File {
        hil_baseline: RECORD_SCHEMA,
        runs: Vec::new(),
        scenarios: BTreeMap::new(),
        metrics: BTreeMap::new(),
        traffic: BTreeMap::new(),
    };
    let count = records.len();
    for (n, record) in records.iter().enumerate() {
        file.runs.push(Run {
            run: record.run.clone(),
            unix_ms: record.unix_ms,
            bench: record.bench.clone(),
            provenance: record.provenance.clone(),
            broker: record.broker.clone(),
            boards: record.boards.clone(),
            firmware: record.firmware.clone(),
            exit_code: record.exit_code,
            regressed: record.regressed,
            failures: record.failures.clone(),
            quarantined: record.quarantined.clone(),
        });
        for (name, verdict) in &record.scenarios {
            file.scenarios.entry(name.clone()).or_insert_with(|| vec![None; count])[n] = Some(*verdict);
        }
        for (metric, values) in &record.metrics {
            let kept = (0..values.len().min(KEPT)).map(|at| values[at * values.len() / values.len().min(KEPT)]);
            file.metrics.entry(metric.clone()).or_insert_with(|| vec![Vec::new(); count])[n] = kept.collect();
        }
        for (name, lines) in &record.traffic {
            let of = file.traffic.entry(name.clone()).or_default();
            for (line, times) in lines {
                of.entry(line.clone()).or_insert_with(|| vec![None; count])[n] = Some(*times);
            }
        }
    }
    file
}

fn split(file: File) -> Vec<Record> {
    let record = |(n, run): (usize, Run)| Record {
        schema: RECORD_SCHEMA,
        run: run.run,
        unix_ms: run.unix_ms,
        parts: Vec::new(),
        bench: run.bench,
        provenance: run.provenance,
        broker: run.broker,
        boards: run.boards,
        firmware: run.firmware,
        exit_code: run.exit_code,
        regressed: run.regressed,
        failures: run.failures,
        quarantined: run.quarantined,
        times: BTreeMap::new(),
        scenarios: pick(&file.scenarios, n, |verdict| *verdict),
        metrics: pick(&file.metrics, n, |values| (!values.is_empty()).then(|| values.clone())),
        traffic: file.traffic.iter().map(|(name, lines)| (name.clone(), pick(lines, n, |times| *times))).collect(),
    };
    file.runs.into_iter().enumerate().map(record).collect()
}

/// The values of the nth run.
fn pick<K: Clone + Ord, V, T>(of: &BTreeMap<K, Vec<V>>, n: usize, take: impl Fn(&V) -> Option<T>) -> BTreeMap<K, T> {
    of.iter().filter_map(|(key, values)| Some((key.clone(), take(values.get(n)?)?))).collect()
}

/// JSON with one line for each run, scenario, metric and topic.
fn to_lines(file: &File) -> serde_json::Result<String> {
    let mut text = format!("{{\n\"hil_baseline\": {},\n\"runs\": [\n", file.hil_baseline);
    let runs: Vec<_> = file.runs.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    text.push_str(&runs.join(",\n"));
    text.push_str("\n],\n");
    let parts = [
        ("scenarios", entries(&file.scenarios)?),
        ("metrics", entries(&file.metrics)?),
        ("traffic", entries(&file.traffic)?),
    ];
    let parts: Vec<_> = parts.iter().map(|(name, entries)| format!("\"{name}\": {{\n{entries}\n}}")).collect();
    text.push_str(&parts.join(",\n"));
    text.push_str("\n}\n");
    Ok(text)
}

fn entries<K: Serialize, V: Serialize>(of: &BTreeMap<K, V>) -> serde_json::Result<String> {
    let entry =
        |(key, value): (&K, &V)| Ok(format!("{}: {}", serde_json::to_string(key)?, serde_json::to_string(value)?));
    Ok(of.iter().map(entry).collect::<serde_json::Result<Vec<_>>>()?.join(",\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fold::tests::sample;
    use crate::record::RecordBuilder;
    use crate::result::RunSummary;

    fn record(name: &str) -> Record {
        let mut recording = RecordBuilder::default();
        sample().iter().for_each(|event| recording.take(event));
        recording.finish(name, &RunSummary::of(sample()))
    }

    #[test]
    fn a_baseline_survives_the_round_trip_through_its_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("baseline.json");
        let mut second = record("two");
        second.scenarios.pop_first();
        second.traffic.clear();
        let mut records = [record("one"), second];
        write_baseline(&path, &records).expect("written");
        // How long scenarios took is only for the history: `hil run --dry-run` shows it.
        records.iter_mut().for_each(|record| record.times.clear());
        let mut read = read_baseline(&path).expect("readable");
        // A scenario without traffic equals one without a record of it.
        read[1].traffic.retain(|_, lines| !lines.is_empty());
        assert_eq!(read, records);
        insta::assert_snapshot!(std::fs::read_to_string(&path).expect("text"));
    }

    #[test]
    fn a_file_that_is_not_a_baseline_is_rejected() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("b.json");
        let error = |text: &str| {
            std::fs::write(&path, text).expect("write");
            read_baseline(&path)
                .expect_err("no baseline")
                .to_string()
                .replace(&folder.path().display().to_string(), "F")
        };
        assert_eq!(error("{}"), "`F/b.json` contains no runs of `hil`");
        assert_eq!(error("[1"), "`F/b.json` contains no runs of `hil`");
        assert_eq!(error("{\"hil_baseline\": 9}"), "`F/b.json` has version 9, this `hil` reads up to 1");
        let missing = read_baseline(Path::new("nowhere.json")).expect_err("missing");
        assert_eq!(missing.to_string(), "can't read `nowhere.json`");
    }
}
