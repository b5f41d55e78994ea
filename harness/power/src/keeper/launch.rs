//! Starts the keeper and its standby as processes that outlive the session and the process tree of `hil`.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::process::{Command, Stdio};

/// The argument that makes this program a keeper.
pub(super) const KEEPER: &str = "--be-the-keeper";
/// The same, once it has left the session and the process tree it was started in.
pub(super) const KEEPER_NOW: &str = "--be-the-keeper-now";
/// The arguments that make it the standby of a keeper.
pub(super) const STANDBY: &str = "--stand-by-the-keeper";
pub(super) const STANDBY_NOW: &str = "--stand-by-the-keeper-now";
/// This program, even if a build has replaced its file since it started.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// The variables by which CI runners find and kill processes that a job left running (GitHub's runner, Jenkins).
const TRACKED_BY: [&str; 3] = ["RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "BUILD_ID"];

/// Starts a keeper and returns our end of its socket.
pub(super) fn start_keeper() -> io::Result<StdStream> {
    start(KEEPER)
}

/// Starts a process that takes over if this one, a keeper, exits without a shutdown message.
pub(super) fn start_standby() -> io::Result<StdStream> {
    start(STANDBY)
}

fn start(argument: &str) -> io::Result<StdStream> {
    let (ours, theirs) = StdStream::pair()?;
    let mut first = command(argument, OwnedFd::from(theirs)).spawn()?;
    // It exits as soon as it has started the second.
    match first.wait() {
        Ok(status) if !status.success() => Err(io::Error::other("it exited at once")),
        // If SIGCHLD is ignored, as some supervisors leave it, the kernel has reaped it already.
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::CHILD.raw_os_error()) => Err(error),
        _ => Ok(ours),
    }
}

pub(super) fn command(argument: &str, socket: OwnedFd) -> Command {
    let mut command = Command::new(THIS_PROGRAM);
    // It must not keep our files open, above all the pipe that a CI job reads.
    command.arg(argument).stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::null());
    for name in TRACKED_BY {
        command.env_remove(name);
    }
    command
}
