//! The command line as plain data: what can be written on it, and what it says in `--help`.

mod bench;
mod records;
mod run;
mod traffic;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use bench::{
    BoardsArgs, BoardsCommand, DiscoverArgs, DoctorArgs, FlashArgs, MonitorArgs, PowerArgs, PowerState, ResetArgs,
    VirtualArgs,
};
pub(crate) use records::{BaselineArgs, BaselineCommand, CompareArgs, HistoryArgs, ReportArgs, ReportFormat, SaveArgs};

pub(crate) use run::{FailOn, Flaky, RunArgs};
pub(crate) use traffic::{CertsArgs, TapArgs};

/// Hardware-in-the-loop tests for ESP boards that speak MQTT.
#[derive(Debug, Parser)]
#[command(name = "hil", version, about, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: CliCommand,

    /// When to colour the output; `auto` heeds `NO_COLOR`
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: ColorChoice,
}

const EXAMPLES: &str = "\
Examples:
  hil run                                all features, on the bench of HIL_BENCH or on the virtual bench
  hil run features/lamp --name toggles   the scenarios of a folder whose name contains `toggles`
  hil tap --broker 192.168.7.1:1883      watch what a device and a broker say to each other
  hil virtual                            bring the virtual bench up and hold it until Ctrl-C
  hil steps                              every step with an example

Exit codes: 0 passed, 4 nothing ran, 96 set-up error, 100 failed, 102 bench error, 103 regression, 130 aborted.";

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What `hil` is asked to do.
#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Run features
    Run(RunArgs),
    /// Flash a board and boot it
    Flash(FlashArgs),
    /// Show the boards of the bench, and what is attached
    Boards(BoardsArgs),
    /// Look whether the bench is in order
    Doctor(DoctorArgs),
    /// Watch a board's console, and talk to it
    Monitor(MonitorArgs),
    /// Switch the power of a board
    Power(PowerArgs),
    /// Reset a board
    Reset(ResetArgs),
    /// Watch the MQTT packets between a device and a broker, and disturb them
    Tap(TapArgs),
    /// Make test certificates: a CA, a broker's and clients'
    Certs(CertsArgs),
    /// Bring the virtual bench up and hold it until Ctrl-C
    Virtual(VirtualArgs),
    /// Print every step with an example
    Steps(FormatArgs),
    /// Check features without running them
    Lint(LintArgs),
    /// Write the reports of a run folder anew
    Report(ReportArgs),
    /// Tell what got worse from one run, or baseline, to another
    Compare(CompareArgs),
    /// Keep good runs in a file to compare later ones with
    Baseline(BaselineArgs),
    /// Show the last runs, or how a scenario did in them
    History(HistoryArgs),
    /// Print a JSON schema of the bench file, for editors
    Schema,
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// Where the bench is described.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// Bench file; without it, `HIL_BENCH`, else the built-in virtual bench
    #[arg(long, value_name = "FILE")]
    pub(crate) bench: Option<PathBuf>,
}

/// What happens when somebody else uses a board.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// Wait for boards that somebody else uses; this is the default
    #[arg(long, conflicts_with = "no_wait")]
    pub(crate) wait: bool,

    /// End at once when somebody else uses a board
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Which scenarios.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectArgs {
    /// Feature files or folders [default: features]
    #[arg(value_name = "FEATURES")]
    pub(crate) features: Vec<PathBuf>,

    /// Tag expression, such as `@wifi and not @slow`
    #[arg(long, value_name = "EXPR")]
    pub(crate) tags: Option<String>,

    /// Regular expression on the scenario's name
    #[arg(long, value_name = "REGEX")]
    pub(crate) name: Option<String>,
}

/// Which features to check, and for which bench.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil lint
  hil lint features/lamp --bench bench.toml

Everything that can be known without running is checked: steps, topics and topic filters, tables, times.
Names of boards, firmware and pins, and what the broker can do, are checked where a bench is named.")]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,

    /// Bench file that the features are to run on; without it, `HIL_BENCH`, else no bench is looked at
    #[arg(long, value_name = "FILE")]
    pub(crate) bench: Option<PathBuf>,
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FormatArgs {
    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  hil completions bash > ~/.local/share/bash-completion/completions/hil")]
pub(crate) struct CompletionsArgs {
    /// Shell
    pub(crate) shell: clap_complete::Shell,
}

fn fault(text: &str) -> Result<hil_mqtt::Fault, String> {
    text.parse().map_err(|error| format!("{error}; {}", hil_mqtt::FaultError::HINT))
}

fn duration(text: &str) -> Result<Duration, String> {
    hil_config::parse_duration(text).map_err(|error| format!("{error}; {}", hil_config::DurationError::HINT))
}
