//! Why a run could not be set up.

use hil_bench::BenchError;
use hil_mqtt::TapError;
use hil_mqtt::tls::TlsError;

/// Why no scenario could begin.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A board can't be opened.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A tap can't be opened.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// The broker can't be had.
    #[error(transparent)]
    Broker(#[from] hil_mqtt::BrokerError),
    /// The broker does not let the harness in.
    #[error(transparent)]
    Observer(#[from] hil_mqtt::ObserverError),
    /// A certificate can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No certificates can be made for the run.
    #[error("can't make certificates for this run: {0}")]
    Certificates(String),
}
