//! One end of a path: a TCP connection, with or without layers above it.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Carries bytes both directions: TCP itself, or TLS or WebSocket above it.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

/// One end of a path.
pub struct RelayConnection {
    pub(crate) stream: Box<dyn ByteStream>,
    socket: Option<socket2::Socket>,
}

impl fmt::Debug for RelayConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RelayConnection").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl RelayConnection {
    /// A connection without layers.
    #[must_use]
    pub fn plain(stream: TcpStream) -> Self {
        let handle = ConnectionHandle::of(&stream);
        Self::layered(stream, handle)
    }

    /// A connection with layers above TCP; the handle was taken before they were laid.
    #[must_use]
    pub fn layered(stream: impl ByteStream + 'static, handle: ConnectionHandle) -> Self {
        Self { stream: Box::new(stream), socket: handle.0 }
    }

    /// The stream itself.
    #[must_use]
    pub fn into_stream(self) -> Box<dyn ByteStream> {
        self.stream
    }

    pub(crate) fn split(self) -> (Box<dyn ByteStream>, ConnectionHandle) {
        (self.stream, ConnectionHandle(self.socket))
    }
}

/// A hold on the TCP socket below the layers: what can still reset it.
#[derive(Debug)]
pub struct ConnectionHandle(Option<socket2::Socket>);

impl ConnectionHandle {
    /// Takes hold of a connection's socket.
    #[must_use]
    pub fn of(stream: &TcpStream) -> Self {
        // Small packets must not wait for each other: a harness measures milliseconds.
        let _ = stream.set_nodelay(true);
        // Without a second descriptor (none is left) the connection can only be closed, not reset.
        Self(socket2::SockRef::from(stream).try_clone().ok())
    }

    /// What is closed from here on is closed with RST: a linger time of zero discards what is queued.
    pub fn close_with_reset(&self) {
        if let Some(socket) = &self.0 {
            // A socket that refuses the option is already gone.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }
}
