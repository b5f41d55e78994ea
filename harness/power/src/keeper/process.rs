//! The keeper and its standby, as the process that they are.

use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream as StdStream;

use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};

use super::launch::{KEEPER, KEEPER_NOW, STANDBY, STANDBY_NOW, command};
use super::{offspring, server, standby};

/// Is the keeper or its standby if this program was started as one, and does not return then. To be called first in `main`.
pub fn serve_if_asked() {
    let mut arguments = std::env::args_os().skip(1);
    let code = match arguments.next() {
        Some(argument) if argument == KEEPER => leave(KEEPER_NOW, offspring::new_token().ok()),
        Some(argument) if argument == KEEPER_NOW => serve(),
        // It is none of what it ends.
        Some(argument) if argument == STANDBY => leave(STANDBY_NOW, None),
        Some(argument) if argument == STANDBY_NOW => stand_by(),
        _ => return,
    };
    std::process::exit(if code.is_ok() { 0 } else { 1 });
}

/// Leaves the session, and by starting once more and ending also the process tree.
fn leave(next: &str, token: Option<String>) -> io::Result<()> {
    rustix::process::setsid()?;
    // What it makes is its user's; lock files are opened to all when they are made.
    rustix::process::umask(rustix::fs::Mode::from(0o077));
    close_on_exec();
    let socket = rustix::io::dup(rustix::stdio::stdin())?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    let mut next = command(next, socket);
    match token {
        Some(token) => next.env(offspring::VARIABLE, token),
        None => next.env_remove(offspring::VARIABLE),
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

/// What the caller left open, a lock or a pipe of a CI job, must not stay open because of the keeper.
#[expect(unsafe_code, reason = "descriptors of unknown owners are only numbers")]
fn close_on_exec() {
    let open = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    for number in open.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(|fd| *fd > 2) {
        // SAFETY: this process has one thread and has opened nothing but the folder that is being read; a flag is set
        // and nothing is closed here.
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
        // A terminal that closes and a Ctrl-C are for `hil`, which then closes the socket.
        let (_hangup, _interrupt) = (signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?);
        server::serve(UnixStream::from_std(stream)?, offspring::Offspring::own(), async move {
            terminate.recv().await;
        })
        .await;
        io::Result::Ok(())
    })?;
    // A thread that waits for a lock or a plug is not waited for.
    runtime.shutdown_background();
    Ok(())
}

fn stand_by() -> io::Result<()> {
    let stream = take_stdin()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        stream.set_nonblocking(true)?;
        // It ends with its keeper; a signal that is sent to both must not end it before.
        let _ignored = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()].map(signal);
        standby::stand_by(UnixStream::from_std(stream)?).await;
        io::Result::Ok(())
    })?;
    runtime.shutdown_background();
    Ok(())
}
