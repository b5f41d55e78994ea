//! Why a run could not be set up.

use hil_bench::BenchError;
use hil_mqtt::TapError;
use hil_services::ServiceError;
use hil_tls::TlsError;

/// Why no scenario could start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A board can't be opened.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A tap can't be opened.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// A service of the boards can't be opened.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// The broker is not available.
    #[error(transparent)]
    Broker(#[from] hil_mqtt::BrokerError),
    /// The broker rejects the harness.
    #[error(transparent)]
    Observer(#[from] hil_mqtt::ObserverError),
    /// A certificate is not usable.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The certificates of the run can't be made.
    #[error("can't make certificates for this run: {0}")]
    Certificates(String),
}
