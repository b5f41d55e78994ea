//! What is done to boards and benches.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{BenchArgs, FormatArgs, WaitArgs};

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil flash lamp --firmware lamp
  hil flash lamp --format json | jq .written")]
pub(crate) struct FlashArgs {
    /// Board, as the bench file calls it
    pub(crate) board: String,

    /// Firmware, as the bench file calls it [default: the board's own]
    #[arg(long, value_name = "NAME")]
    pub(crate) firmware: Option<String>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil boards                                      the boards of the bench file, and how their ports stand
  hil boards discover --probe                     every serial port, with chip and MAC
  hil boards discover --probe --write bench.toml  a first bench file")]
pub(crate) struct BoardsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<BoardsCommand>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BoardsCommand {
    /// List every serial port that is attached
    Discover(DiscoverArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DiscoverArgs {
    /// Ask each chip for its type and MAC; this resets it
    #[arg(long)]
    pub(crate) probe: bool,

    /// Write a first bench file; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil doctor --bench bench.toml
  hil doctor --power lamp         switch the board on and off, and look whether it obeys

Ends with 0 when all is in order, with 96 when something is missing.")]
pub(crate) struct DoctorArgs {
    /// Switch this board on and off, listen to it, and ask whether its relay is right
    #[arg(long, value_name = "BOARD")]
    pub(crate) power: Vec<String>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil monitor lamp
  hil monitor lamp --elf target/app.elf    addresses of a panic become functions and lines
  hil monitor lamp --format json | jq -r .line

Keys: Ctrl-] ends it. Ctrl-T and then: r resets the board, l resets it into its loader, p switches its power, h shows the
keys, Ctrl-T or Ctrl-] sends that key. Everything else is sent to the board, Ctrl-C too. Without a terminal, its standard
input is sent line by line, and Ctrl-C ends it.")]
pub(crate) struct MonitorArgs {
    /// Board, as the bench file calls it
    pub(crate) board: String,

    /// ELF file of its firmware [default: that of the board's firmware, if it is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) elf: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil power lamp cycle            off, a pause of its off-time, on until Ctrl-C
  hil power lamp on --detach      on until `hil power lamp off`

Whatever ends this command, the rails are left in their safe state, unless it is detached.")]
pub(crate) struct PowerArgs {
    /// Board, as the bench file calls it
    pub(crate) board: String,

    /// What to do
    #[arg(value_enum)]
    pub(crate) state: PowerState,

    /// Leave it on, and end
    #[arg(long)]
    pub(crate) detach: bool,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// What to do with a board's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PowerState {
    /// Switch it on and hold it until Ctrl-C
    On,
    /// Switch it off
    Off,
    /// Off, a pause, on until Ctrl-C
    Cycle,
}

impl PowerState {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Cycle => "cycle",
        }
    }
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  hil reset lamp")]
pub(crate) struct ResetArgs {
    /// Board, as the bench file calls it
    pub(crate) board: String,

    /// Into its ROM loader rather than its app
    #[arg(long)]
    pub(crate) loader: bool,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  hil virtual --loader lamp
  esptool --port /dev/pts/N --before no-reset --after no-reset flash-id

  hil virtual --as-real /tmp/lab      boards that another hil takes for real ones
  hil run --bench /tmp/lab/bench.toml
  hil virtual --tell /tmp/lab/control.sock unplug lamp

While it is up, lines on its standard input are commands: reset BOARD, loader BOARD, power BOARD on|off, quit.")]
pub(crate) struct VirtualArgs {
    #[command(flatten)]
    pub(crate) bench: BenchArgs,

    /// Leave this board in its ROM loader, for esptool
    #[arg(long, value_name = "BOARD")]
    pub(crate) loader: Vec<String>,

    /// Make a bench in this folder whose boards another hil takes for real ones
    #[arg(long, value_name = "DIR", conflicts_with = "loader")]
    pub(crate) as_real: Option<PathBuf>,

    /// Send a command to such a bench
    #[arg(long, value_name = "SOCKET", requires = "command", conflicts_with_all = ["loader", "as_real"])]
    pub(crate) tell: Option<PathBuf>,

    /// The command: power BOARD on|off, state BOARD, hold BOARD, run BOARD, loader BOARD, boot BOARD low|high, unplug BOARD,
    /// plug BOARD
    #[arg(value_name = "COMMAND", requires = "tell")]
    pub(crate) command: Vec<String>,
}
