//! Arguments of the commands that act on boards and benches.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use hil_config::ImageOverride;

use super::{BenchArgs, FormatArgs, OnHostsArgs, ProjectArgs, WaitArgs};

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil flash lamp --firmware lamp
  hil flash lamp --firmware lamp=build/lamp.elf
  hil flash lamp --format json | jq .written")]
pub(crate) struct FlashArgs {
    /// Name of the board in the bench file
    pub(crate) board: String,

    /// Name of the firmware, and the image to use for it; the path is relative to this folder
    /// [default: the board's `firmware`]
    #[arg(long, value_name = "NAME[=PATH]", value_parser = named_firmware)]
    pub(crate) firmware: Option<String>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// The name of a firmware, with or without its image.
fn named_firmware(text: &str) -> Result<String, hil_config::ImageOverrideError> {
    if text.contains('=') {
        text.parse::<ImageOverride>()?;
    }
    Ok(text.to_owned())
}

#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  hil boards                                      list the boards and the state of their ports
  hil boards --hosts pi-a,pi-b                    list those of other hosts
  hil boards discover --probe                     list serial ports with chip and MAC address
  hil boards discover --probe --write bench.toml  write a first bench file"
)]
pub(crate) struct BoardsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<BoardsCommand>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) hosts: OnHostsArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BoardsCommand {
    /// List all attached serial ports
    Discover(DiscoverArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DiscoverArgs {
    /// Read the type and MAC address of each chip; this resets the chip
    #[arg(long)]
    pub(crate) probe: bool,

    /// Write a first bench file; the file must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil doctor --bench bench.toml
  hil doctor --hosts pi-a,pi-b    check the benches of other hosts
  hil doctor --power lamp         also switch the board on and off and check that its power follows

Exits with 0 if every check passes, with 96 if one fails.")]
pub(crate) struct DoctorArgs {
    /// Switch this board on and off, check its console, and ask whether its relay switches the right way;
    /// can be repeated
    #[arg(long, value_name = "BOARD")]
    pub(crate) power: Vec<String>,

    /// Use this image for a firmware; the path is relative to this folder; can be repeated [default: HIL_FIRMWARE]
    #[arg(long, value_name = "NAME=PATH")]
    pub(crate) firmware: Vec<ImageOverride>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) hosts: OnHostsArgs,
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil monitor lamp
  hil monitor lamp@pi-a                    on the host `pi-a`, by ssh
  hil monitor lamp --elf target/app.elf    decode the addresses of a panic
  hil monitor lamp --format json | jq -r .line

Keys: Ctrl-] exits. After Ctrl-T, r resets the board, l resets it into the ROM loader, p toggles
its power, e enters MicroPython's REPL, h lists the keys, and Ctrl-T or Ctrl-] sends that key.
All other keys, including Ctrl-C, go to the board. Without a terminal, standard input is sent
unchanged and Ctrl-C exits.")]
pub(crate) struct MonitorArgs {
    /// Name of the board in the bench file; `BOARD@HOST` is one of another host
    pub(crate) board: String,

    /// ELF file with the symbols of the firmware [default: the board's firmware image, if it is an ELF file]
    #[arg(long, value_name = "FILE")]
    pub(crate) elf: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil power lamp cycle            switch off, wait for the board's off-time, switch on until Ctrl-C
  hil power lamp on --detach      switch on until `hil power lamp off`

However this command ends, it returns the rails to their safe state, except with `--detach`.")]
pub(crate) struct PowerArgs {
    /// Name of the board in the bench file
    pub(crate) board: String,

    /// Action
    #[arg(value_enum)]
    pub(crate) state: PowerState,

    /// Leave the board on and exit
    #[arg(long)]
    pub(crate) detach: bool,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// How to switch a board's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PowerState {
    /// Switch on until Ctrl-C
    On,
    /// Switch off
    Off,
    /// Switch off, wait for the board's off-time, then switch on until Ctrl-C
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
#[command(after_help = "\
Examples:
  hil reset lamp              reset and keep the power on until Ctrl-C
  hil reset lamp --detach     reset and keep the power on until `hil power lamp off`
  hil monitor lamp            after that: show the console of the board that is held")]
pub(crate) struct ResetArgs {
    /// Name of the board in the bench file
    pub(crate) board: String,

    /// Reset into the ROM loader instead of the app
    #[arg(long)]
    pub(crate) loader: bool,

    /// Exit and leave the power on, held by a background process
    #[arg(long)]
    pub(crate) detach: bool,

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
  hil virtual --loader lamp           use esptool on a virtual board
  esptool --port /dev/pts/N --before no-reset --after no-reset flash-id

  hil virtual --as-real /tmp/lab      virtual boards that another `hil` handles as real ones
  hil run --bench /tmp/lab/bench.toml
  hil virtual --tell /tmp/lab/control.sock unplug lamp

Reads commands from standard input: reset BOARD, loader BOARD, power BOARD on|off, quit.")]
pub(crate) struct VirtualArgs {
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) project: ProjectArgs,

    /// Start this board in its ROM loader, for esptool; can be repeated
    #[arg(long, value_name = "BOARD")]
    pub(crate) loader: Vec<String>,

    /// Show each register of the chip that a firmware uses and a virtual board does not have
    #[arg(long, conflicts_with = "as_real")]
    pub(crate) trace_unknown: bool,

    /// Create a bench in this folder whose virtual boards another `hil` handles as real ones
    #[arg(long, value_name = "DIR", conflicts_with = "loader")]
    pub(crate) as_real: Option<PathBuf>,

    /// Send a command to a bench that `--as-real` created
    #[arg(long, value_name = "SOCKET", requires = "command", conflicts_with_all = ["loader", "as_real"])]
    pub(crate) tell: Option<PathBuf>,

    /// Command to send: power BOARD on|off, state BOARD, hold BOARD, run BOARD, loader BOARD, boot BOARD low|high,
    /// pin BOARD GPIO low|high, watch BOARD GPIO low|high, unplug BOARD, plug BOARD
    #[arg(value_name = "COMMAND", requires = "tell")]
    pub(crate) command: Vec<String>,
}
