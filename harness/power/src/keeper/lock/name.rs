//! A name in the kernel that goes with a lock: an abstract Unix socket (unix(7)).
//!
//! A lock file can be removed while it is held, and a second one made in its place. A name can't: the kernel frees it when its
//! socket is closed, and no sooner. It also tells which process holds it, and a detached keeper is asked there to end.
//! Names are those of a network namespace; between two of them, the lock files alone count.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with};
use rustix::process::getuid;
use sha2::{Digest as _, Sha256};

use super::folder::Folder;

/// What is said to a detached keeper to end it.
pub(in crate::keeper) const END: &str = "end";

/// The name that belongs to a lock file.
#[derive(Debug)]
pub(super) struct Name(SocketAddrUnix);

impl Name {
    pub(super) fn of(folder: &Folder, lock: &str) -> io::Result<Self> {
        let (device, inode) = folder.id;
        let hash = hex::encode(&Sha256::digest(lock)[..16]);
        let name = format!("hil-lock {device}:{inode} {hash}");
        Ok(Self(SocketAddrUnix::new_abstract_name(name.as_bytes())?))
    }

    /// Takes the name; none where another process has it.
    pub(super) fn take(&self) -> io::Result<Option<UnixListener>> {
        const BACKLOG: i32 = 128;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        match bind(&socket, &self.0) {
            Ok(()) => {}
            Err(Errno::ADDRINUSE) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        listen(&socket, BACKLOG)?;
        Ok(Some(UnixListener::from(socket)))
    }

    /// Process and user who have it.
    pub(super) fn holder(&self) -> Option<(u32, u32)> {
        let stream = self.connect().ok()?;
        let peer = socket_peercred(&stream).ok()?;
        Some((peer.pid.as_raw_nonzero().get().cast_unsigned(), peer.uid.as_raw()))
    }

    /// Waits until the process that has it gives it back; blocks the thread.
    pub(super) fn wait(&self) {
        /// Between the end of a socket and that of its name.
        const AT_ONCE: Duration = Duration::from_millis(20);
        match self.connect() {
            // Its holder says nothing; the end of the connection is that of the lock.
            Ok(mut stream) => drop(stream.read(&mut [0; 64])),
            Err(_) => std::thread::sleep(AT_ONCE),
        }
    }

    /// At once or not at all: where the queue is full, connecting would block.
    fn connect(&self) -> io::Result<UnixStream> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        connect(&socket, &self.0)?;
        let stream = UnixStream::from(socket);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

/// Why a detached keeper was not asked to end.
#[derive(Debug, thiserror::Error)]
pub(super) enum EndRefused {
    #[error("it belongs to {0}")]
    Foreign(String),
    #[error("it gave no answer: {0}")]
    Silent(#[from] io::Error),
}

impl EndRefused {
    /// Whether the keeper has ended meanwhile.
    pub(super) fn is_end(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionRefused, ConnectionReset, NotFound};
        matches!(self, Self::Silent(error) if matches!(error.kind(), BrokenPipe | ConnectionRefused | ConnectionReset | NotFound))
    }
}

/// Asks the keeper that has the name of a lock to end, and waits until its rails are safe. Gives back its answer.
///
/// Blocks the thread for two minutes at most.
pub(super) fn ask_to_end(folder: &Folder, lock: &str) -> Result<String, EndRefused> {
    /// A keeper tries twice, and each of its rails may take its time.
    const PATIENCE: Duration = Duration::from_secs(120);
    /// Names of boards and why their rails are not safe.
    const LONGEST: u64 = 64 * 1024;
    let mut stream = Name::of(folder, lock)?.connect()?;
    // None where it has no process id here.
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
