//! One end of a path: a TCP connection, with or without layers above it.

use std::fmt;
use std::net::Shutdown;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Carries bytes in both directions: TCP itself, or TLS or WebSocket above it.
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
    /// A plain TCP connection.
    #[must_use]
    pub fn plain(stream: TcpStream) -> Self {
        let handle = ConnectionHandle::of(&stream);
        Self::layered(stream, handle)
    }

    /// A connection with layers above TCP; the handle is made before the layers are added.
    #[must_use]
    pub fn layered(stream: impl ByteStream + 'static, handle: ConnectionHandle) -> Self {
        Self { stream: Box::new(stream), socket: handle.0 }
    }

    /// An end in this process, without a socket: closing it is all that can be done to it.
    #[must_use]
    pub fn inside(stream: impl ByteStream + 'static) -> Self {
        Self { stream: Box::new(stream), socket: None }
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

/// A handle on the TCP socket below the layers, which can still reset it.
#[derive(Debug)]
pub struct ConnectionHandle(Option<socket2::Socket>);

impl ConnectionHandle {
    /// The handle of a connection's socket.
    #[must_use]
    pub fn of(stream: &TcpStream) -> Self {
        // Small packets must not wait for each other: the harness measures milliseconds.
        let _ = stream.set_nodelay(true);
        // Without a free file descriptor the connection can only be closed, not reset.
        Self(socket2::SockRef::from(stream).try_clone().ok())
    }

    /// Closes this side with FIN, also where bytes were not read: the system would reset the connection for them.
    pub fn close_in_order(&self) {
        let Some(socket) = &self.0 else { return };
        // A socket that refuses is closed already.
        let _ = socket.shutdown(Shutdown::Write);
        let mut unread = [std::mem::MaybeUninit::uninit(); 4096];
        // Never blocks: it is the socket of a task.
        while socket.recv(&mut unread).is_ok_and(|length| length > 0) {}
    }

    /// From now on a close sends RST: a linger time of zero discards what is queued.
    pub fn close_with_reset(&self) {
        if let Some(socket) = &self.0 {
            // A socket that refuses the option is closed already.
            let _ = socket.set_linger(Some(Duration::ZERO));
        }
    }
}
