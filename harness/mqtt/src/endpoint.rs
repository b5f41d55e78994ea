//! Where a broker is and which transport it uses.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hil_link::{ByteStream, ConnectionHandle, RelayConnection, Shortage};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::client_id::{ClientIdRewriter, ClientIds};
use crate::disconnect_reason::DisconnectReasonRewriter;
use crate::websocket;
use hil_tls::{TlsError, TlsIdentity, client_config};

/// The layers between MQTT and TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Plain TCP.
    Tcp,
    /// TLS.
    Tls,
    /// WebSocket.
    WebSocket,
    /// WebSocket over TLS.
    SecureWebSocket,
}

impl Transport {
    /// Whether it includes TLS.
    #[must_use]
    pub fn is_secure(self) -> bool {
        matches!(self, Self::Tls | Self::SecureWebSocket)
    }

    /// The scheme of its URL.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Tcp => "mqtt",
            Self::Tls => "mqtts",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
        }
    }
}

/// An address and transport of a broker.
#[derive(Clone)]
pub struct Endpoint {
    /// Host name or IP address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The layers above TCP.
    pub transport: Transport,
    /// Path of the WebSocket.
    pub path: String,
    /// The CA that TLS trusts; without one, the CAs of this machine.
    pub ca: Option<PathBuf>,
    /// The certificate that TLS presents.
    pub identity: Option<TlsIdentity>,
    /// The client ids of the embedded broker, whose library does not accept everything that MQTT allows: unsupported
    /// client ids and DISCONNECT reasons are replaced on the way to it.
    pub embedded: Option<ClientIds>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// As a URL.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}:{}{}", self.transport.scheme(), self.host, self.port, self.path)
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self::at(address, Transport::Tcp)
    }
}

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a broker may take for its handshakes with a board. Longer than a board waits: those of ESP-IDF wait for 10 s
/// (`network.timeout_ms` of `esp_mqtt_client_config_t`).
const PATIENCE_FOR_BOARDS: Duration = Duration::from_secs(120);

impl Endpoint {
    /// A broker at an address, on plain TCP.
    #[must_use]
    pub fn at(address: SocketAddr, transport: Transport) -> Self {
        let path = if matches!(transport, Transport::WebSocket | Transport::SecureWebSocket) { "/mqtt" } else { "" };
        let (host, port) = (address.ip().to_string(), address.port());
        Self { host, port, transport, path: path.to_owned(), ca: None, identity: None, embedded: None }
    }

    /// The same endpoint with another client certificate.
    #[must_use]
    pub fn with_identity(&self, identity: Option<TlsIdentity>) -> Self {
        Self { identity: identity.or_else(|| self.identity.clone()), ..self.clone() }
    }

    /// Opens a TCP connection without the layers above.
    ///
    /// # Errors
    /// The error of the system, or a timeout of five seconds.
    pub(crate) async fn connect_tcp(&self) -> Result<TcpStream, String> {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        match tokio::time::timeout(PATIENCE, TcpStream::connect((host, self.port))).await {
            Ok(connected) => connected.map_err(|error| match Shortage::of(&error) {
                Some(shortage) => shortage.to_string(),
                None => format!("the broker does not answer: {error}"),
            }),
            Err(_) => Err("the broker does not answer".to_owned()),
        }
    }

    /// Connects with all layers.
    ///
    /// # Errors
    /// What went wrong, as readable text.
    pub async fn connect(&self) -> Result<RelayConnection, String> {
        let stream = self.connect_tcp().await?;
        self.layer(stream, PATIENCE).await
    }

    /// Connects with all layers for a board, which has its own limit: it must see a broker that is paused as one.
    pub(crate) async fn connect_board(&self) -> Result<RelayConnection, String> {
        let stream = self.connect_tcp().await?;
        self.layer(stream, PATIENCE_FOR_BOARDS).await
    }

    /// Adds the layers to a connection.
    async fn layer(&self, stream: TcpStream, patience: Duration) -> Result<RelayConnection, String> {
        match tokio::time::timeout(patience, self.lay(stream)).await {
            Ok(laid) => laid,
            Err(_) => Err(format!("the broker does not complete the {} handshake", self.transport.scheme())),
        }
    }

