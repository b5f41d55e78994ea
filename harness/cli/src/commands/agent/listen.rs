//! `hil agent --listen`: a process for each head that connects.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::{UnixListener, UnixStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::exit_code::ExitCode;
use crate::output::{Message, say, set_up_failed, warn};
use crate::{session, signals};

/// Serves heads until a signal comes; the agents that run then end in order.
pub(super) fn listen(path: &Path, bench: Option<&Path>) -> ExitCode {
    let mut abort = match signals::abort_on_signals(None) {
        Ok(abort) => abort,
        Err(error) => return set_up_failed(&error, None),
    };
    let served = session::on_runtime(async {
        let listener = match bind(path) {
            Ok(listener) => listener,
            Err(error) => {
                let message = Message(format!("can't listen on `{}`: {error}", path.display()));
                let hint = "name a socket in a folder of this user; another agent may use this one".to_owned();
                return Err(set_up_failed(&message, Some(hint)));
            }
        };
        say(format!("listening on unix:{}", path.display()));
        let mut agents = Agents::default();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted.and_then(|(head, _)| start(head, bench)) {
                    Ok(agent) => agents.add(agent),
                    Err(error) => warn(format!("warning: a head could not be served: {error}")),
                },
                () = agents.next_end(), if !agents.all.is_empty() => {}
                _ = abort.wait_for(|abort| *abort) => break,
            }
        }
        let _ = fs::remove_file(path);
        agents.end().await;
        Ok(ExitCode::Passed)
    });
    served.unwrap_or_else(|code| code)
}

/// The agents that run.
#[derive(Default)]
struct Agents {
    all: JoinSet<Option<Pid>>,
    running: HashSet<Pid>,
}

impl Agents {
    fn add(&mut self, mut agent: Child) {
        let pid = agent.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        self.running.extend(pid);
        self.all.spawn(async move {
            let _ = agent.wait().await;
            pid
        });
    }

    /// Waits until one has ended.
    async fn next_end(&mut self) {
        if let Some(Ok(Some(pid))) = self.all.join_next().await {
            self.running.remove(&pid);
        }
    }

    /// Ends all of them in order. They outlast this process otherwise, or end with it at once: in a container, it is the one
    /// whose end is the end of all others.
    async fn end(mut self) {
        /// For running scenarios, and for rails that must stay off for a while.
        const PATIENCE: Duration = Duration::from_secs(30);
        for agent in &self.running {
            // It may have ended by itself.
            let _ = kill_process(*agent, Signal::TERM);
        }
        let ended = async {
            while !self.all.is_empty() {
                self.next_end().await;
            }
        };
        if tokio::time::timeout(PATIENCE, ended).await.is_err() {
            warn(format!(
                "warning: an agent has not ended within {} s; its keeper makes its boards safe",
                PATIENCE.as_secs()
            ));
        }
    }
}

/// Binds a socket that only this user may connect to. One that nothing listens on is replaced.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    if is_socket && std::os::unix::net::UnixStream::connect(path).is_err() {
        fs::remove_file(path)?;
    }
    // Until it has its permissions it is in a folder that only this user may enter.
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let private = private_folder(parent)?;
    let fresh = private.path().join("socket");
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600))?;
    // Unlike a renaming, a link does not replace what is there.
    fs::hard_link(&fresh, path)?;
    Ok(listener)
}

/// A folder beside the socket, removed when it is dropped.
fn private_folder(parent: &Path) -> io::Result<Private> {
    use std::os::unix::fs::DirBuilderExt as _;
    let path = parent.join(format!(".hil-agent-{}", std::process::id()));
    fs::DirBuilder::new().mode(0o700).create(&path)?;
    Ok(Private(path))
}

struct Private(std::path::PathBuf);

impl Private {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts an agent for a head: the socket is its standard input and output.
fn start(head: UnixStream, bench: Option<&Path>) -> io::Result<Child> {
    let head = head.into_std()?;
    head.set_nonblocking(false)?;
    let (input, output) = (OwnedFd::from(head.try_clone()?), OwnedFd::from(head));
    let mut command = Command::new("/proc/self/exe");
    command.args(["agent", "--stdio"]).stdin(Stdio::from(input)).stdout(Stdio::from(output));
    if let Some(bench) = bench {
        command.arg("--bench").arg(bench);
    }
    command.spawn()
}
