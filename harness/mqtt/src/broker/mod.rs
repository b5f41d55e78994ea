//! Brokers behind one trait.

mod embedded;

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hil_config::BrokerKind;

pub use embedded::Embedded;

/// Why a broker does not run.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Its address can't be had.
    #[error("the broker can't listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
}

impl BrokerError {
    /// One thing to try.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Listen { .. } => {
                "is another broker running? `broker.listen` takes another port; port 0 takes a free one".to_owned()
            }
        }
    }
}

/// When a will may be published after the last packet of a client that fell silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WillWindow {
    /// Not before this.
    pub not_before: Duration,
    /// Not after this.
    pub not_after: Duration,
}

/// What a broker's methods promise: boxed, so that brokers can be chosen at run time.
pub type Promise<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A broker that a scenario owns. A new kind is one file here and one line in [`new`].
pub trait Broker: Send {
    /// Starts it; it listens when this returns. Starting a running broker does nothing.
    ///
    /// After a stop it comes back on the same address.
    fn start(&mut self) -> Promise<'_, Result<SocketAddr, BrokerError>>;

    /// Stops it; every connection is closed when this returns.
    fn stop(&mut self) -> Promise<'_, ()>;

    /// When it may publish the will of a client with this keep alive.
    fn will_window(&self, keep_alive: Duration) -> WillWindow;

    /// The word in `bench.toml`.
    fn kind(&self) -> &'static str;
}

/// The broker of a bench file, not started.
#[must_use]
pub fn new(config: &hil_config::Broker) -> Box<dyn Broker> {
    match config.kind {
        BrokerKind::Embedded => Box::new(Embedded::new(config.listen)),
    }
}
