//! The terminal that a program runs in: a pseudo-terminal whose other side is the board's console.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, Winsize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::end_mark::EndMark;
use crate::console_port::{ConsolePort, Transfer};
use crate::ports::{PortFinder, PortProblem, PortWatch};

/// A terminal. Both sides stay open, so that neither side's end is seen as a hang-up.
#[derive(Debug)]
pub(crate) struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
    path: PathBuf,
    /// As a program finds it.
    modes: Termios,
    end: Arc<EndMark>,
}

impl Terminal {
    /// A terminal as programs of this machine expect it.
    pub(crate) fn open() -> io::Result<Self> {
        // What is typed is not echoed: it would look like the program's own output.
        // Nor is a line gathered by the terminal: it holds 4095 bytes (termios(3)) and drops the rest without a word.
        Self::with(|modes| modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON))
    }

    /// A terminal that changes no byte, as a serial line.
    pub(crate) fn raw() -> io::Result<Self> {
        Self::with(Termios::make_raw)
    }

    fn with(set: impl FnOnce(&mut Termios)) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        let slave = rustix::fs::open(&path, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        let mut modes = rustix::termios::tcgetattr(&slave)?;
        set(&mut modes);
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &modes)?;
        // Wide enough that no line is broken.
        let size = Winsize { ws_row: 50, ws_col: 1000, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&slave, size)?;
        Ok(Self { master, slave, path, modes, end: Arc::new(EndMark::new()?) })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The program's side.
    pub(crate) fn slave(&self) -> io::Result<OwnedFd> {
        self.slave.try_clone()
    }

    /// The program's side once more, with flags of its own: it never blocks.
    pub(crate) fn slave_nonblocking(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        Ok(rustix::fs::open(&self.path, flags, Mode::empty())?)
    }

    /// How long a line may be that a program has its terminal gather; none if it takes each byte as it comes.
    pub(crate) fn longest_line(&self) -> Option<usize> {
        const GATHERED: usize = 4095;
        let modes = rustix::termios::tcgetattr(&self.slave).ok()?;
        modes.local_modes.contains(LocalModes::ICANON).then_some(GATHERED)
    }

    /// Makes it as new: what was not read is gone, and its settings are those of the beginning.
    pub(crate) fn renew(&self) {
        for side in [&self.slave, &self.master] {
            // A terminal that is open can do both.
            let _ = rustix::termios::tcflush(side, QueueSelector::IOFlush);
        }
        let _ = rustix::termios::tcsetattr(&self.slave, OptionalActions::Now, &self.modes);
        self.end.renew();
    }

    /// Waits until all that was written to it is read and dealt with, if it has a reader.
    pub(crate) fn wait_until_read(&self) {
        /// Longer than usual delays of this machine; shorter than the wait for the end of a program.
        const PATIENCE: Duration = Duration::from_secs(3);
        let deadline = Instant::now() + PATIENCE;
        let count = self.end.count();
        if self.write_mark(deadline).is_ok() {
            self.end.wait(count, deadline.saturating_duration_since(Instant::now()));
        }
    }

    /// Without a reader it may be full: the wait is bounded.
    fn write_mark(&self, deadline: Instant) -> io::Result<()> {
        // Undo the program's settings of the terminal.
        rustix::termios::tcsetattr(&self.slave, OptionalActions::Now, &self.modes)?;
        // Opened again: programs share the flags of the other descriptor.
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let slave = rustix::fs::open(&self.path, flags, Mode::empty())?;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            match rustix::event::poll(&mut [PollFd::new(&slave, PollFlags::OUT)], Some(&left)) {
                Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            // What the program left running may write at the same time.
            match rustix::io::write(&slave, self.end.bytes()) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                written => return written.map(drop).map_err(io::Error::from),
            }
        }
    }

    /// Our side.
    pub(crate) fn console(&self) -> io::Result<Box<dyn ConsolePort>> {
        Ok(Box::new(Master::new(self.master.try_clone()?, Arc::clone(&self.end))?))
    }
}

/// As a port: it is always there.
impl PortFinder for Terminal {
    fn find(&self) -> Result<PathBuf, PortProblem> {
        Ok(self.path().to_owned())
    }

    fn watch(&self) -> io::Result<Box<dyn PortWatch>> {
        Ok(Box::new(Stays))
    }

    fn open(&self, _: u32) -> io::Result<Box<dyn ConsolePort>> {
        self.console()
    }
}

/// A terminal that stays where it is.
struct Stays;

impl PortWatch for Stays {
    fn changed(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::pending())
    }
}

/// Our side of a terminal as a stream.
struct Master {
    side: AsyncFd<OwnedFd>,
    end: Arc<EndMark>,
}

impl Master {
    #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
    fn new(master: OwnedFd, end: Arc<EndMark>) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&master, true)?;
        // SAFETY: the descriptor is owned by the `AsyncFd` from here on, and nothing replaces or closes it before.
        Ok(Self { side: unsafe { AsyncFd::register(master)? }, end })
    }
}

impl ConsolePort for Master {
    fn read<'a>(&'a self, buffer: &'a mut [u8]) -> Transfer<'a> {
        Box::pin(async move {
            loop {
                let delivered = self.end.deliver(buffer);
                if delivered > 0 {
                    return Ok(delivered);
                }
                let length =
                    self.side.async_io(Interest::READABLE, |side| Ok(rustix::io::read(side, &mut *buffer)?)).await?;
                if length == 0 {
                    return Ok(0);
                }
                self.end.push(&buffer[..length]);
            }
        })
    }

    fn write<'a>(&'a self, bytes: &'a [u8]) -> Transfer<'a> {
        Box::pin(self.side.async_io(Interest::WRITABLE, |side| Ok(rustix::io::write(side, bytes)?)))
    }

    fn set_baud(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }
}
