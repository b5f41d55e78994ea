//! Starts the keeper and its standby as processes that nothing takes along.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::process::{Command, Stdio};

/// The argument with which this program is a keeper.
pub(super) const KEEPER: &str = "--be-the-keeper";
/// The same, once it has left the session and the process tree it was started in.
pub(super) const KEEPER_NOW: &str = "--be-the-keeper-now";
/// The arguments with which it stands by a keeper.
pub(super) const STANDBY: &str = "--stand-by-the-keeper";
pub(super) const STANDBY_NOW: &str = "--stand-by-the-keeper-now";
/// This program, even if its file was replaced meanwhile, as a build does.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// By these, CI runners find what a job left behind and kill it (GitHub's runner, Jenkins).
const TRACKED_BY: [&str; 3] = ["RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "BUILD_ID"];

/// Starts a keeper and returns our end of its socket.
pub(super) fn start_keeper() -> io::Result<StdStream> {
    start(KEEPER)
}

/// Starts a process that takes over when this one, a keeper, ends without a word.
pub(super) fn start_standby() -> io::Result<StdStream> {
    start(STANDBY)
}

fn start(argument: &str) -> io::Result<StdStream> {
    let (ours, theirs) = StdStream::pair()?;
    let mut first = command(argument, OwnedFd::from(theirs)).spawn()?;
    // It ends as soon as it has started the second.
    match first.wait() {
        Ok(status) if !status.success() => Err(io::Error::other("it ended at once")),
        // Where SIGCHLD is ignored, as some supervisors leave it, the kernel has collected it already.
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::CHILD.raw_os_error()) => Err(error),
        _ => Ok(ours),
    }
}

pub(super) fn command(argument: &str, socket: OwnedFd) -> Command {
    let mut command = Command::new(THIS_PROGRAM);
    // Nothing of ours may stay open because of it, above all not the pipe that a CI job reads.
    command.arg(argument).stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::null());
    for name in TRACKED_BY {
        command.env_remove(name);
    }
    command
}
