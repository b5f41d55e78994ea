//! The terminal: raw mode, and whether it is still there.

use std::io::IsTerminal as _;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal's settings before raw mode.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal in raw mode: keys arrive one by one and unchanged. Restores the settings when dropped.
pub(crate) struct RawTerminal(());

impl RawTerminal {
    /// Enters raw mode if standard input and output are terminals.
    pub(crate) fn enter() -> Option<Self> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() || !std::io::stdout().is_terminal() {
            return None;
        }
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        *BEFORE.lock() = Some(before);
        let entered = Self(());
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(entered)
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the terminal's settings, if they were changed. Also called where the process exits without drops.
pub(crate) fn restore() {
    if let Some(before) = BEFORE.lock().take() {
        // The terminal may be gone.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &before);
    }
}

/// Whether the terminal at standard input was closed: a lost connection, a closed window.
pub(crate) fn is_gone() -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let stdin = std::io::stdin();
    // A closed terminal does not say any more that it is one; a closed pipe is not one.
    let is_device = fstat(&stdin).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice);
    let mut input = [PollFd::new(&stdin, PollFlags::IN)];
    is_device && poll(&mut input, Some(&now)).is_ok() && input[0].revents().contains(PollFlags::HUP)
}
