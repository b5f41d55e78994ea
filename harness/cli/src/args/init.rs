//! Arguments of `hil init`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil init                                  ask, and write into this folder
  hil init plant --kind process --yes       a device that is a Python program, in the new folder `plant`
  hil init --kind esp --probe --yes         all attached boards; reads which chips they have
  hil init --kind virtual --image app.elf   a virtual ESP32-C3 that executes this image

Writes bench.toml, a first feature, a CI workflow and .gitignore. `hil run` in the folder then uses its bench.toml.
At a terminal, `hil init` asks for what no flag says. If one of its files exists, it writes nothing and exits with 96;
an existing .gitignore is extended.")]
pub(crate) struct InitArgs {
    /// Folder of the project; created if it does not exist
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,

    /// Kind of the board [default: esp if a board is attached, else virtual]
    #[arg(long, value_enum, value_name = "KIND")]
    pub(crate) kind: Option<InitKind>,

    /// Name of the board and of its firmware [default: the name of the folder]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// Ask nothing: use the flags, and defaults for the rest
    #[arg(long, short)]
    pub(crate) yes: bool,

    /// Serial port of an ESP board, such as /dev/ttyUSB0; can be repeated [default: those of all attached boards]
    #[arg(long, value_name = "PATH")]
    pub(crate) port: Vec<PathBuf>,

    /// Chip of the ESP boards, such as esp32s3 [default: what `--probe` reads, else esp32c3]
    #[arg(long, value_name = "CHIP", value_parser = chip, conflicts_with = "probe")]
    pub(crate) chip: Option<hil_config::Chip>,

    /// Read the chip of each ESP board; this resets the chip
    #[arg(long)]
    pub(crate) probe: bool,

    /// Image of the firmware, from DIR; not for programs [default: for virtual boards and emulators, one that is part
    /// of `hil`]
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Option<String>,

    /// Emulator: qemu-esp32, qemu-esp32c3, esp32sim or labwired [default: qemu-esp32c3]
    #[arg(long, value_name = "PRESET")]
    pub(crate) preset: Option<String>,

    /// CI workflow to write [default: github]
    #[arg(long, value_enum, value_name = "CI")]
    pub(crate) ci: Option<Ci>,

    /// Also write Cargo.toml and tests/features.rs for steps in Rust; DIR is the checkout of `hil`, from the project
    /// [default: ../hil]
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = "../hil")]
    pub(crate) own_steps: Option<String>,

    /// Overwrite files that exist
    #[arg(long)]
    pub(crate) force: bool,
}

/// What kind of board a new project begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InitKind {
    /// Attached ESP boards, found by USB
    Esp,
    /// A simulated ESP32-C3 that executes its image
    Virtual,
    /// A program of this computer: a Python device
    Process,
    /// A chip that an emulator such as QEMU plays
    Emulator,
}

/// Where the features run after a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ci {
    /// .github/workflows/hil.yml
    Github,
    /// .gitlab-ci.yml
    Gitlab,
    /// No workflow
    None,
}

fn chip(text: &str) -> Result<hil_config::Chip, String> {
    hil_config::Chip::named(text).ok_or_else(|| format!("the chips are `{}`", hil_config::Chip::words().join("`, `")))
}
