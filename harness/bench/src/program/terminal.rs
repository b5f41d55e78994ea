//! The terminal that a program runs in: a pseudo-terminal whose other side is the board's console.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, OptionalActions, QueueSelector, Termios, Winsize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::console::{ConsolePort, Transfer};

/// A terminal. Both sides stay open, so that neither side's end is seen as a hang-up.
#[derive(Debug)]
pub(super) struct Terminal {
    master: OwnedFd,
    slave: OwnedFd,
    path: PathBuf,
    /// As a program finds it.
    modes: Termios,
}

impl Terminal {
    pub(super) fn open() -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags)?;
        rustix::pty::grantpt(&master)?;
        rustix::pty::unlockpt(&master)?;
        let name = rustix::pty::ptsname(&master, Vec::new())?;
        let path = PathBuf::from(name.to_string_lossy().into_owned());
        let slave = rustix::fs::open(
            &path,
            rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::CLOEXEC,
            rustix::fs::Mode::empty(),
        )?;
        // What is typed is not echoed: it would look like the program's own words.
        let mut modes = rustix::termios::tcgetattr(&slave)?;
        modes.local_modes.remove(LocalModes::ECHO);
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &modes)?;
        // Wide enough that no line is broken.
        let size = Winsize { ws_row: 50, ws_col: 1000, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&slave, size)?;
        Ok(Self { master, slave, path, modes })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The program's side.
    pub(super) fn slave(&self) -> io::Result<OwnedFd> {
        self.slave.try_clone()
    }

    /// Makes it as new: what was not read is gone, and its settings are those of the beginning.
    pub(super) fn renew(&self) {
        for side in [&self.slave, &self.master] {
            // A terminal that is open can do both.
            let _ = rustix::termios::tcflush(side, QueueSelector::IOFlush);
        }
        let _ = rustix::termios::tcsetattr(&self.slave, OptionalActions::Now, &self.modes);
    }

    /// Waits until what was written to it is read, if somebody reads it. No event tells so.
    pub(super) fn wait_until_read(&self) {
        const PATIENCE: Duration = Duration::from_millis(500);
        const STEP: Duration = Duration::from_millis(2);
        let begin = Instant::now();
        loop {
            std::thread::sleep(STEP);
            let unread = rustix::io::ioctl_fionread(&self.master).unwrap_or(0);
            if unread == 0 || begin.elapsed() > PATIENCE {
                return;
            }
        }
    }

    /// Our side.
    pub(super) fn console(&self) -> io::Result<Box<dyn ConsolePort>> {
        Ok(Box::new(Master::new(self.master.try_clone()?)?))
    }
}

/// Our side of a terminal as a stream.
struct Master(AsyncFd<OwnedFd>);

impl Master {
    #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
    fn new(master: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&master, true)?;
        // SAFETY: the descriptor is owned by the `AsyncFd` from here on, and nothing replaces or closes it before.
        Ok(Self(unsafe { AsyncFd::register(master)? }))
    }
}

impl ConsolePort for Master {
    fn read<'a>(&'a self, buffer: &'a mut [u8]) -> Transfer<'a> {
        Box::pin(self.0.async_io(Interest::READABLE, |master| Ok(rustix::io::read(master, &mut *buffer)?)))
    }

    fn write<'a>(&'a self, bytes: &'a [u8]) -> Transfer<'a> {
        Box::pin(self.0.async_io(Interest::WRITABLE, |master| Ok(rustix::io::write(master, bytes)?)))
    }

    fn set_baud(&mut self, _: u32) -> io::Result<()> {
        Ok(())
    }
}
