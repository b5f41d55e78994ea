//! MQTT over WebSocket (MQTT 5 §6) as a stream of bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, Bytes};
use futures::{Sink as _, Stream as _};
use hil_link::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, client_async};

const PROTOCOL: &str = "Sec-WebSocket-Protocol";

/// The bytes inside binary frames; where frames begin and end means nothing (MQTT 5 §6.0).
pub(crate) struct WebSocketBytes<S> {
    socket: WebSocketStream<S>,
    left: Bytes,
}

/// Answers the handshake of a client.
pub(crate) async fn accept<S: Stream>(stream: S) -> Result<WebSocketBytes<S>, String> {
    let socket = accept_hdr_async(stream, choose_protocol).await.map_err(|error| error.to_string())?;
    Ok(WebSocketBytes { socket, left: Bytes::new() })
}

/// Takes the first protocol that is asked for: `mqtt`, or `mqttv3.1` from old clients.
#[expect(clippy::result_large_err, reason = "the library's signature")]
fn choose_protocol(request: &Request, mut response: Response) -> Result<Response, ErrorResponse> {
    let asked = request.headers().get(PROTOCOL).and_then(|value| value.to_str().ok());
    let first = asked.and_then(|all| all.split(',').next()).and_then(|first| HeaderValue::from_str(first.trim()).ok());
    if let Some(protocol) = first {
        response.headers_mut().insert(PROTOCOL, protocol);
    }
    Ok(response)
}

/// Asks a broker for a WebSocket at `host:port/path`.
pub(crate) async fn connect<S: Stream>(stream: S, host: &str, path: &str) -> Result<WebSocketBytes<S>, String> {
    let uri: Uri = format!("ws://{host}{path}").parse().map_err(|_| format!("`{host}{path}` is no address"))?;
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
    let (socket, _) = client_async(request, stream).await.map_err(|error| error.to_string())?;
    Ok(WebSocketBytes { socket, left: Bytes::new() })
}

fn broken(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => io::Error::other(other),
    }
}

impl<S: Stream> AsyncRead for WebSocketBytes<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        while self.left.is_empty() {
            self.left = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => bytes,
                // Pings are answered below; text is no MQTT, and passes as the bytes it is.
                Some(Ok(Message::Text(text))) => text.into(),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                None
                | Some(
                    Ok(Message::Close(_))
                    | Err(
                        Error::ConnectionClosed
                        | Error::AlreadyClosed
                        // FIN without a Close frame.
                        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake),
                    ),
                ) => {
                    return Poll::Ready(Ok(()));
                }
                Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            };
        }
        let length = self.left.len().min(buffer.remaining());
        buffer.put_slice(&self.left[..length]);
        self.left.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl<S: Stream> AsyncWrite for WebSocketBytes<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(Pin::new(&mut self.socket).poll_ready(cx)).map_err(broken)?;
        let message = Message::Binary(Bytes::copy_from_slice(bytes));
        Pin::new(&mut self.socket).start_send(message).map_err(broken)?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx).map_err(broken)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match ready!(Pin::new(&mut self.socket).poll_close(cx)) {
            Ok(()) | Err(Error::ConnectionClosed | Error::AlreadyClosed) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(broken(error))),
        }
    }
}
