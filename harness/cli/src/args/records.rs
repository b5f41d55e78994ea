//! Arguments of the commands that read recorded runs: reports, comparisons, baselines, history.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{FailOn, FormatArgs};

/// Format of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// Human-readable
    Text,
    /// Markdown, for a web page
    Markdown,
    /// Machine-readable
    Json,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil compare last-good target/hil/latest
  hil compare last-good@main
  hil compare baselines/lamp-1.2.json target/hil/latest --fail-on regression
  hil compare /tmp/before /tmp/after --format markdown

Times are compared only if there is enough data, which includes runs of the same firmware in the
history. Virtual boards are never compared with real ones.")]
pub(crate) struct CompareArgs {
    /// Run folder, baseline file, `last-good` or `last-good@BRANCH` to compare with
    pub(crate) base: PathBuf,

    /// Run folder or baseline file to check for regressions
    #[arg(default_value = "target/hil/latest")]
    pub(crate) head: PathBuf,

    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: ReportFormat,

    /// Exit with 103 on a regression
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,

    /// History file [default: HIL_HISTORY, else target/hil/history.jsonl]
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
    /// Write good runs to a baseline file
    Save(SaveArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil baseline save --out baselines/lamp.json                save the last good run and earlier ones
  hil baseline save /tmp/a /tmp/b --out baselines/lamp.json  save these runs")]
pub(crate) struct SaveArgs {
    /// Run folders or baseline files [default: the last good run in the history and earlier good runs of its firmware]
    pub(crate) runs: Vec<PathBuf>,

    /// Baseline file to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Overwrite an existing file
    #[arg(long)]
    pub(crate) replace: bool,

    /// Also save runs that did not pass
    #[arg(long)]
    pub(crate) even_if_bad: bool,

    /// History file [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil history                   list recent runs, and scenarios that did not always pass
  hil history 'lamp on'         show verdicts and times of scenarios whose name contains `lamp on`
  hil history --branch main     list runs of a branch
  hil history --format json

Symbols: ✓ passed, ✗ failed, ! bench error, ~ flaky, - skipped, aborted or not run.")]
pub(crate) struct HistoryArgs {
    /// Part of a scenario's name or file
    pub(crate) scenario: Option<String>,

    /// Only runs of this branch
    #[arg(long, value_name = "BRANCH")]
    pub(crate) branch: Option<String>,

    /// Only runs of commits that begin with this
    #[arg(long, value_name = "COMMIT")]
    pub(crate) commit: Option<String>,

    /// Only runs on this bench: its name, or the path of its file
    #[arg(long, value_name = "NAME")]
    pub(crate) bench: Option<String>,

    /// Number of recent runs to read
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) last: u16,

    /// History file [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  hil report                                    write the reports of the newest run again
  hil report merge part-1 part-2 --out merged   join the parts of a sharded run"
)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    pub(crate) command: Option<ReportCommand>,

    /// Run folder
    #[arg(default_value = "target/hil/latest")]
    pub(crate) run: PathBuf,

    /// Show message statistics by board and topic instead
    #[arg(long)]
    pub(crate) traffic: bool,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum ReportCommand {
    /// Join several runs into one with all reports
    Merge(MergeArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  hil run --shard 1/2 --out part-1      # on one machine
  hil run --shard 2/2 --out part-2      # on another one
  hil report merge part-1 part-2 --out merged

The exit code is that of the whole. If a part is missing, it is 102 or worse.
Runs are placed on one clock by the wall clocks of their hosts. The whole is appended to the history; parts that are
in the same history no longer count.")]
pub(crate) struct MergeArgs {
    /// Run folders
    #[arg(required = true, value_name = "RUN")]
    pub(crate) runs: Vec<PathBuf>,

    /// Folder of the merged run; must not contain a run [default: a new folder in target/hil]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// History file [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}
