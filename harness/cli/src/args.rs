//! The command line as plain data: arguments and their `--help` texts.

mod bench;
mod choose;
mod init;
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
pub(crate) use choose::ChooseArgs;
pub(crate) use init::{Ci, InitArgs, InitKind};
pub(crate) use records::{
    BaselineArgs, BaselineCommand, CompareArgs, HistoryArgs, MergeArgs, ReportArgs, ReportCommand, ReportFormat,
    SaveArgs,
};

pub(crate) use run::{FailOn, Flaky, ProvenanceArgs, RunArgs};
pub(crate) use traffic::{CertsArgs, TapArgs};

/// Hardware-in-the-loop tests for ESP boards that speak MQTT.
#[derive(Debug, Parser)]
#[command(name = "hil", version, about, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    pub(crate) command: CliCommand,

    /// When to colour the output; `auto` respects `NO_COLOR`
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: ColorChoice,
}

const EXAMPLES: &str = "\
Examples:
  hil init plant                         start a project in the folder `plant`
  hil run                                run all features, on ./bench.toml or the built-in bench
  hil run features/lamp --name toggles   run the scenarios whose name contains `toggles`
  hil tap --broker 192.168.7.1:1883      show the traffic between a device and a broker
  hil virtual                            start the virtual bench and keep it running until Ctrl-C
  hil steps                              list every step with an example
  hil steps retained                     list the steps that have this word

Exit codes: 0 passed, 4 nothing ran, 96 set-up error, 100 failed, 102 bench error, 103 regression, 130 aborted.";

/// When to colour the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// If the output is a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The subcommands of `hil`.
#[derive(Debug, Subcommand)]
pub(crate) enum CliCommand {
    /// Start a project: write a bench file, a first feature and a CI workflow
    Init(InitArgs),
    /// Run features
    Run(Box<RunArgs>),
    /// Flash a board and boot it
    Flash(FlashArgs),
    /// List the boards of the bench and the attached serial ports
    Boards(BoardsArgs),
    /// Check the bench setup
    Doctor(DoctorArgs),
    /// Show a board's console and send input to it
    Monitor(MonitorArgs),
    /// Switch a board's power
    Power(PowerArgs),
    /// Reset a board
    Reset(ResetArgs),
    /// Show the MQTT packets between a device and a broker, and inject faults
    Tap(TapArgs),
    /// Create test certificates for a CA, a broker and clients
    Certs(CertsArgs),
    /// Start the virtual bench and keep it running until Ctrl-C
    Virtual(VirtualArgs),
    /// List every step with an example
    Steps(StepsArgs),
    /// Check features without running them
    Lint(LintArgs),
    /// Regenerate the reports of a run
    Report(ReportArgs),
    /// Compare two runs and report regressions
    Compare(CompareArgs),
    /// Save good runs as a baseline for later comparisons
    Baseline(BaselineArgs),
    /// Show recent runs, or the history of a scenario
    History(HistoryArgs),
    /// Print the JSON schema of the bench file, for editors
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Write the man pages to a folder
    #[command(hide = true)]
    Man(ManArgs),
}

/// Which bench file to use.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// Bench file, or `builtin` for the built-in virtual bench [default: HIL_BENCH, else ./bench.toml, else
    /// /etc/hil/bench.toml, else builtin]
    #[arg(long, value_name = "FILE")]
    pub(crate) bench: Option<PathBuf>,
}

/// Which project file to use.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ProjectArgs {
    /// Project file, with the firmware of a project [default: HIL_PROJECT, else `hil.toml` in this folder if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) project: Option<PathBuf>,
}

/// What to do if a board is in use.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// Wait for boards that are in use; this is the default
    #[arg(long, conflicts_with = "no_wait")]
    pub(crate) wait: bool,

    /// Exit immediately if a board is in use
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Which scenarios to select.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectArgs {
    /// Feature files or folders [default: features]
    #[arg(value_name = "FEATURES")]
    pub(crate) features: Vec<PathBuf>,

    /// Only scenarios that match this tag expression, such as `@wifi and not @slow`
    #[arg(long, value_name = "EXPR")]
    pub(crate) tags: Option<String>,

    /// Only scenarios whose name matches this regular expression
    #[arg(long, value_name = "REGEX")]
    pub(crate) name: Option<String>,
}

/// Which features to check, and for which bench.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil lint
  hil lint features/lamp --bench bench.toml

Checks everything that does not depend on a run: steps, topics, topic filters, tables and times.
With a bench, also checks the names of boards, firmware and pins, and what the broker supports.
The project file, hil.toml, is checked in any case.")]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,

    /// Bench file to check the features against, or `builtin` [default: HIL_BENCH, else ./bench.toml, else none]
    #[arg(long, value_name = "FILE")]
    pub(crate) bench: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) project: ProjectArgs,
}

/// Of which file to print the schema.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil schema > bench.schema.json
  hil schema --project > hil.schema.json")]
pub(crate) struct SchemaArgs {
    /// Print the schema of the project file, `hil.toml`
    #[arg(long)]
    pub(crate) project: bool,
}

/// Which steps to list.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil steps
  hil steps retained                  steps whose text, subject or description has this word
  hil steps publishes json --format json
  hil steps --features tests/hil      with the composite steps of this folder

Steps are grouped by subject, each with the table or text that it takes. Own steps of a program and composite
steps of the features come last. In JSON each step has a regular expression for editors.")]
pub(crate) struct StepsArgs {
    /// Only steps that have all of these words
    #[arg(value_name = "WORD")]
    pub(crate) words: Vec<String>,

    /// Folder of features, or a feature, whose composite steps are listed; can be repeated
    #[arg(long, value_name = "PATH", default_value = "features")]
    pub(crate) features: Vec<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// Output format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Human-readable
    Text,
    /// Machine-readable
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

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  hil man ~/.local/share/man/man1")]
pub(crate) struct ManArgs {
    /// Folder; it is created if it does not exist
    pub(crate) folder: PathBuf,
}

fn fault(text: &str) -> Result<hil_mqtt::Fault, String> {
    text.parse().map_err(|error| format!("{error}; {}", hil_mqtt::FaultError::HINT))
}

fn duration(text: &str) -> Result<Duration, String> {
    hil_config::parse_duration(text).map_err(|error| format!("{error}; {}", hil_config::DurationError::HINT))
}
