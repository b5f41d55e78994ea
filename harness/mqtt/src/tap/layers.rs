//! Detects the layers between a board's MQTT and TCP by the first byte that it sends.

use std::sync::Arc;
use std::time::Duration;

use hil_link::{ByteStream, ConnectionHandle, Control, Gated, RelayConnection};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ProtocolVersion, ServerConfig};

use super::prefixed::Prefixed;
use crate::endpoint::Transport;
use crate::websocket;

/// How the tap treats TLS.
#[derive(Debug, Clone, Default)]
pub enum TlsMode {
    /// The tap has no certificate: TLS from a board is refused.
    #[default]
    Absent,
    /// The tap terminates TLS and decodes what is inside.
    Terminate {
        /// The certificate of the tap; boards may present one.
        anybody: Arc<ServerConfig>,
        /// The same, but boards must present one.
        with_certificate: Arc<ServerConfig>,
    },
    /// TLS is passed through to the broker without decrypting it.
    PassThrough,
}

/// The protocol that a board's connection begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirstBytes {
    /// Anything else, or nothing: plain MQTT.
    Mqtt,
    /// A TLS handshake record.
    Tls,
    /// `GET …`
    Http,
}

/// MQTT begins with 0x10, TLS with 0x16 (RFC 8446 §5.1), HTTP with a method.
fn first_of(byte: Option<&u8>) -> FirstBytes {
    match byte {
        Some(0x16) => FirstBytes::Tls,
        Some(b'G') => FirstBytes::Http,
        _ => FirstBytes::Mqtt,
    }
}

/// Waits for the first byte without consuming it.
pub(super) async fn sniff(stream: &TcpStream) -> FirstBytes {
    let mut byte = [0];
    match stream.peek(&mut byte).await {
        Ok(1) => first_of(byte.first()),
        // The connection has ended; reading it reports that.
        _ => FirstBytes::Mqtt,
    }
}

/// The connection of a board.
pub(super) struct BoardConnection {
    pub(super) connection: RelayConnection,
    pub(super) transport: Transport,
    /// The layers above TCP, as shown in reports.
    pub(super) layers: Vec<String>,
    /// The board has presented a trusted certificate.
    pub(super) has_certificate: bool,
}

/// Why a board has no connection to the broker.
pub(super) struct Unconnected {
    pub(super) reason: String,
    /// The TLS alert of the board, if the board ended the handshake.
    pub(super) alert: Option<String>,
}

impl From<String> for Unconnected {
    fn from(reason: String) -> Self {
        Self { reason, alert: None }
    }
}

/// How long a board may take for its handshakes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers the handshakes of a board, under its network's silences and delays.
pub(super) async fn accept(
    stream: TcpStream,
    first: FirstBytes,
    (tls, must_show): (&TlsMode, bool),
    control: &Control,
) -> Result<BoardConnection, Unconnected> {
    let has_handshake = match (first, tls) {
        (FirstBytes::Mqtt, _) | (FirstBytes::Tls, TlsMode::PassThrough) => false,
        (FirstBytes::Http, _) | (FirstBytes::Tls, TlsMode::Absent | TlsMode::Terminate { .. }) => true,
    };
    let handle = ConnectionHandle::of(&stream);
    if !has_handshake {
        return lay(stream, handle, first, (tls, must_show)).await;
    }
    let (stream, gate) = Gated::new(stream, control);
    let laid = control.within(PATIENCE, lay(stream, handle, first, (tls, must_show))).await;
    gate.open();
    laid.unwrap_or_else(|| Err("the board did not complete its handshake".to_owned().into()))
}

async fn lay(
    stream: impl ByteStream + 'static,
    handle: ConnectionHandle,
    first: FirstBytes,
    (tls, must_show): (&TlsMode, bool),
) -> Result<BoardConnection, Unconnected> {
    if must_show && first != FirstBytes::Tls {
        return Err("the board presents no certificate, but one is required".to_owned().into());
    }
    match (first, tls) {
        (FirstBytes::Mqtt, _) => Ok(BoardConnection {
            connection: RelayConnection::layered(stream, handle),
            transport: Transport::Tcp,
            layers: Vec::new(),
            has_certificate: false,
        }),
        (FirstBytes::Http, _) => {
            let stream = websocket::accept(stream).await.map_err(no_websocket)?;
            let (connection, layers) = (RelayConnection::layered(stream, handle), vec!["WebSocket".to_owned()]);
            Ok(BoardConnection { connection, transport: Transport::WebSocket, layers, has_certificate: false })
        }
        (FirstBytes::Tls, TlsMode::PassThrough) => {
            let layers = vec![PASSED_THROUGH.to_owned()];
            Ok(BoardConnection {
                connection: RelayConnection::layered(stream, handle),
                transport: Transport::Tls,
                layers,
                has_certificate: false,
            })
        }
        (FirstBytes::Tls, TlsMode::Absent) => {
            Err("the board starts TLS, but the tap has no certificate".to_owned().into())
        }
        (FirstBytes::Tls, TlsMode::Terminate { anybody, with_certificate }) => {
            let config = if must_show { with_certificate } else { anybody };
            let secured = TlsAcceptor::from(Arc::clone(config)).accept(stream).await;
            let mut stream = secured.map_err(|error| Unconnected {
                reason: format!("the TLS handshake with the board failed: {error}"),
                alert: hil_tls::ended_by_client(&error),
            })?;
            let session = stream.get_ref().1;
            let mut layers = vec![version(session.protocol_version()).to_owned()];
            let has_certificate = session.peer_certificates().is_some_and(|shown| !shown.is_empty());
            // The first byte shows whether there is a WebSocket inside.
            let mut inside = Vec::new();
            let _ = (&mut stream).take(1).read_to_end(&mut inside).await;
            let first = first_of(inside.first());
            let stream = Prefixed::new(inside, stream);
            if first != FirstBytes::Http {
                return Ok(BoardConnection {
                    connection: RelayConnection::layered(stream, handle),
                    transport: Transport::Tls,
                    layers,
                    has_certificate,
                });
            }
            layers.push("WebSocket".to_owned());
            let connection = RelayConnection::layered(websocket::accept(stream).await.map_err(no_websocket)?, handle);
            Ok(BoardConnection { connection, transport: Transport::SecureWebSocket, layers, has_certificate })
        }
    }
}

/// How the timeline names TLS that is not decrypted.
pub const PASSED_THROUGH: &str = "TLS, passed through";

fn no_websocket(reason: String) -> String {
    format!("the WebSocket handshake with the board failed: {reason}")
}

fn version(version: Option<ProtocolVersion>) -> &'static str {
    match version {
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        _ => "TLS",
    }
}
