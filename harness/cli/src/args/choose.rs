//! Arguments that choose which of the selected scenarios run, in which order and how often.

use std::path::PathBuf;

use clap::Args;

/// Which of the selected scenarios run, in which order and how often.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ChooseArgs {
    /// Only scenarios that name this board in a step, or a role that it can play, which it then plays; give it again for
    /// more boards
    #[arg(long, value_name = "BOARD")]
    pub(crate) board: Vec<String>,

    /// Only scenarios that failed, errored or were aborted in this run [default: the newest run in target/hil, or beside
    /// `--out`]
    #[arg(long, value_name = "RUN", num_args = 0..=1, require_equals = true)]
    pub(crate) last_failed: Option<Option<PathBuf>>,

    /// Begin no other scenario once one did not pass (after its retries)
    #[arg(long)]
    pub(crate) fail_fast: bool,

    /// Run all scenarios so often, one repetition after the other
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) repeat: Option<u32>,

    /// Stop after the repetition in which a scenario did not pass
    #[arg(long, requires = "repeat")]
    pub(crate) until_fail: bool,

    /// Run the scenarios in a random order; the same seed gives the same order [default: a new seed, which is printed]
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true)]
    pub(crate) shuffle: Option<Option<u32>>,

    /// Seed of the choice between boards that fit a role equally well [default: that of --shuffle, else 0: the first in
    /// the order of their names]
    #[arg(long, value_name = "SEED")]
    pub(crate) seed: Option<u32>,

    /// Run only one of several parts: `2/5` is the second of five. `hil report merge` joins their runs
    #[arg(long, value_name = "PART/PARTS", value_parser = part)]
    pub(crate) shard: Option<Part>,

    /// File of scenarios that may fail: they run and are reported, but do not fail the run [default: quarantine.toml, in
    /// the current folder or beside the features, if there is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) quarantine: Option<PathBuf>,
}

/// One of several parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    /// From 1.
    pub(crate) index: u32,
    pub(crate) of: u32,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

fn part(text: &str) -> Result<Part, String> {
    let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
    match numbers {
        Some((index, of)) if (1..=of).contains(&index) && of <= 1000 => Ok(Part { index, of }),
        _ => Err("write it as `2/5`: the second of five parts".to_owned()),
    }
}
