//! Errors of brokers.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::AclError;
use hil_tls::TlsError;

/// Why a broker does not run or can't do something.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Its address is not available.
    #[error("the broker can't listen on {address}: {reason}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system reports.
        reason: String,
    },
    /// Its program is not installed.
    #[error("the program `{program}` is not on this machine")]
    NotInstalled {
        /// The program.
        program: String,
    },
    /// Its program exited at once.
    #[error("the broker did not start: {reason}")]
    Start {
        /// The last lines of its log.
        reason: String,
    },
    /// A file for it can't be read or written.
    #[error("can't use `{}` for the broker: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system reports.
        source: std::io::Error,
    },
    /// The ACL can't be read.
    #[error(transparent)]
    Acl(#[from] AclError),
    /// Its certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An external broker does not answer.
    #[error("the broker {url} can't be reached: {reason}")]
    Unreachable {
        /// Its URL.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// This kind of broker does not support it.
    #[error("a broker of kind `{kind}` can't {what}")]
    Unsupported {
        /// The kind.
        kind: &'static str,
        /// What it can't do.
        what: &'static str,
    },
}

impl BrokerError {
    /// Whether a retry may succeed: not if the bench must be changed first.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Listen { .. } | Self::Start { .. } | Self::Unreachable { .. } => true,
            Self::NotInstalled { .. } | Self::File { .. } | Self::Acl(_) | Self::Tls(_) | Self::Unsupported { .. } => {
                false
            }
        }
    }

    /// A hint on how to fix it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Listen { .. } => {
                "is another broker running? `broker.listen` takes another port; port 0 takes a free one".to_owned()
            }
            Self::NotInstalled { .. } => {
                "`apt install mosquitto`, or name it with HIL_MOSQUITTO, or use `kind = \"embedded\"`".to_owned()
            }
            Self::Start { .. } => "these are the last lines of its log; is one of its files wrong?".to_owned(),
            Self::File { .. } => "is there free space, and may this user write there?".to_owned(),
            Self::Acl(error) => error.hint().to_owned(),
            Self::Tls(error) => error.hint(),
            Self::Unreachable { .. } => {
                "`broker.url` is its address; is a firewall in between, or is it on another network?".to_owned()
            }
            Self::Unsupported { .. } => {
                "`kind = \"mosquitto\"` supports everything that steps ask of a broker".to_owned()
            }
        }
    }
}
