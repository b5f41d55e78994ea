//! Serial ports: what is attached, which one is a board's, and who has it open.

mod attached;
mod by_mac;
mod holders;
mod identity;
mod open;
mod state;
mod watch;

use std::io;
use std::path::{Path, PathBuf};

pub use attached::{AttachedPort, UsbIdentity, attached};
pub use by_mac::place_by_mac;
#[cfg(test)]
pub(crate) use holders::tests::Reader;
pub use holders::{PortUser, users_of};
pub use identity::IdentityFinder;
pub use identity::find;
pub use open::OpenPort;
pub use state::{PortState, state_of};

use futures::future::BoxFuture;
use serial2_tokio::SerialPort;

use crate::console::ConsolePort;
use crate::error::BenchError;

/// Finds a board's serial port.
pub trait PortFinder: Send + Sync {
    /// Where it is now.
    fn find(&self) -> Result<PathBuf, PortProblem>;

    /// Opens it for its console.
    fn open(&self, baud: u32) -> io::Result<Box<dyn ConsolePort>> {
        let path = self.find().map_err(|problem| io::Error::new(io::ErrorKind::NotFound, problem.to_string()))?;
        Ok(Box::new(SerialPort::open(&path, baud)?))
    }

    /// Other programs that have it open; none where it is ours alone, or a part of `hil`.
    fn users(&self) -> Vec<PortUser> {
        Vec::new()
    }

    /// Tells when it may have come, gone or changed; what happened before the call is not told.
    fn watch(&self) -> io::Result<Box<dyn PortWatch>>;
}

/// See [`PortFinder::watch`].
pub trait PortWatch: Send {
    /// Waits for the next change.
    fn changed(&mut self) -> BoxFuture<'_, ()>;
}

/// Why a board has no port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PortProblem {
    /// Nothing that is attached fits.
    #[error("no serial port with {wanted} is attached")]
    Absent {
        /// What would fit.
        wanted: String,
    },
    /// Several fit.
    #[error("{} serial ports have {wanted}: {}", found.len(), found.join(", "))]
    Ambiguous {
        /// What all of them have.
        wanted: String,
        /// The ports and their places.
        found: Vec<String>,
    },
}

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
