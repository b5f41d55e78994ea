//! The keeper as a process: how it is started so that nothing takes it along.

use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::os::unix::net::UnixStream as StdStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

use super::lock::holder_of;
use super::server;

/// The argument with which this program is a keeper.
pub const ARGUMENT: &str = "--be-the-keeper";
/// The same, once it has left the session and the process tree it was started in.
const SECOND: &str = "--be-the-keeper-now";
/// This program, even if its file was replaced meanwhile, as a build does.
const THIS_PROGRAM: &str = "/proc/self/exe";
/// By these, CI runners find what a job left behind and kill it (GitHub's runner, Jenkins).
const TRACKED_BY: [&str; 3] = ["RUNNER_TRACKING_ID", "JENKINS_NODE_COOKIE", "BUILD_ID"];

/// Starts a keeper and gives back our end of its socket.
pub(super) fn start() -> io::Result<StdStream> {
    let (ours, theirs) = StdStream::pair()?;
    let mut first = command(ARGUMENT, OwnedFd::from(theirs)).spawn()?;
    // It ends as soon as it has started the second.
    if first.wait()?.success() { Ok(ours) } else { Err(io::Error::other("it ended at once")) }
}

fn command(argument: &str, socket: OwnedFd) -> Command {
    let mut command = Command::new(THIS_PROGRAM);
    // Nothing of ours may stay open because of it, above all not the pipe that a CI job reads.
    command.arg(argument).stdin(Stdio::from(socket)).stdout(Stdio::null()).stderr(Stdio::null());
    for name in TRACKED_BY {
        command.env_remove(name);
    }
    command
}

/// Is the keeper if this program was started as one, and does not return then. To be called first in `main`.
pub fn serve_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    let code = match arguments.next() {
        Some(argument) if argument == ARGUMENT => leave(),
        Some(argument) if argument == SECOND => serve(),
        _ => return,
    };
    std::process::exit(if code.is_ok() { 0 } else { 1 });
}

/// Leaves the session, and by starting anew and ending also the process tree.
fn leave() -> io::Result<()> {
    rustix::process::setsid()?;
    let socket = rustix::io::dup(rustix::stdio::stdin())?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    command(SECOND, socket).spawn().map(drop)
}

fn serve() -> io::Result<()> {
    let socket = rustix::io::dup(rustix::stdio::stdin())?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    // Standard input was the other copy of the socket: the programs it starts must not inherit it.
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let stream = StdStream::from(socket);
        stream.set_nonblocking(true)?;
        let mut terminate = signal(SignalKind::terminate())?;
        // A terminal that closes and a Ctrl-C are for `hil`, which then closes the socket.
        let (_hangup, _interrupt) = (signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?);
        server::serve(UnixStream::from_std(stream)?, async move {
            terminate.recv().await;
        })
        .await;
        io::Result::Ok(())
    })?;
    // A thread that waits for a lock or a plug is not waited for.
    runtime.shutdown_background();
    Ok(())
}

/// Where a detached keeper listens: a folder that only this user can enter.
pub(super) fn socket_path() -> io::Result<PathBuf> {
    let uid = rustix::process::getuid().as_raw();
    let folder = match std::env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) => PathBuf::from(folder).join("hil"),
        None => PathBuf::from(format!("/tmp/hil-{uid}")),
    };
    match DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = std::fs::symlink_metadata(&folder)?;
    if !found.is_dir() || found.uid() != uid || found.mode() & 0o077 != 0 {
        return Err(io::Error::other(format!("`{}` is not a folder of this user alone", folder.display())));
    }
    Ok(folder.join(format!("keeper-{}.sock", std::process::id())))
}

/// Ends the detached keeper that holds one of these keys. Gives back false where there is none. Returns when its rails
/// are safe.
///
/// # Errors
/// When it can't be reached.
pub async fn end_detached(keys: &[String]) -> io::Result<bool> {
    let Some(socket) = holder_of(keys).and_then(|holder| holder.socket) else { return Ok(false) };
    // Connecting is the request; it holds the connection until it is done.
    let stream = UnixStream::connect(&socket).await?;
    let mut byte = [0];
    stream.readable().await?;
    let _ = stream.try_read(&mut byte);
    Ok(true)
}
