//! A connection to a coordinator: calls with deadlines, and errors in words.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use crate::problem::LabgridError;

/// The port of a coordinator where none is named.
const PORT: u16 = 20408;
/// How long a connection may take.
const CONNECTS: Duration = Duration::from_secs(5);
/// How long a call may take. A coordinator waits up to 10 s for each resource of an exporter that is gone.
const ANSWERS: Duration = Duration::from_secs(45);

/// Where a coordinator is: `HOST[:PORT]`, with port 20408 unless it is named.
///
/// # Example
/// ```
/// let address: hil_labgrid::CoordinatorAddress = "lab".parse().expect("an address");
/// assert_eq!(address.to_string(), "lab:20408");
/// assert!("http://lab".parse::<hil_labgrid::CoordinatorAddress>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoordinatorAddress(String);

impl FromStr for CoordinatorAddress {
    type Err = LabgridError;

    fn from_str(text: &str) -> Result<Self, LabgridError> {
        let wrong = || LabgridError::Address(text.to_owned());
        let (host, port) = match text.rsplit_once(':') {
            // An IPv6 address without its port ends in `]`.
            Some((host, port)) if !text.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
            _ => (text, PORT),
        };
        let is_bracketed = host.starts_with('[') && host.ends_with(']');
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c) || (is_bracketed && "[]:".contains(c));
        if host.is_empty() || !host.chars().all(is_part) || port == 0 {
            return Err(wrong());
        }
        Ok(Self(format!("{host}:{port}")))
    }
}

impl fmt::Display for CoordinatorAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One HTTP/2 connection to a coordinator.
#[derive(Debug, Clone)]
pub(crate) struct Connection {
    address: CoordinatorAddress,
    channel: Channel,
}

impl Connection {
    pub(crate) async fn open(address: &CoordinatorAddress) -> Result<Self, LabgridError> {
        let unreachable = |source: tonic::transport::Error| LabgridError::Unreachable {
            address: address.to_string(),
            source: innermost(source),
        };
        // A coordinator accepts a ping each 5 s; without one, a host that lost its power would be noticed much later.
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|_| LabgridError::Address(address.to_string()))?
            .connect_timeout(CONNECTS)
            .http2_keep_alive_interval(Duration::from_secs(8))
            .keep_alive_timeout(Duration::from_secs(10))
            .keep_alive_while_idle(true);
        let channel = endpoint.connect().await.map_err(unreachable)?;
        Ok(Self { address: address.clone(), channel })
    }

    pub(crate) fn address(&self) -> &CoordinatorAddress {
        &self.address
    }

    /// Asks the coordinator; `call` is the name of a method.
    pub(crate) async fn call<Q, R>(&self, call: &'static str, question: Q) -> Result<R, LabgridError>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let answer = async {
            let mut grpc = Grpc::new(self.channel.clone());
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            grpc.unary(Request::new(question), path(call), ProstCodec::<Q, R>::default()).await
        };
        match tokio::time::timeout(ANSWERS, answer).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.error(call, &status)),
            Err(_) => Err(LabgridError::Slow { address: self.address.to_string(), call, within: ANSWERS }),
        }
    }

    /// Opens the stream of a session.
    pub(crate) async fn stream<Q, R>(
        &self,
        call: &'static str,
        questions: impl tokio_stream::Stream<Item = Q> + Send + 'static,
    ) -> Result<Streaming<R>, LabgridError>
    where
        Q: Message + 'static,
        R: Message + Default + 'static,
    {
        let stream = async {
            let mut grpc = Grpc::new(self.channel.clone());
            grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            grpc.streaming(Request::new(questions), path(call), ProstCodec::<Q, R>::default()).await
        };
        match tokio::time::timeout(CONNECTS, stream).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(self.error(call, &status)),
            Err(_) => Err(LabgridError::Slow { address: self.address.to_string(), call, within: CONNECTS }),
        }
    }

    /// What a status means.
    pub(crate) fn error(&self, call: &'static str, status: &Status) -> LabgridError {
        let (address, reason) = (self.address.to_string(), status.message().to_owned());
        match status.code() {
            Code::Unavailable | Code::Cancelled | Code::Aborted | Code::ResourceExhausted => {
                LabgridError::Gone { address, reason: said(status) }
            }
            Code::FailedPrecondition if reason.contains("valid session") => LabgridError::NoSession { address },
            Code::Unimplemented | Code::Internal => LabgridError::Foreign { address, reason: said(status) },
            // A connection that broke in the middle of a call; a coordinator's own exceptions come as `Unexpected …`.
            Code::Unknown if !reason.starts_with("Unexpected") => LabgridError::Gone { address, reason: said(status) },
            _ => LabgridError::Refused { call, reason: said(status) },
        }
    }
}

fn path(call: &'static str) -> PathAndQuery {
    match format!("/labgrid.Coordinator/{call}").parse() {
        Ok(path) => path,
        // Names of methods are letters.
        Err(error) => unreachable!("{call}: {error}"),
    }
}

fn said(status: &Status) -> String {
    if status.message().is_empty() { format!("{:?}", status.code()) } else { status.message().to_owned() }
}

/// The cause that says what happened: `transport error` does not.
fn innermost(error: tonic::transport::Error) -> Box<dyn std::error::Error + Send + Sync> {
    let mut cause: &dyn std::error::Error = &error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_a_host_and_perhaps_a_port() {
        let read = |text: &str| text.parse::<CoordinatorAddress>().ok().map(|address| address.to_string());
        assert_eq!(read("lab:99").as_deref(), Some("lab:99"));
        assert_eq!(read("192.168.7.1").as_deref(), Some("192.168.7.1:20408"));
        assert_eq!(read("[::1]").as_deref(), Some("[::1]:20408"));
        assert_eq!(read("[::1]:9").as_deref(), Some("[::1]:9"));
        for text in ["", ":20408", "lab:", "lab:0", "lab:70000", "ws://lab:20408/ws", "lab/x", "a b", "::1"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
