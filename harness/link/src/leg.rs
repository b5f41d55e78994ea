//! One end of a path: a TCP connection, with or without layers above it.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Carries bytes both ways: TCP itself, or TLS or WebSocket above it.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One end of a path.
pub struct Leg {
    pub(crate) stream: Box<dyn Stream>,
    socket: Option<socket2::Socket>,
}

impl fmt::Debug for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leg").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Leg {
    /// A connection without layers.
    #[must_use]
    pub fn plain(stream: TcpStream) -> Self {
        let grip = Grip::on(&stream);
        Self::layered(stream, grip)
    }

    /// A connection with layers above TCP; the grip was taken before they were laid.
    #[must_use]
    pub fn layered(stream: impl Stream + 'static, grip: Grip) -> Self {
        Self { stream: Box::new(stream), socket: grip.0 }
    }

    /// The stream itself.
    #[must_use]
    pub fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    pub(crate) fn split(self) -> (Box<dyn Stream>, Grip) {
        (self.stream, Grip(self.socket))
    }
}

/// A hold on the TCP socket below the layers: what can still reset it.
#[derive(Debug)]
pub struct Grip(Option<socket2::Socket>);

impl Grip {
    /// Takes hold of a connection's socket.
    #[must_use]
    pub fn on(stream: &TcpStream) -> Self {
        // Small packets must not wait for each other: a harness measures milliseconds.
        let _ = stream.set_nodelay(true);
        // Without a second descriptor (none is left) the connection can only be closed, not reset.
        Self(socket2::SockRef::from(stream).try_clone().ok())
    }

    /// What is closed from here on is closed with RST: a linger time of zero discards what is queued.
    pub fn make_hard(&self) {
        if let Some(socket) = &self.0 {
            // A socket that refuses the option is already gone.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }
}
