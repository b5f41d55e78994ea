//! MQTT over WebSocket (MQTT 5 §6) as a stream of bytes.

mod buffered;
mod bytes;
mod frame;
#[cfg(test)]
mod tests;

use hil_link::ByteStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};
use tokio_tungstenite::{accept_hdr_async, client_async};

use buffered::Buffered;
use bytes::Role;
pub(crate) use bytes::WebSocketBytes;

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

/// Answers a client's handshake.
pub(crate) async fn accept<S: ByteStream>(stream: S) -> Result<WebSocketBytes<S>, String> {
    let stream = Buffered::before_header(stream);
    let socket = accept_hdr_async(stream, choose_protocol).await.map_err(|error| error.to_string())?;
    Ok(WebSocketBytes::new(socket.into_inner().after_header(), Role::Server))
}

/// Chooses the first subprotocol that the client offers: `mqtt`, or `mqttv3.1` of old clients.
#[expect(clippy::result_large_err, reason = "the library's signature")]
fn choose_protocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let asked = request.headers().get(PROTOCOL).and_then(|value| value.to_str().ok());
    let first = asked.and_then(|all| all.split(',').next()).and_then(|first| HeaderValue::from_str(first.trim()).ok());
    if let Some(protocol) = first {
        response.headers_mut().insert(PROTOCOL, protocol);
    }
    Ok(response)
}

/// Opens a WebSocket at `host:port/path` of a broker.
pub(crate) async fn connect<S: ByteStream>(stream: S, host: &str, path: &str) -> Result<WebSocketBytes<S>, String> {
    let uri: Uri = format!("ws://{host}{path}").parse().map_err(|_| format!("`{host}{path}` is not an address"))?;
    let request = Request::builder()
        .uri(uri)
        .header("Host", host)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key())
        .header(PROTOCOL, "mqtt")
        .body(())
        .map_err(|error| error.to_string())?;
    let stream = Buffered::before_header(stream);
    let (socket, _) = client_async(request, stream).await.map_err(|error| error.to_string())?;
    Ok(WebSocketBytes::new(socket.into_inner().after_header(), Role::Client))
}
