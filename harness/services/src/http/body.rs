//! The body of a response.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};

use super::offer::Stop;

/// Bytes that may stop before their end.
#[derive(Debug, Default)]
pub(super) struct FileBody {
    rest: Bytes,
    /// What happens after the last of the bytes.
    stop: Option<Stop>,
    /// Set to have the connection reset.
    broken: Arc<AtomicBool>,
}

/// The response ends before its end, as it was asked to.
#[derive(Debug, thiserror::Error)]
#[error("the response stops here")]
pub(super) struct Stopped;

impl From<Infallible> for Stopped {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl FileBody {
    pub(super) fn new(bytes: Bytes, stop: Option<Stop>, broken: &Arc<AtomicBool>) -> Self {
        Self { rest: bytes, stop, broken: Arc::clone(broken) }
    }
}

impl Body for FileBody {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        /// Small pieces: what is queued is not yet sent.
        const PIECE: usize = 4096;
        if !self.rest.is_empty() {
            let length = self.rest.len().min(PIECE);
            return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))));
        }
        match self.stop {
            None => Poll::Ready(None),
            // The connection's end wakes it.
            Some(Stop::Stall) => Poll::Pending,
            Some(Stop::Close) => Poll::Ready(Some(Err(Stopped))),
            Some(Stop::Reset) => {
                self.broken.store(true, Ordering::Relaxed);
                Poll::Ready(Some(Err(Stopped)))
            }
        }
    }
}

/// The server's end of a path: when the server closes it, the path is reset if the response asked for that.
pub(super) struct ServerEnd<S> {
    pub(super) stream: S,
    pub(super) broken: Arc<AtomicBool>,
}

impl<S: tokio::io::AsyncRead + Unpin> tokio::io::AsyncRead for ServerEnd<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let at_end = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        if at_end && self.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        read
    }
}

impl<S: tokio::io::AsyncWrite + Unpin> tokio::io::AsyncWrite for ServerEnd<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
