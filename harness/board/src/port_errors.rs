//! Explains why a serial port can't be used.

use std::io;
use std::path::Path;

use crate::error::BenchError;
use crate::ports::{PortFinder, users_of};

/// The meaning of an error on opening a port: denied, busy or gone.
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

/// An error if another program has the port open: each program then gets only a part of the board's output.
pub(crate) fn check_users(board: &str, port: &dyn PortFinder) -> Result<(), BenchError> {
    let users = port.users();
    match port.find() {
        Ok(port) if !users.is_empty() => Err(BenchError::PortBusy { board: board.to_owned(), port, users }),
        _ => Ok(()),
    }
}
