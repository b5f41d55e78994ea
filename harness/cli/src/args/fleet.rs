//! Arguments of `hil fleet`.

use clap::{ArgGroup, Args, Subcommand};

use super::{BenchArgs, FormatArgs, ProjectArgs};

#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  hil fleet                            list the boards of the lab, and who has them
  hil fleet publish                    describe the boards of this host to the lab
  hil fleet release --stale            release what ended runs still have

The coordinator is the one of labgrid: `coordinator` in `[fleet]` of hil.toml, else LG_COORDINATOR."
)]
pub(crate) struct FleetArgs {
    #[command(subcommand)]
    pub(crate) command: Option<FleetCommand>,

    #[command(flatten)]
    pub(crate) coordinator: CoordinatorArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum FleetCommand {
    /// Describe the boards of this host to the lab
    Publish(PublishArgs),
    /// Release boards that runs have
    Release(ReleaseArgs),
}

/// Which coordinator to ask.
#[derive(Debug, Clone, Args)]
pub(crate) struct CoordinatorArgs {
    /// Coordinator of the lab [default: that of the project file, else LG_COORDINATOR]
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) coordinator: Option<String>,

    #[command(flatten)]
    pub(crate) project: ProjectArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil fleet publish --bench /etc/hil/bench.toml
  hil fleet publish --exporter-config > exporter.yaml
  labgrid-exporter --coordinator lab:20408 --name pi-a exporter.yaml

Each board becomes a place HOST-BOARD with the tags hil_host, hil_board, hil_chip, hil_kind, hil_version,
hil_doctor, and hil_tag_NAME for each tag of the board. Serial ports are left out: ser2net would hold them.")]
pub(crate) struct PublishArgs {
    /// What `ssh` calls this host [default: its host name]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) host: Option<String>,

    /// Name of this host's exporter [default: HOST]
    #[arg(long, value_name = "NAME", value_parser = name)]
    pub(crate) exporter: Option<String>,

    /// Print a configuration for `labgrid-exporter` instead
    #[arg(long)]
    pub(crate) exporter_config: bool,

    /// The user that `ssh` logs in as, for that configuration [default: USER, else pi]
    #[arg(long, value_name = "NAME", value_parser = name, requires = "exporter_config")]
    pub(crate) user: Option<String>,

    #[command(flatten)]
    pub(crate) coordinator: CoordinatorArgs,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil fleet release --stale
  hil fleet release --run 20261127T190000Z-4711

A run shows that it is alive by a reservation that it renews. A run that was killed is taken
for alive for up to 75 s more. Places of other users of labgrid are never released.")]
#[command(group = ArgGroup::new("which").required(true).args(["run", "stale"]))]
pub(crate) struct ReleaseArgs {
    /// The run, as `hil fleet` shows it, whether it is alive or not
    #[arg(long, value_name = "ID")]
    pub(crate) run: Option<String>,

    /// All runs that have ended without giving their boards back
    #[arg(long)]
    pub(crate) stale: bool,

    #[command(flatten)]
    pub(crate) coordinator: CoordinatorArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

fn name(text: &str) -> Result<String, String> {
    if is_name(text) {
        return Ok(text.to_owned());
    }
    Err("1 to 100 letters, digits, `-`, `_` and `.`".to_owned())
}

/// Whether it can be a name in patterns of labgrid and in YAML.
pub(crate) fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=100).contains(&text.len()) && text.chars().all(is_part)
}
