//! Reports: computed from recorded events and nothing else.
//!
//! A killed run still yields them, and an old run can be rendered by a newer `hil`.

mod console_log;
mod fold;
mod folder;
mod junit;
mod text;
mod traffic;

pub use console_log::console_logs;
pub use fold::{Counts, Fold, RunInfo, RunSummary, ScenarioResult, StepResult};
pub use folder::{WriteError, write_reports};
pub use junit::junit;
pub use text::{failure_lines, inert, scenario_line, skip_lines, summary_line};
pub use traffic::{Spread, TopicTraffic, Traffic, traffic_table};
