//! The client's connection: TCP, TLS, WebSocket.

use std::rc::Rc;
use std::sync::Arc;

use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::{WebSocketStream, client_async};

use super::codec::Incoming;
use super::packet::{Connect, Version};
use crate::app::Platform;
use crate::nvs::Nvs;
use crate::radio::Radio;

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A connection and the bytes received so far.
pub(super) struct Connection {
    layer: Layer,
    buffer: Vec<u8>,
    radio: Radio,
    socket: Rc<TcpStream>,
}

enum Layer {
    Bytes(Box<dyn Stream>),
    Frames(Box<WebSocketStream<Box<dyn Stream>>>),
}

impl Connection {
    pub(super) async fn open(platform: &Platform, connect: &Connect) -> Result<Self, String> {
        let nvs = &platform.nvs;
        let host = nvs.text("mqtt", "host").unwrap_or_else(|| "127.0.0.1".to_owned());
        let port = nvs.number("mqtt", "port").unwrap_or(1883);
        let refused = |error: std::io::Error| error.kind().to_string();
        let (socket, stream) = platform.radio.open(&host, port).await.map_err(refused)?;
        let radio = platform.radio.clone();
        let hang_up = |problem: String| {
            radio.hang_up(&socket);
            problem
        };
        let layer = lay(Box::new(stream), connect, nvs, &host, port).await.map_err(hang_up)?;
        Ok(Self { layer, buffer: Vec::new(), radio, socket })
    }

    pub(super) async fn send(&mut self, bytes: Vec<u8>) -> Result<(), String> {
        match &mut self.layer {
            Layer::Bytes(stream) => {
                stream.write_all(&bytes).await.map_err(|error| error.kind().to_string())?;
                stream.flush().await.map_err(|error| error.kind().to_string())
            }
            Layer::Frames(socket) => {
                socket.send(Message::Binary(bytes.into())).await.map_err(|error| error.to_string())
            }
        }
    }

    /// The next packets. Cancel-safe.
    pub(super) async fn receive(&mut self, version: Version) -> Result<Vec<Incoming>, String> {
        match &mut self.layer {
            Layer::Bytes(stream) => {
                let mut chunk = vec![0; 16 * 1024];
                match stream.read(&mut chunk).await {
                    Ok(0) => return Err("closed".to_owned()),
                    Ok(length) => self.buffer.extend(&chunk[..length]),
                    Err(error) => return Err(error.kind().to_string()),
                }
            }
            Layer::Frames(socket) => match socket.next().await {
                Some(Ok(Message::Binary(bytes))) => self.buffer.extend(bytes),
                Some(Ok(Message::Close(_))) | None => return Err("closed".to_owned()),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.to_string()),
            },
        }
        let mut packets = Vec::new();
        while let Some(packet) = Incoming::take(&mut self.buffer, version) {
            packets.push(packet?);
        }
        Ok(packets)
    }

    /// Ends the connection with FIN.
    pub(super) async fn close(mut self) {
        // A peer that does not answer is disconnected anyway.
        let _ = match &mut self.layer {
            Layer::Bytes(stream) => stream.shutdown().await.map_err(|_| ()),
            Layer::Frames(socket) => WebSocketStream::close(socket, None).await.map_err(|_| ()),
        };
        self.radio.hang_up(&self.socket);
    }
}

async fn lay(stream: Box<dyn Stream>, connect: &Connect, nvs: &Nvs, host: &str, port: u16) -> Result<Layer, String> {
    let stream = if connect.over.tls { secure(stream, connect, nvs, host).await? } else { stream };
    if !connect.over.websocket {
        return Ok(Layer::Bytes(stream));
    }
    let url = format!("ws://{host}:{port}/mqtt");
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    let (socket, _) = client_async(request, stream).await.map_err(|error| error.to_string())?;
    Ok(Layer::Frames(Box::new(socket)))
}

/// Trusts the CA in `tls.ca`, and presents `tls.cert` if asked to.
async fn secure(stream: Box<dyn Stream>, connect: &Connect, nvs: &Nvs, host: &str) -> Result<Box<dyn Stream>, String> {
    let mut roots = RootCertStore::empty();
    if connect.trusts_bench {
        let pem = nvs.text("tls", "ca").unwrap_or_default();
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes()).flatten();
        roots.add_parsable_certificates(certificates);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots);
    let config = if connect.shows_certificate {
        let cert = nvs.text("tls", "cert").unwrap_or_default();
        let key = nvs.text("tls", "key").unwrap_or_default();
        let chain = CertificateDer::pem_slice_iter(cert.as_bytes()).flatten().collect();
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| error.to_string())?;
        builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?
    } else {
        builder.with_no_client_auth()
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    let secured = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    secured.map(|stream| Box::new(stream) as Box<dyn Stream>).map_err(|error| format!("TLS: {error}"))
}
