//! How features are run.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{BenchArgs, FormatArgs, SelectArgs, WaitArgs, duration};

/// What a scenario that passed on a retry counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flaky {
    /// The run fails: 100
    Fail,
    /// The run may pass
    Pass,
}

/// What makes a comparison end with 103.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A scenario is newly failing or newly flaky, or a time got longer
    Regression,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil run
  hil run features/lamp/power.feature --bench bench.toml
  hil run features/lamp/power.feature:13
  hil run --tags 'not @slow' --out /tmp/nightly
  hil run --list

Scenarios tagged @opt-in run only when they are asked for: by path or by tag.
A scenario tagged @requires:NAME is skipped where no board has that name, kind or tag.
Reports are written to target/hil/<time>-<id>/; target/hil/latest points at the newest.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,

    /// Run folder; it must not hold a run yet
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Leave passwords and secrets in `traffic.pcapng`
    #[arg(long)]
    pub(crate) unmask: bool,

    /// Largest `events.jsonl` and `traffic.pcapng`, each in MiB; beyond it, console lines and packets are left out of the record, and what runs is errored
    #[arg(long, value_name = "MIB", default_value_t = hil_timeline::RECORD_LIMIT >> 20, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) max_record: u64,

    /// List the scenarios that would run, and run nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// Longest time for a step beyond the durations it names
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) step_deadline: Duration,

    /// Longest time for a scenario
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = duration)]
    pub(crate) scenario_deadline: Duration,

    /// Longest time for the run; keep it shorter than the CI job's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,

    /// How often a scenario is tried again where the firmware is to blame [default: as its tag @retry(n) says, else 0]
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,

    /// How often a scenario is tried again, on a board that was without power, where the bench is to blame
    /// [default: as its tag @retry(n) says, else 1]
    #[arg(long, value_name = "N")]
    pub(crate) bench_retries: Option<u32>,

    /// What a scenario that passed on a retry counts as
    #[arg(long, value_enum, default_value = "pass", value_name = "WHAT")]
    pub(crate) flaky: Flaky,

    /// Tell what got worse since this run folder or baseline, or since the `last-good` run of the history
    #[arg(long, value_name = "RUN|FILE|last-good")]
    pub(crate) baseline: Option<PathBuf>,

    /// End with 103 when something got worse since the baseline
    #[arg(long, value_enum, value_name = "WHAT", requires = "baseline")]
    pub(crate) fail_on: Option<FailOn>,

    /// File that each run is appended to [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    /// End with 102 when a scenario is skipped: for a bench that should lack nothing
    #[arg(long)]
    pub(crate) strict: bool,

    /// Print failures and the summary only
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print each step, and with -vv each packet and console line
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}
