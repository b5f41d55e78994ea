//! Why a run could not be set up.

use hil_bench::BenchError;
use hil_mqtt::TapError;
use hil_radio::RadioError;
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
    /// The access point does not start.
    #[error(transparent)]
    Radio(#[from] RadioError),
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

impl SetupError {
    /// What may help.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Bench(error) => error.hint(),
            Self::Radio(error) => error.hint(),
            Self::Tap(error) => Some(format!("remove `boards.{}.tap-port`, or set it to a free port", error.board)),
            Self::Service(error) => {
                Some(format!("remove `boards.{}.{}-port`, or set it to a free port", error.board, error.service))
            }
            Self::Broker(error) => Some(error.hint()),
            Self::Tls(error) => Some(error.hint()),
            Self::Observer(_) => Some("check `broker.user` and `broker.password`, the harness's own login".to_owned()),
            Self::Certificates(_) => Some("check the free space for temporary files".to_owned()),
        }
    }
}
