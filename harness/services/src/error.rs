//! Why a service can't be opened.

use std::io;
use std::net::SocketAddr;

/// Why a service can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("the {service} port of board `{board}` can't listen on {address}: {source}")]
pub struct ServiceError {
    /// The service, as in the key of its port: `http` or `sntp`.
    pub service: &'static str,
    /// The board.
    pub board: String,
    /// The address.
    pub address: SocketAddr,
    source: io::Error,
}

impl ServiceError {
    pub(crate) fn new(service: &'static str, board: &str, address: SocketAddr, source: io::Error) -> Self {
        Self { service, board: board.to_owned(), address, source }
    }
}
