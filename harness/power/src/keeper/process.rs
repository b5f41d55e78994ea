//! The entry points of the keeper's and the standby's processes.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream as StdStream;

use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

use super::launch::{KEEPER, KEEPER_NOW, STANDBY, STANDBY_NOW, command};
use super::{process_tree, server, standby};

/// Runs the keeper or its standby if this program was started as one, and does not return then. To be called first in
/// `main`.
pub fn serve_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    let code = match arguments.next() {
        Some(argument) if argument == KEEPER => leave(KEEPER_NOW, process_tree::new_token().ok()),
        Some(argument) if argument == KEEPER_NOW => serve(),
        // It has no token: it must not kill itself.
        Some(argument) if argument == STANDBY => leave(STANDBY_NOW, None),
        Some(argument) if argument == STANDBY_NOW => stand_by(),
        _ => return,
    };
    std::process::exit(if code.is_ok() { 0 } else { 1 });
}

/// Leaves the session, and the process tree as well: it starts this program again and exits.
fn leave(next: &str, token: Option<String>) -> io::Result<()> {
    rustix::process::setsid()?;
    // Its files are private; lock files are made readable for all when they are created.
    rustix::process::umask(rustix::fs::Mode::from(0o077));
    close_on_exec();
    let socket = rustix::io::dup(rustix::stdio::stdin())?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    let mut next = command(next, socket);
    match token {
        Some(token) => next.env(process_tree::VARIABLE, token),
        None => next.env_remove(process_tree::VARIABLE),
    };
    next.spawn().map(drop)
}

/// The socket that is this process's standard input. The programs that it starts must not inherit it.
fn take_stdin() -> io::Result<StdStream> {
    let socket = rustix::io::dup(rustix::stdio::stdin())?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(StdStream::from(socket))
}

/// Descriptors that the caller left open, a lock or a pipe of a CI job, must not stay open in the keeper.
#[expect(unsafe_code, reason = "descriptors of unknown owners are only numbers")]
fn close_on_exec() {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    for number in open.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(|fd| *fd > 2) {
        // SAFETY: this process has one thread and has opened only the folder that is being read; a flag is set, and
        // nothing is closed here.
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC);
    }
}

fn serve() -> io::Result<()> {
    let stream = take_stdin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        stream.set_nonblocking(true)?;
        let mut terminate = signal(SignalKind::terminate())?;
        // A closed terminal and Ctrl-C concern `hil`, which then closes the socket.
        let (_hangup, _interrupt) = (signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?);
        server::serve(UnixStream::from_std(stream)?, process_tree::KeeperIdentity::own(), async move {
            terminate.recv().await;
        })
        .await;
        io::Result::Ok(())
    })?;
    // Does not wait for a thread that waits for a lock or a plug.
    runtime.shutdown_background();
    Ok(())
}

fn stand_by() -> io::Result<()> {
    let stream = take_stdin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        stream.set_nonblocking(true)?;
        // It exits with its keeper; a signal that is sent to both must not end it earlier.
        let _ignored = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
        standby::stand_by(UnixStream::from_std(stream)?).await;
        io::Result::Ok(())
    })?;
    runtime.shutdown_background();
    Ok(())
}
