//! The terminal while it is raw.

use std::io::IsTerminal as _;

use parking_lot::Mutex;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// How the terminal was before it was made raw.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// A terminal whose keys come one by one and unchanged; as before when it is dropped.
pub(crate) struct RawTerminal(());

impl RawTerminal {
    /// Makes standard input raw, if it is a terminal and somebody sees the output.
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

/// Makes the terminal as it was, if it was made raw: also where the process ends without dropping anything.
pub(crate) fn restore() {
    if let Some(before) = BEFORE.lock().take() {
        // A terminal that is gone needs nothing.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &before);
    }
}
