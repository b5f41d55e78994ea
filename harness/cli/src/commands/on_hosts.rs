//! Commands that run on other hosts, by ssh: `hil boards --hosts`, `hil doctor --hosts`, `hil monitor lamp@pi-a`.

use std::io::{self, IsTerminal as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use futures::future::join_all;
use hil_agent::HostSpec;
use hil_report::inert;
use serde_json::{Map, Value};

use crate::args::Format;
use crate::exit_code::ExitCode;
use crate::output::{Message, say, say_json, set_up_failed, warn};
use crate::{host_names, session};

/// How long a command may take on a host.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a command of `hil` on each host and shows what it prints; the highest exit code counts.
pub(crate) fn on_each(lists: &[String], words: &[&str], format: Format) -> ExitCode {
    let hosts = match host_names::named(lists) {
        Ok(hosts) => hosts,
        Err(code) => return code,
    };
    let mut commands = Vec::new();
    for host in &hosts {
        match command(host, words, false) {
            Ok(command) => commands.push(command),
            Err(code) => return code,
        }
    }
    // All at once; shown in their order.
    let outputs = session::on_runtime(async { Ok(join_all(commands.into_iter().map(output)).await) });
    let outputs = match outputs {
        Ok(outputs) => outputs,
        Err(code) => return code,
    };
    let (mut worst, mut all) = (ExitCode::Passed, Map::new());
    for (host, output) in hosts.iter().zip(outputs) {
        if let Ok(output) = &output {
            let said = String::from_utf8_lossy(&output.stderr);
            said.lines().for_each(|line| warn(format!("{}: {}", host.name, inert(line))));
        }
        let shown = match format {
            Format::Text => text(host, output),
            Format::Json => json(host, output, &mut all),
        };
        if shown.code() > worst.code() {
            worst = shown;
        }
    }
    if format == Format::Json {
        say_json(&all);
    }
    worst
}

/// What a command prints, until it has ended.
async fn output(command: Command) -> io::Result<Output> {
    let mut command = tokio::process::Command::from(command);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let limit = || io::Error::other(format!("nothing came back within {} s", PATIENCE.as_secs()));
    tokio::time::timeout(PATIENCE, command.output()).await.map_err(|_| limit())?
}

fn text(host: &HostSpec, output: io::Result<Output>) -> ExitCode {
    say(format!("host {}", host.name));
    match output {
        Ok(output) => {
            String::from_utf8_lossy(&output.stdout).lines().for_each(|line| say(format!("  {}", inert(line))));
            ended(host, &output)
        }
        Err(error) => not_started(host, &error),
    }
}

fn json(host: &HostSpec, output: io::Result<Output>, all: &mut Map<String, Value>) -> ExitCode {
    match output {
        Ok(output) => {
            if let Ok(value) = serde_json::from_slice(&output.stdout) {
                all.insert(host.name.to_string(), value);
            }
            ended(host, &output)
        }
        Err(error) => not_started(host, &error),
    }
}

/// The exit code of a command on a host: its own, unless the host was not reached.
fn ended(host: &HostSpec, output: &Output) -> ExitCode {
    let code = output.status.code().and_then(|code| u8::try_from(code).ok());
    match code.and_then(ExitCode::from_code) {
        Some(code) => code,
        None => {
            let how = code.map_or_else(|| "a signal".to_owned(), |code| format!("exit code {code}"));
            let message =
                Message(format!("host `{}` can't be reached, or has no `hil`: ssh ended with {how}", host.name));
            set_up_failed(&message, Some(format!("look whether {} works", host.look())))
        }
    }
}

fn not_started(host: &HostSpec, error: &io::Error) -> ExitCode {
    let message = Message(format!("host `{}` did not answer: {error}", host.name));
    set_up_failed(&message, None)
}

/// `hil monitor` on the host of a board that is named `BOARD@HOST`: takes the place of this process. Returns only if it
/// can't.
pub(crate) fn instead(host: &str, words: &[&str]) -> ExitCode {
    let hosts = match host_names::named(&[host.to_owned()]) {
        Ok(hosts) => hosts,
        Err(code) => return code,
    };
    let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    match hosts.first().map(|host| (host, command(host, words, is_terminal))) {
        Some((host, Ok(mut command))) => not_started(host, &command.exec()),
        Some((_, Err(code))) => code,
        None => ExitCode::Setup,
    }
}

/// A command of `hil` on a host.
fn command(host: &HostSpec, words: &[&str], is_terminal: bool) -> Result<Command, ExitCode> {
    let ssh = std::env::var(hil_config::HIL_SSH).ok().filter(|ssh| !ssh.trim().is_empty());
    let Some((script, arguments)) = host.remote(ssh.as_deref(), words, is_terminal) else {
        let message = Message(format!("host `{}` has a command for its agent, which runs nothing else", host.name));
        return Err(set_up_failed(&message, Some("name a host that ssh reaches".to_owned())));
    };
    let mut command = Command::new("sh");
    command.args(["-c", &script, "hil"]).args(arguments);
    Ok(command)
}

/// Refuses arguments that name files here, for a command that runs elsewhere.
pub(crate) fn refuse_files(flags: &[(&str, bool)]) -> Result<(), ExitCode> {
    let Some((flag, _)) = flags.iter().find(|(_, is_given)| *is_given) else { return Ok(()) };
    warn(format!("error: `{flag}` names a file of this machine, and the command runs on another host"));
    warn("hint: leave it out: the host has a bench file of its own");
    Err(ExitCode::Setup)
}
