//! `hil agent --listen`: a process for each head that connects.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Stdio;

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
        let mut agents = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted.and_then(|(head, _)| start(head, bench)) {
                    Ok(mut agent) => drop(agents.spawn(async move { agent.wait().await })),
                    Err(error) => warn(format!("warning: a head could not be served: {error}")),
                },
                Some(_) = agents.join_next(), if !agents.is_empty() => {}
                _ = abort.wait_for(|abort| *abort) => break,
            }
        }
        let _ = fs::remove_file(path);
        // They are in this process group or were sent the signal with it; their heads say the rest.
        agents.detach_all();
        Ok(ExitCode::Passed)
    });
    served.unwrap_or_else(|code| code)
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
