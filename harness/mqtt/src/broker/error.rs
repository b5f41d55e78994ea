//! Why a broker does not do what it should.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::AclError;
use crate::tls::TlsError;

/// Why a broker does not run, or can't do something.
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
    /// Its program is not on this machine.
    #[error("the program `{program}` is not on this machine")]
    NotInstalled {
        /// The program.
        program: String,
    },
    /// Its program ended at once.
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
        /// What the system said.
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
        /// Where it should be.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// This kind of broker can't do it.
    #[error("a broker of kind `{kind}` can't {what}")]
    Unsupported {
        /// The kind.
        kind: &'static str,
        /// What it can't.
        what: &'static str,
    },
}

impl BrokerError {
    /// Whether it may go better a second time: not where somebody must change the bench first.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Listen { .. } | Self::Start { .. } | Self::Unreachable { .. } => true,
            Self::NotInstalled { .. } | Self::File { .. } | Self::Acl(_) | Self::Tls(_) | Self::Unsupported { .. } => {
                false
            }
        }
    }

    /// One thing to try.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Listen { .. } => {
                "is another broker running? `broker.listen` takes another port; port 0 takes a free one".to_owned()
            }
            Self::NotInstalled { .. } => {
                "`apt install mosquitto`, or name it with HIL_MOSQUITTO, or use `kind = \"embedded\"`".to_owned()
            }
            Self::Start { .. } => "these are the last lines of its log; is a file of its wrong?".to_owned(),
            Self::File { .. } => "is there space, and may this user write there?".to_owned(),
            Self::Acl(error) => error.hint().to_owned(),
            Self::Tls(error) => error.hint(),
            Self::Unreachable { .. } => {
                "`broker.url` says where it is; does a firewall or another network lie between?".to_owned()
            }
            Self::Unsupported { .. } => "`kind = \"mosquitto\"` can do all that steps ask of a broker".to_owned(),
        }
    }
}
