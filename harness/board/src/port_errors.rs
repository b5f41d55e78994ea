//! What it means that a serial port can't be used.

use std::io;
use std::path::Path;

use crate::error::BenchError;
use crate::ports::{PortFinder, users_of};

/// What the system's refusal to open a port means: denied, busy and gone are different things.
pub(crate) fn explain_open(board: &str, path: &Path, error: &io::Error) -> BenchError {
    let (board, port) = (board.to_owned(), path.to_owned());
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => BenchError::PortDenied { board, port },
        Some(rustix::io::Errno::BUSY) => BenchError::PortBusy { board, users: users_of(path), port },
        Some(rustix::io::Errno::NOENT | rustix::io::Errno::NODEV | rustix::io::Errno::NXIO) => {
            BenchError::PortVanished { board }
        }
        _ => BenchError::Port { board, reason: format!("`{}`: {error}", port.display()) },
    }
}

/// Errs where another program has the port open: of what the board says, each of them gets a part.
pub(crate) fn check_users(board: &str, port: &dyn PortFinder) -> Result<(), BenchError> {
    let users = port.users();
    match port.find() {
        Ok(port) if !users.is_empty() => Err(BenchError::PortBusy { board: board.to_owned(), port, users }),
        _ => Ok(()),
    }
}
