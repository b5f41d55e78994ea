//! What becomes of runs: reports, comparisons, baselines, history.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{FailOn, FormatArgs};

/// How to write a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Text,
    /// For a page
    Markdown,
    /// For programs
    Json,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil compare last-good target/hil/latest
  hil compare baselines/lamp-1.2.json target/hil/latest --fail-on regression
  hil compare /tmp/before /tmp/after --format markdown

Times are compared only where there is enough data; runs of the same firmware in the history count as well. Simulated
boards and silicon are never compared.")]
pub(crate) struct CompareArgs {
    /// Run folder, baseline file, or `last-good`
    pub(crate) base: PathBuf,

    /// Run folder or baseline file
    #[arg(default_value = "target/hil/latest")]
    pub(crate) head: PathBuf,

    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: ReportFormat,

    /// End with 103 when something got worse
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,

    /// History [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    pub(crate) command: BaselineCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BaselineCommand {
    /// Write good runs to a file that can be kept beside the features
    Save(SaveArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil baseline save --out baselines/lamp.json                      the last good run and those of its firmware before it
  hil baseline save /tmp/a /tmp/b --out baselines/lamp.json        these runs")]
pub(crate) struct SaveArgs {
    /// Run folders or baselines [default: the last good run of the history, and those of its firmware before it]
    pub(crate) runs: Vec<PathBuf>,

    /// File to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Write over the file if it is there
    #[arg(long)]
    pub(crate) replace: bool,

    /// Save runs that did not pass as well
    #[arg(long)]
    pub(crate) even_if_bad: bool,

    /// History [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil history                   the last runs, and what did not always pass
  hil history 'lamp on'         verdicts and times of the scenarios with `lamp on` in their name
  hil history --format json

Signs: ✓ passed, ✗ failed, ! bench error, ~ flaky, - skipped, aborted or not run.")]
pub(crate) struct HistoryArgs {
    /// Part of a scenario's name or file
    pub(crate) scenario: Option<String>,

    /// How many runs to look at
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) last: u16,

    /// History [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReportArgs {
    /// Run folder
    #[arg(default_value = "target/hil/latest")]
    pub(crate) run: PathBuf,

    /// Show statistics of the messages, by board and topic, instead
    #[arg(long)]
    pub(crate) traffic: bool,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}
