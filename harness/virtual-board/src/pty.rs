//! A pseudo-terminal as a serial port.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

/// Both ends of a pseudo-terminal.
#[derive(Debug)]
pub(crate) struct Pty {
    pub(crate) master: OwnedFd,
    pub(crate) path: PathBuf,
    /// Kept open, so that the master is not hung up between two openings by the host.
    pub(crate) slave: OwnedFd,
}

impl Pty {
    pub(crate) fn open() -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = rustix::fs::open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        // Set raw before anything is written, or the line discipline echoes the boot log to the chip.
        let mut termios = tcgetattr(&slave)?;
        termios.make_raw();
        termios.set_speed(115_200)?;
        tcsetattr(&slave, OptionalActions::Now, &termios)?;
        fcntl_setfl(&master, fcntl_getfl(&master)? | OFlags::NONBLOCK)?;
        let path = PathBuf::from(String::from_utf8_lossy(name.as_bytes()).into_owned());
        Ok(Self { master, path, slave })
    }
}

/// The baud rate that the host has set, seen from the master.
pub(crate) fn host_baud(master: impl AsFd) -> Option<u32> {
    tcgetattr(master).ok().map(|termios| termios.output_speed())
}
