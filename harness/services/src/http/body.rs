//! The body of a response.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::offer::{Act, Offer, Stop};

/// How a connection ends: what the responses and the two ends of their connection know together.
#[derive(Debug, Default)]
pub(super) struct Finish {
    /// The connection is to be reset.
    broken: AtomicBool,
    /// A response stops once its bytes are sent: until then it waits, since hyper drops what is queued when a body fails.
    waits: AtomicBool,
}

/// Bytes that may stop before their end.
#[derive(Debug, Default)]
pub(super) struct FileBody {
    rest: Bytes,
    /// What happens after the last of the bytes.
    stop: Option<Stop>,
    /// The bytes were given out, and the stop waits until they are sent.
    is_stopping: bool,
    finish: Arc<Finish>,
    awaited: Option<Awaited>,
}

/// What of an offer happens only when so much of the body is given out.
#[derive(Debug)]
struct Awaited {
    offer: Offer,
    /// Where the altered byte is in what is not given out yet.
    altered: Option<usize>,
    /// The stop is one that was asked for.
    stops: bool,
}

impl Awaited {
    /// So many bytes are given out.
    fn given(&mut self, length: usize) {
        match self.altered {
            Some(at) if at < length => {
                self.altered = None;
                self.offer.happens(Act::Altered);
            }
            Some(at) => self.altered = Some(at - length),
            None => {}
        }
    }

    /// The body stops.
    fn stops(&mut self) {
        if std::mem::take(&mut self.stops) {
            self.offer.happens(Act::Stop);
        }
    }
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
    pub(super) fn new(bytes: Bytes, stop: Option<Stop>, finish: &Arc<Finish>) -> Self {
        Self { rest: bytes, stop, is_stopping: false, finish: Arc::clone(finish), awaited: None }
    }

    /// It is one of an offer, which is to know when its altered byte is given out, and when it stops.
    pub(super) fn of(self, offer: &Offer, altered: Option<usize>, stops: bool) -> Self {
        Self { awaited: Some(Awaited { offer: offer.clone(), altered, stops }), ..self }
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
            if let Some(awaited) = &mut self.awaited {
                awaited.given(length);
            }
            return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))));
        }
        let Some(stop) = self.stop else { return Poll::Ready(None) };
        if let Some(awaited) = &mut self.awaited {
            awaited.stops();
        }
        if stop == Stop::Stall {
            // The connection's end wakes it.
            return Poll::Pending;
        }
        if !std::mem::replace(&mut self.is_stopping, true) {
            self.finish.waits.store(true, Ordering::Relaxed);
        }
        if self.finish.waits.load(Ordering::Relaxed) {
            // The flush that comes next wakes it.
            return Poll::Pending;
        }
        if stop == Stop::Reset {
            self.finish.broken.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Err(Stopped)))
    }
}

/// The link's end of a connection with the server: when the server closes it, it is reset if the response asked for that.
pub(super) struct FarEnd<S> {
    pub(super) stream: S,
    pub(super) finish: Arc<Finish>,
}

impl<S: AsyncRead + Unpin> AsyncRead for FarEnd<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let at_end = matches!(read, Poll::Ready(Ok(()))) && buffer.filled().len() == before;
        if at_end && self.finish.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for FarEnd<S> {
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

/// The server's end of it: hyper flushes it once all that it has queued is written.
pub(super) struct ServerEnd<S> {
    pub(super) stream: S,
    pub(super) finish: Arc<Finish>,
}

impl<S: AsyncRead + Unpin> AsyncRead for ServerEnd<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ServerEnd<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // The body is polled by the task that flushes.
        if matches!(flushed, Poll::Ready(Ok(()))) && self.finish.waits.swap(false, Ordering::Relaxed) {
            cx.waker().wake_by_ref();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
