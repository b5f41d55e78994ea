//! Arguments of runs on other hosts.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

use super::BenchArgs;

/// Which hosts to run on.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HostsArgs {
    /// Run on the boards of these hosts, each reached by `ssh HOST hil agent --stdio`; HIL_SSH names another command than
    /// `ssh`. `NAME=COMMAND` starts the agent of a host by a command; can be repeated
    #[arg(long, value_name = "HOST,…|NAME=COMMAND", conflicts_with_all = ["bench", "dry_run", "watch"])]
    pub(crate) hosts: Vec<String>,

    /// Run on boards of the lab that `[fleet]` in hil.toml describes
    #[arg(long, conflicts_with_all = ["hosts", "bench", "dry_run", "watch"])]
    pub(crate) fleet: bool,
}

/// Which hosts to ask.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OnHostsArgs {
    /// Do this on these hosts, by ssh, each with its own bench; can be repeated
    #[arg(long, value_name = "HOST,…", conflicts_with = "bench")]
    pub(crate) hosts: Vec<String>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil agent --stdio                                 what `hil run --hosts` starts on each host, over ssh
  hil agent --listen unix:/run/user/1000/hil.sock   serve heads that connect to a socket
  hil run --hosts 'lab=socat - UNIX-CONNECT:/run/user/1000/hil.sock'

An agent holds no board until a head asks for it. It ends in order when the head is gone:
its input ends, or says nothing for 10 s. The reports of what ran on this host stay in
~/.local/state/hil/runs, files of projects for the next run in ~/.cache/hil/agent.")]
#[command(group = ArgGroup::new("way").required(true).args(["stdio", "listen"]))]
pub(crate) struct AgentArgs {
    /// Serve the head that is connected to standard input and output
    #[arg(long)]
    pub(crate) stdio: bool,

    /// Serve heads that connect to this socket, which only this user may use
    #[arg(long, value_name = "unix:PATH", value_parser = socket)]
    pub(crate) listen: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
}

fn socket(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
        Some(path) => Ok(PathBuf::from(path)),
        None => Err("write it as `unix:PATH`; for TCP, forward the socket with ssh".to_owned()),
    }
}
