//! DTR and RTS of a serial port, both in one call where it matters.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::ioctl::{Getter, Opcode, Setter, ioctl};

/// `TIOCMGET` and `TIOCMSET` (Linux, `include/uapi/asm-generic/ioctls.h`).
const TIOCMGET: Opcode = 0x5415;
const TIOCMSET: Opcode = 0x5418;
/// `TIOCM_DTR` and `TIOCM_RTS` (`include/uapi/asm-generic/termios.h`).
const DTR: i32 = 0x002;
const RTS: i32 = 0x004;

/// An open port, for its control lines alone. While it is open, others may open and close the port without the kernel
/// raising or dropping the lines.
#[derive(Debug)]
pub(super) struct ControlLines {
    port: OwnedFd,
    path: PathBuf,
}

impl ControlLines {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let port = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { port, path: path.to_owned() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The lines as they are: DTR and RTS.
    pub(super) fn get(&self) -> io::Result<(bool, bool)> {
        let bits = self.bits()?;
        Ok((bits & DTR != 0, bits & RTS != 0))
    }

    /// Sets both in one call; `true` asserts a line, which the usual circuit turns into a low level.
    #[expect(unsafe_code, reason = "no safe wrapper sets both lines in one call")]
    pub(super) fn set(&self, dtr: bool, rts: bool) -> io::Result<()> {
        let mut bits = self.bits()? & !(DTR | RTS);
        bits |= if dtr { DTR } else { 0 };
        bits |= if rts { RTS } else { 0 };
        // SAFETY: TIOCMSET reads one int through the pointer, which is what `Setter` passes.
        unsafe { ioctl(&self.port, Setter::<TIOCMSET, i32>::new(bits))? };
        Ok(())
    }

    #[expect(unsafe_code, reason = "no safe wrapper reads the lines")]
    fn bits(&self) -> io::Result<i32> {
        // SAFETY: TIOCMGET writes one int through the pointer, which is what `Getter` passes.
        Ok(unsafe { ioctl(&self.port, Getter::<TIOCMGET, i32>::new())? })
    }
}