    /// A connection on plain TCP.
    pub(crate) fn plain(&self, stream: TcpStream) -> RelayConnection {
        let handle = ConnectionHandle::of(&stream);
        self.relay_connection(stream, handle)
    }

    fn relay_connection(&self, stream: impl ByteStream + 'static, handle: ConnectionHandle) -> RelayConnection {
        match &self.embedded {
            Some(ids) => RelayConnection::layered(
                DisconnectReasonRewriter::new(ClientIdRewriter::new(stream, ids.clone())),
                handle,
            ),
            None => RelayConnection::layered(stream, handle),
        }
    }

    async fn lay(&self, stream: TcpStream) -> Result<RelayConnection, String> {
        let handle = ConnectionHandle::of(&stream);
        let host = format!("{}:{}", self.host, self.port);
        let no_websocket = |reason: String| format!("the broker refuses the WebSocket: {reason}");
        match self.transport {
            Transport::Tcp => Ok(self.relay_connection(stream, handle)),
            Transport::WebSocket => {
                let stream = websocket::connect(stream, &host, &self.path).await.map_err(no_websocket)?;
                Ok(self.relay_connection(stream, handle))
            }
            Transport::Tls => Ok(self.relay_connection(self.secure(stream).await?, handle)),
            Transport::SecureWebSocket => {
                let stream = self.secure(stream).await?;
                let stream = websocket::connect(stream, &host, &self.path).await.map_err(no_websocket)?;
                Ok(self.relay_connection(stream, handle))
            }
        }
    }

    async fn secure(&self, stream: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
        let config = self.tls().map_err(|error| error.to_string())?;
        let name =
            ServerName::try_from(self.host.clone()).map_err(|_| format!("`{}` is not a host name", self.host))?;
        let secured = TlsConnector::from(config).connect(name, stream).await;
        secured.map_err(|error| format!("the TLS handshake with the broker failed: {error}"))
    }

    /// Reads the TLS settings from their files.
    ///
    /// # Errors
    /// When a file can't be used.
    pub fn tls(&self) -> Result<Arc<ClientConfig>, TlsError> {
        client_config(self.ca.as_deref(), self.identity.as_ref())
    }
}

/// The endpoints of a running broker.
#[derive(Clone)]
pub struct Offers {
    /// The endpoint of the harness.
    pub observer: Endpoint,
    /// Its user and password.
    pub observer_login: Option<(String, String)>,
    /// The endpoints for boards; the first is the one for boards on plain TCP.
    pub boards: Vec<Endpoint>,
}

/// Leaves out passwords.
impl fmt::Debug for Offers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offers").field("observer", &self.observer).field("boards", &self.boards).finish_non_exhaustive()
    }
}

impl Offers {
    /// A broker on plain TCP.
    #[must_use]
    pub fn plain(address: SocketAddr) -> Self {
        Self { observer: address.into(), observer_login: None, boards: vec![address.into()] }
    }

    /// The endpoint for a board that uses this transport: one with the same transport, if there is one.
    #[must_use]
    pub fn for_boards(&self, transport: Transport) -> Option<&Endpoint> {
        self.boards.iter().find(|endpoint| endpoint.transport == transport).or(self.boards.first())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use tokio::time::Instant;

    use super::*;

    /// The system accepts connections for a broker that is paused, and nothing answers.
    #[tokio::test(start_paused = true)]
    async fn a_broker_that_is_paused_lets_boards_wait_longer_than_they_do() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("listens");
        let endpoint = Endpoint::at(listener.local_addr().expect("address"), Transport::WebSocket);
        let begin = Instant::now();
        let error = endpoint.connect().await.expect_err("nothing answers");
        assert_eq!((error.as_str(), begin.elapsed().as_secs()), ("the broker does not complete the ws handshake", 5));
        let begin = Instant::now();
        endpoint.connect_board().await.expect_err("nothing answers");
        assert!(begin.elapsed() > Duration::from_secs(60), "{:?}", begin.elapsed());
    }
}
