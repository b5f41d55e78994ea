//! The abstract Unix socket that goes with a lock (unix(7)).
//!
//! A lock file can be removed while it is locked, and a second one created in its place. The name of a socket can't:
//! the kernel frees it only when the socket is closed. The kernel also reports which process holds it, and a detached
//! keeper takes the request to exit there. Names belong to a network namespace; between two namespaces, only the lock
//! files count.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{
    AddressFamily, Shutdown, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, shutdown, socket_with,
};
use rustix::process::getuid;
use sha2::{Digest as _, Sha256};

use super::folder::Folder;

/// The request to a detached keeper to exit.
pub(in crate::keeper) const END: &str = "end";

/// The address of the socket that goes with a lock file.
#[derive(Debug)]
pub(super) struct LockSocket(SocketAddrUnix);

impl LockSocket {
    pub(super) fn of(folder: &Folder, lock: &str) -> io::Result<Self> {
        let (device, inode) = folder.id;
        let hash = hex::encode(&Sha256::digest(lock)[..16]);
        let name = format!("hil-lock {device}:{inode} {hash}");
        Ok(Self(SocketAddrUnix::new_abstract_name(name.as_bytes())?))
    }

    /// Opens the socket; none if another process has it.
    pub(super) fn take(&self) -> io::Result<Option<UnixListener>> {
        const BACKLOG: i32 = 128;
        /// A child that is being started has a copy of a released socket until it runs its program.
        const COPIES: u32 = 200;
        const RETRY: Duration = Duration::from_millis(5);
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        for _ in 0..COPIES {
            match bind(&socket, &self.0) {
                Ok(()) => {
                    listen(&socket, BACKLOG)?;
                    return Ok(Some(UnixListener::from(socket)));
                }
                Err(Errno::ADDRINUSE) if self.is_released() => std::thread::sleep(RETRY),
                Err(Errno::ADDRINUSE) => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Releases the socket, whatever copies of it there are: from now on it refuses connections.
    pub(super) fn release(socket: &UnixListener) {
        let _ = shutdown(socket, Shutdown::Both);
    }

    /// Whether its holder has released it, and only copies are left.
    pub(super) fn is_released(&self) -> bool {
        self.connect().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    }

    /// The process that has it, and its user.
    pub(super) fn holder(&self) -> Option<(u32, u32)> {
        let stream = self.connect().ok()?;
        let peer = socket_peercred(&stream).ok()?;
        Some((peer.pid.as_raw_nonzero().get().cast_unsigned(), peer.uid.as_raw()))
    }

    /// Waits until the process that has it closes it; blocks the thread.
    pub(super) fn wait(&self) {
        /// The name is free a moment after the socket is closed.
        const RETRY: Duration = Duration::from_millis(20);
        match self.connect() {
            // The holder sends nothing; it closes the connection when it releases the lock.
            Ok(mut stream) => drop(stream.read(&mut [0; 64])),
            Err(_) => std::thread::sleep(RETRY),
        }
    }

    /// Does not wait: if the queue is full, connecting would block.
    fn connect(&self) -> io::Result<UnixStream> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &self.0)?;
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

/// Why a detached keeper did not exit.
#[derive(Debug, thiserror::Error)]
pub(super) enum EndRefused {
    #[error("it belongs to {0}")]
    Foreign(String),
    #[error("it did not answer: {0}")]
    Silent(#[from] io::Error),
}

impl EndRefused {
    /// Whether the keeper has exited in the meantime.
    pub(super) fn is_end(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
        matches!(self, Self::Silent(error) if matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotFound))
    }
}

/// Asks the keeper that holds a lock to exit, waits until its rails are safe, and returns its answer.
///
/// Blocks the thread for two minutes at most.
pub(super) fn ask_to_end(folder: &Folder, lock: &str) -> Result<String, EndRefused> {
    /// A keeper tries twice, and each of its rails may take its time.
    const PATIENCE: Duration = Duration::from_secs(120);
    /// Names of boards and why their rails are not safe.
    const LONGEST: u64 = 64 * 1024;
    let mut stream = LockSocket::of(folder, lock)?.connect()?;
    // None if its process id is not visible here.
    let peer = socket_peercred(&stream).ok().map(|peer| peer.uid.as_raw());
    if peer != Some(getuid().as_raw()) {
        let whose = peer.map_or_else(|| "another PID namespace".to_owned(), super::users::user_name);
        return Err(EndRefused::Foreign(whose));
    }
    stream.set_read_timeout(Some(PATIENCE))?;
    writeln!(stream, "{END}")?;
    let mut answer = String::new();
    stream.take(LONGEST).read_to_string(&mut answer)?;
    Ok(answer)
}
