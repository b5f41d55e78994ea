//! Reports: computed from recorded events and nothing else.
//!
//! A killed run still has reports, and a newer `hil` can render an old run.

mod annotations;
mod baseline;
mod compare;
mod console_log;
mod cucumber;
mod fold;
mod folder;
mod gathering;
mod history;
mod junit;
mod markdown;
mod markdown_text;
mod merge;
mod names;
mod page;
mod panics;
mod record;
mod repetitions;
mod report_file;
mod result;
mod statistics;
mod tail;
mod text;
mod traffic;
mod trend;
mod whole;
mod words;

pub use annotations::annotations;
pub use baseline::{RecordError, read_baseline, write_baseline};
pub use compare::{
    CompareError, Comparison, ImageChange, Measured, Measurements, MetricChange, ScenarioChange, ScenarioChanges, Side,
    TimeChange, TrafficChange, TrafficKind, compare,
};
pub use cucumber::cucumber;
pub use fold::Fold;
pub use folder::{ReadRun, WriteError, read_record, read_run, read_summary};
pub use gathering::Gathering;
pub use history::{Branch, History, last_good, with_those_before};
pub use junit::junit;
pub use markdown::markdown;
pub use merge::{CapturePart, Merge, MergeError, Merged, join_captures};
pub use page::{PageExtras, page};
pub use record::{Metric, MetricKind, RECORD_SCHEMA, Record, RecordBuilder};
pub use report_file::ReportFile;
pub use result::{Attempt, Counts, FirmwareInfo, HostResult, RunInfo, RunSummary, ScenarioResult, StepResult};
pub use statistics::{probability_above, wilson};
pub use text::{
    failure_lines, host_lines, inert, latest_line, latest_lines, latest_verdict, quarantine_lines, repetition_lines,
    scenario_line, set_aside_lines, skip_lines, summary_line,
};
pub use traffic::{Spread, TopicTraffic, Traffic, traffic_table};
pub use trend::{Trend, TrendMetric, TrendRun, sign, sparkline};

/// All reports of a run folder, in the order in which they are written.
pub const REPORTS: &[ReportFile] = &[junit::REPORT, cucumber::REPORT, markdown::REPORT, page::REPORT];
