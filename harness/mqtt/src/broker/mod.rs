//! Brokers behind one trait.

mod acl;
mod embedded;
mod error;
mod external;
mod mosquitto;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use hil_config::BrokerKind;
use tokio::sync::watch;

use crate::endpoint::Offers;

pub use acl::{Access, Acl, AclError, AclRule, Who};
pub use embedded::Embedded;
pub use error::BrokerError;
pub use external::External;
pub use mosquitto::{Mosquitto, find_program};
pub use settings::Settings;

/// When a broker may publish a will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WillWindow {
    /// Of a client that fell silent: not before this after its last packet.
    pub not_before: Duration,
    /// And not after this.
    pub not_after: Duration,
    /// How much sooner than due it may be, where the moment is known: the end of a connection, or of a will delay.
    pub early: Duration,
    /// How much later than due it may be.
    pub late: Duration,
}

/// Takes a line of a broker's log.
pub type LogSink = Arc<dyn Fn(String) + Send + Sync>;

/// A broker that a scenario owns. A new kind is one file here and one line in [`new`].
pub trait Broker: Send {
    /// Starts it; it listens when this returns. Starting a running broker does nothing.
    ///
    /// After a stop or a crash it comes back on the same addresses.
    fn start(&mut self) -> BoxFuture<'_, Result<Offers, BrokerError>>;

    /// Stops it in good order; every connection is closed when this returns.
    fn stop(&mut self) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Ends it as a crash would: nothing is saved.
    fn crash(&mut self) -> BoxFuture<'_, Result<(), BrokerError>> {
        let refused = BrokerError::Unsupported { kind: self.kind(), what: "crash" };
        Box::pin(async { Err(refused) })
    }

    /// It stops doing anything, its connections stay open.
    ///
    /// # Errors
    /// When this kind of broker can't be paused.
    fn pause(&mut self) -> Result<(), BrokerError> {
        Err(BrokerError::Unsupported { kind: self.kind(), what: "be paused" })
    }

    /// It goes on where it was paused.
    ///
    /// # Errors
    /// When this kind of broker can't be paused.
    fn resume(&mut self) -> Result<(), BrokerError> {
        Err(BrokerError::Unsupported { kind: self.kind(), what: "be paused" })
    }

    /// Changes who may do what; takes effect with the next start.
    ///
    /// # Errors
    /// When it is not ours to configure.
    fn settings(&mut self) -> Result<&mut Settings, BrokerError>;

    /// Ends it for good: nobody asks for what it has stored any more.
    fn discard(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // Whoever discards it asks for nothing more.
            let _ = self.stop().await;
        })
    }

    /// Tells when it has ended although nobody asked it to, and why.
    fn died(&self) -> watch::Receiver<Option<String>>;

    /// When it may publish the will of a client with this keep alive.
    fn will_window(&self, keep_alive: Duration) -> WillWindow;

    /// The word in `bench.toml`.
    fn kind(&self) -> &'static str;
}

/// The broker of a bench file, not started. Its log goes to `log`.
///
/// # Errors
/// When its program is not installed, or a file of its can't be used.
pub fn new(config: &hil_config::Broker, log: LogSink) -> Result<Box<dyn Broker>, BrokerError> {
    Ok(match config.kind {
        BrokerKind::Embedded => Box::new(Embedded::new(config.listen, Settings::of(config)?)),
        BrokerKind::Mosquitto => Box::new(Mosquitto::new(config, log)?),
        BrokerKind::External => Box::new(External::new(config)?),
    })
}
