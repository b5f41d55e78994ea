//! Serial ports: what is attached, which one is a board's, and who has it open.

mod attached;
mod holders;
mod identity;
mod open;
mod state;
mod watch;

use std::io;
use std::path::PathBuf;

pub use attached::{AttachedPort, UsbIdentity, attached};
#[cfg(test)]
pub(crate) use holders::tests::Reader;
pub use holders::{PortUser, users_of};
pub use identity::IdentityFinder;
pub use identity::find;
pub use open::OpenPort;
pub use state::{PortState, state_of};

use futures::future::BoxFuture;
use serial2_tokio::SerialPort;

use crate::console_port::ConsolePort;

/// Finds a board's serial port.
pub trait PortFinder: Send + Sync {
    /// Where it is now.
    fn find(&self) -> Result<PathBuf, PortProblem>;

    /// Opens it for its console.
    fn open(&self, baud: u32) -> io::Result<Box<dyn ConsolePort>> {
        let path = self.find().map_err(|problem| io::Error::new(io::ErrorKind::NotFound, problem.to_string()))?;
        Ok(Box::new(SerialPort::open(&path, baud)?))
    }

    /// Other programs that have it open; none if only `hil` has it.
    fn users(&self) -> Vec<PortUser> {
        Vec::new()
    }

    /// Reports when it may have appeared, disappeared or changed, from the call on.
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
