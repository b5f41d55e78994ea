//! Kinds of brokers, all behind one trait.

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

/// When a broker may publish the will of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WillWindow {
    /// After a client went silent: not earlier than this after its last packet.
    pub not_before: Duration,
    /// Not later than this after its last packet.
    pub not_after: Duration,
    /// How much too early it may be if the time is known: at the end of a connection or of a will delay.
    pub early: Duration,
    /// How much too late it may be.
    pub late: Duration,
}

/// Receives the lines of a broker's log.
pub type LogSink = Arc<dyn Fn(String) + Send + Sync>;

/// A broker that a scenario owns. A new kind is one file in this folder.
pub trait Broker: Send {
    /// Starts the broker; it listens when this returns. Does nothing if the broker already runs.
    ///
    /// After a stop or a crash it uses the same addresses again.
    fn start(&mut self) -> BoxFuture<'_, Result<Offers, BrokerError>>;

    /// Stops the broker cleanly; every connection is closed when this returns.
    fn stop(&mut self) -> BoxFuture<'_, Result<(), BrokerError>>;

    /// Stops the broker as a crash would: nothing is saved.
    fn crash(&mut self) -> BoxFuture<'_, Result<(), BrokerError>> {
        let refused = BrokerError::Unsupported { kind: self.kind().word, what: "crash" };
        Box::pin(async { Err(refused) })
    }

    /// Stops all activity of the broker; its connections stay open.
    ///
    /// # Errors
    /// When this kind of broker can't be paused.
    fn pause(&mut self) -> Result<(), BrokerError> {
        Err(BrokerError::Unsupported { kind: self.kind().word, what: "be paused" })
    }

    /// Resumes a paused broker.
    ///
    /// # Errors
    /// When this kind of broker can't be paused.
    fn resume(&mut self) -> Result<(), BrokerError> {
        Err(BrokerError::Unsupported { kind: self.kind().word, what: "be paused" })
    }

    /// Changes users, rights and limits; takes effect at the next start.
    ///
    /// # Errors
    /// When this broker is not configured by `hil`.
    fn settings(&mut self) -> Result<&mut Settings, BrokerError>;

    /// Stops the broker for good; what it has stored may be lost.
    fn discard(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            // The result does not matter: the broker is not used again.
            let _ = self.stop().await;
        })
    }

    /// Reports that the broker exited without being asked to, and why.
    fn died(&self) -> watch::Receiver<Option<String>>;

    /// When the broker may publish the will of a client with this keep alive.
    fn will_window(&self, keep_alive: Duration) -> WillWindow;

    /// Its kind.
    fn kind(&self) -> &'static BrokerKind;
}

/// Makes the broker of a bench file.
type Open = fn(&hil_config::Broker, LogSink) -> Result<Box<dyn Broker>, BrokerError>;

/// A kind of broker, and what makes one of a bench file.
struct Entry {
    kind: &'static BrokerKind,
    open: Open,
}

/// The kinds, in the order of the documentation. A new one is its file, its `mod` line and its line here.
static BROKERS: &[Entry] = &[
    Entry { kind: embedded::KIND, open: embedded::open },
    Entry { kind: mosquitto::KIND, open: mosquitto::open },
    Entry { kind: external::KIND, open: external::open },
];

/// The kinds as the reader of a bench file knows them, except the default one, which it knows anyway.
#[must_use]
pub fn kinds() -> Vec<&'static BrokerKind> {
    BROKERS.iter().map(|entry| entry.kind).filter(|kind| *kind != BrokerKind::DEFAULT).collect()
}

/// The kind with this word.
#[must_use]
pub fn kind(word: &str) -> Option<&'static BrokerKind> {
    BROKERS.iter().map(|entry| entry.kind).find(|kind| kind.word == word)
}

/// The broker of a bench file, not started. Its log goes to `log`.
///
/// # Errors
/// When no kind has its word, its program is not installed, or one of its files can't be used.
pub fn new(config: &hil_config::Broker, log: LogSink) -> Result<Box<dyn Broker>, BrokerError> {
    let unknown = BrokerError::Unsupported { kind: config.kind.word, what: "be opened" };
    let entry = BROKERS.iter().find(|entry| entry.kind == config.kind).ok_or(unknown)?;
    (entry.open)(config, log)
}
