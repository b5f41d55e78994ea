//! Arguments of `hil run`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use hil_config::ImageOverride;

use super::{BenchArgs, ChooseArgs, FormatArgs, HostsArgs, ProjectArgs, SelectArgs, WaitArgs, duration};

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

/// Where a run comes from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ProvenanceArgs {
    /// Commit under test, for reports and history [default: HIL_COMMIT, else the CI job's, else that of this folder]
    #[arg(long, value_name = "COMMIT", value_parser = one_line)]
    pub(crate) commit: Option<String>,

    /// Its branch; `last-good` looks there first [default: HIL_BRANCH, else the CI job's, else that of this folder]
    #[arg(long, value_name = "BRANCH", value_parser = one_line)]
    pub(crate) branch: Option<String>,

    /// Page of the CI job, for reports and history [default: HIL_JOB_URL, else the CI job's]
    #[arg(long, value_name = "URL", value_parser = address)]
    pub(crate) job_url: Option<String>,
}

fn one_line(text: &str) -> Result<String, String> {
    let is_one = !text.trim().is_empty() && text.len() <= 200 && !text.chars().any(hil_timeline::steers);
    if is_one { Ok(text.to_owned()) } else { Err("1 to 200 characters without control characters".to_owned()) }
}

fn address(text: &str) -> Result<String, String> {
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    let is_one = is_web && text.len() <= 1000 && !text.chars().any(|c| c.is_whitespace() || hil_timeline::steers(c));
    if is_one { Ok(text.to_owned()) } else { Err("an address that begins with https:// or http://".to_owned()) }
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil run
  hil run features/lamp/power.feature --bench bench.toml
  hil run features/lamp/power.feature:13
  hil run --tags 'not @slow' --out /tmp/nightly
  hil run --baseline last-good@main --commit 1a2b3c4 --branch quieter-lamp
  hil run --firmware app=build/app.elf
  hil run --list
  hil run --last-failed                         what did not pass in the newest run
  hil run --repeat 20 --until-fail --name boot  find what fails now and then
  hil run --shard 2/5 --out part-2              the second of five parts
  hil run --watch features/lamp                 again after each change
  hil run --hosts pi-a,pi-b                     on the boards of two hosts

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
    pub(crate) hosts: HostsArgs,
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,

    /// Use this image for a firmware; the path is relative to this folder; can be repeated [default: HIL_FIRMWARE]
    #[arg(long, value_name = "NAME=PATH")]
    pub(crate) firmware: Vec<ImageOverride>,

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

    /// Report regressions since this run folder or baseline file, or since the `last-good` run in the history: of the
    /// same branch, else of the branch that it goes to; `last-good@BRANCH` names one
    #[arg(long, value_name = "RUN|FILE|last-good[@BRANCH]")]
    pub(crate) baseline: Option<PathBuf>,

    /// Exit with 103 on a regression since the baseline
    #[arg(long, value_enum, value_name = "WHAT", requires = "baseline")]
    pub(crate) fail_on: Option<FailOn>,

    /// History file to append this run to [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) provenance: ProvenanceArgs,

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
