//! Arguments of `hil run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{BenchArgs, ChooseArgs, FormatArgs, SelectArgs, WaitArgs, duration};

/// How to count a scenario that passed on a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Flaky {
    /// As failed: the run exits with 100
    Fail,
    /// As passed
    Pass,
}

/// What makes a comparison exit with 103.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A scenario is newly failing or newly flaky, or a time increased
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
  hil run --last-failed                         what did not pass in the newest run
  hil run --repeat 20 --until-fail --name boot  find what fails now and then
  hil run --shard 2/5 --out part-2              the second of five parts
  hil run --watch features/lamp                 again after each change

Scenarios tagged @opt-in run only if you select them by path or by tag.
A scenario tagged @requires:NAME is skipped if no board has that name, kind or tag.
Reports go to target/hil/<time>-<id>/; target/hil/latest links to the latest run.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) choose: ChooseArgs,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,

    /// Run folder; must not contain a run [default: a new folder in target/hil]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Do not mask passwords and secrets in `traffic.pcapng`
    #[arg(long)]
    pub(crate) unmask: bool,

    /// Maximum size of `events.jsonl` and of `traffic.pcapng`, in MiB; beyond it, console lines and packets are not
    /// recorded and running scenarios are errored
    #[arg(long, value_name = "MIB", default_value_t = hil_timeline::RECORD_LIMIT >> 20, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    pub(crate) max_record: u64,

    /// List the selected scenarios without running them
    #[arg(long)]
    pub(crate) list: bool,

    /// Print what would run, on which boards, and how long it took last; touches no board
    #[arg(long, conflicts_with_all = ["list", "baseline"])]
    pub(crate) dry_run: bool,

    /// Run again whenever features, the bench file or firmware change, until Ctrl-C
    #[arg(long)]
    pub(crate) watch: bool,

    /// Time limit of a step, in addition to the durations it names
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) step_deadline: Duration,

    /// Time limit of a scenario
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = duration)]
    pub(crate) scenario_deadline: Duration,

    /// Time limit of the run; keep it below the time limit of the CI job
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,

    /// Number of retries of a failed scenario (a firmware fault); overrides the tag, except `@retry(0)`
    /// [default: the scenario's @retry(n), else 0]
    #[arg(long, value_name = "N")]
    pub(crate) retries: Option<u32>,

    /// Number of retries of an errored scenario (a bench fault), each after a power cycle; overrides the tag, except
    /// `@retry(0)` [default: the scenario's @retry(n), else 1]
    #[arg(long, value_name = "N")]
    pub(crate) bench_retries: Option<u32>,

    /// How to count a scenario that passed on a retry
    #[arg(long, value_enum, default_value = "pass", value_name = "WHAT")]
    pub(crate) flaky: Flaky,

    /// Report regressions since this run folder or baseline file, or since the `last-good` run in the history
    #[arg(long, value_name = "RUN|FILE|last-good")]
    pub(crate) baseline: Option<PathBuf>,

    /// Exit with 103 on a regression since the baseline
    #[arg(long, value_enum, value_name = "WHAT", requires = "baseline")]
    pub(crate) fail_on: Option<FailOn>,

    /// History file to append this run to [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    /// Exit with 102 if a scenario is skipped, for benches that must run everything
    #[arg(long)]
    pub(crate) strict: bool,

    /// Print only failures and the summary
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print each step; with -vv also each packet and console line
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}
