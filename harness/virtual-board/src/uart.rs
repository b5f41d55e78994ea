//! The chip's UART0 on a pseudo-terminal.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::pty::{Pty, host_baud};

/// Baud rate of the ROM, the bootloader and the console.
pub(crate) const BOOT_BAUD: u32 = 115_200;

/// UART0: garbles bytes on a baud mismatch, and loses bytes that are not read, as on a wire.
pub(crate) struct Uart {
    line: Option<Line>,
    baud: u32,
    /// Bytes take as long as on a real wire.
    paced: bool,
    /// Sends and receives nothing.
    mute: bool,
    /// The host does not read: output is lost until it does.
    overrun: bool,
}

/// A plugged port.
struct Line {
    master: AsyncFd<OwnedFd>,
    path: PathBuf,
    _slave: OwnedFd,
}

impl Line {
    #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
    fn open() -> io::Result<Self> {
        let Pty { master, path, slave } = Pty::open()?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        // SAFETY: the descriptor is owned by the `AsyncFd` from here on, and nothing replaces or closes it before.
        let master = unsafe { AsyncFd::register_with_interest(master, interest)? };
        Ok(Self { master, path, _slave: slave })
    }
}

impl Uart {
    pub(crate) fn new(paced: bool, mute: bool) -> Self {
        Self { line: None, baud: BOOT_BAUD, paced, mute, overrun: false }
    }

    /// Makes the port appear, unless it exists.
    pub(crate) fn plug(&mut self) -> io::Result<()> {
        if self.line.is_none() {
            self.line = Some(Line::open()?);
        }
        Ok(())
    }

    /// Makes the port vanish: a host that has it open gets a hang-up.
    pub(crate) fn unplug(&mut self) {
        self.line = None;
    }

    pub(crate) fn path(&self) -> Option<PathBuf> {
        self.line.as_ref().map(|line| line.path.clone())
    }

    pub(crate) fn set_baud(&mut self, baud: u32) {
        self.baud = baud;
    }

    /// The next bytes from the host. Cancel-safe.
    pub(crate) async fn read(&self) -> Vec<u8> {
        let Some(line) = &self.line else { return std::future::pending().await };
        let mut buffer = vec![0; 64 * 1024];
        let length = loop {
            let read = |master: &OwnedFd| Ok(rustix::io::read(master, &mut buffer)?);
            match line.master.async_io(Interest::READABLE, read).await {
                Ok(length) if length > 0 => break length,
                // The slave is held open, so this error is temporary.
                _ => tokio::task::yield_now().await,
            }
        };
        buffer.truncate(length);
        self.garble(&mut buffer);
        buffer
    }

    /// How long these bytes occupy the wire: ten bits each (start, eight, stop).
    pub(crate) fn wire_time(&self, bytes: usize) -> Duration {
        if self.paced { Duration::from_secs_f64(bytes as f64 * 10.0 / f64::from(self.baud)) } else { Duration::ZERO }
    }

    /// Writes to the host; unread bytes are lost.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        /// How long a full line may block the chip before output is dropped.
        const PATIENCE: Duration = Duration::from_millis(500);
        self.write_within(bytes, PATIENCE).await;
    }

    /// The host has sent a request: it will read the answer.
    pub(crate) async fn answer(&mut self, bytes: &[u8]) {
        const PATIENCE: Duration = Duration::from_secs(3);
        self.write_within(bytes, PATIENCE).await;
    }

    async fn write_within(&mut self, bytes: &[u8], patience: Duration) {
        if self.mute {
            return;
        }
        let pause = self.wire_time(bytes.len());
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let mut bytes = bytes.to_vec();
        self.garble(&mut bytes);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match self.write_some(rest, patience).await {
                Some(written) => {
                    self.overrun = false;
                    rest = &rest[written..];
                }
                None => return,
            }
        }
    }

    async fn write_some(&mut self, bytes: &[u8], patience: Duration) -> Option<usize> {
        let line = self.line.as_ref()?;
        let write = |master: &OwnedFd| Ok(rustix::io::write(master, bytes)?);
        if self.overrun {
            return write(line.master.get_ref()).ok();
        }
        match tokio::time::timeout(patience, line.master.async_io(Interest::WRITABLE, write)).await {
            Ok(written) => written.ok(),
            Err(_) => {
                self.overrun = true;
                None
            }
        }
    }

    pub(crate) fn is_mute(&self) -> bool {
        self.mute
    }

    fn garble(&self, bytes: &mut [u8]) {
        let host = self.line.as_ref().and_then(|line| host_baud(&line.master));
        if host.is_some_and(|host| host != self.baud) {
            for (n, byte) in bytes.iter_mut().enumerate() {
                *byte = byte.rotate_left(3) ^ 0xa5 ^ (n as u8);
            }
        }
    }
}
