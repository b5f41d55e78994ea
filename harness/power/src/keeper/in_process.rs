//! A keeper inside this process, for tests and for a standby: it can't outlive the process.

use std::path::PathBuf;

use tokio::net::UnixStream;

use super::client::{Keeper, KeeperError, Waiting};
use super::server;

/// Starts it, with its locks in a folder.
///
/// # Errors
/// If the sockets can't be created.
pub fn start(folder: PathBuf, waiting: Waiting) -> Result<Keeper, KeeperError> {
    let failed = |error: std::io::Error| KeeperError::NotStarted(error.to_string());
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    tokio::spawn(server::serve(theirs, None, std::future::pending()));
    let keeper = Keeper::on(ours.into_std().map_err(failed)?, waiting)?;
    Ok(keeper.with_folder(folder))
}
