//! Events between a board and a service of its stage: files over HTTP, the time, names.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A service that a stage offers to its boards besides the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Service {
    /// Files, over HTTP and HTTPS.
    Http,
    /// The time (SNTP, RFC 4330).
    Sntp,
    /// Names (DNS, RFC 1035).
    Dns,
}

impl Service {
    /// Its word in reports and in the capture.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sntp => "sntp",
            Self::Dns => "dns",
        }
    }
}

/// What happened between a board and a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "exchange")]
pub enum Exchange {
    /// The board connected.
    Opened {
        /// The board's address.
        peer: SocketAddr,
    },
    /// A layer above TCP is established.
    Upgraded {
        /// `TLS 1.3`, …
        layer: String,
    },
    /// The connection was refused: a handshake failed.
    Refused {
        /// The reason.
        reason: String,
        /// The TLS alert with which the board ended the handshake, named as in RFC 8446; `none` if it said nothing;
        /// missing if it was not the board.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        alert: Option<String>,
    },
    /// The connection ended.
    Closed {
        /// Which side ended it and how, as text.
        how: String,
    },
    /// An HTTP request reached the service.
    Request {
        /// `GET`, `HEAD`, …
        method: String,
        /// Path and query, as sent.
        path: String,
        /// The header `Range`, as sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        range: Option<String>,
    },
    /// The head of an HTTP response was sent.
    Response {
        /// Path of the request.
        path: String,
        /// The status.
        status: u16,
        /// Bytes of the body as announced; missing if it comes in chunks.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        length: Option<u64>,
        /// The header `Content-Range`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content_range: Option<String>,
    },
    /// A part of a file was sent. Recorded once for each percent of the file.
    Sent {
        /// Path of the request.
        path: String,
        /// Up to which byte of the file.
        sent: u64,
        /// Bytes of the file.
        of: u64,
    },
    /// The board asked for the time.
    Time {
        /// The time in the answer, UTC, as in RFC 3339; missing if there was no answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
    },
    /// The board asked for the addresses of a name.
    Name {
        /// The name.
        name: String,
        /// The addresses, or why there are none; missing if there was no answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answer: Option<String>,
    },
}

impl Exchange {
    /// Whether it is one of the marks in the middle of a file that a report need not show: not a multiple of ten
    /// percent, and not the end.
    #[must_use]
    pub fn is_minor(&self) -> bool {
        matches!(self, Self::Sent { sent, of, .. } if sent != of && !percent(*sent, *of).is_multiple_of(10))
    }
}

/// How much of a file that is, in whole percent, rounded down.
#[must_use]
pub fn percent(part: u64, whole: u64) -> u64 {
    if whole == 0 { 100 } else { u64::try_from(u128::from(part) * 100 / u128::from(whole)).unwrap_or(u64::MAX) }
}
