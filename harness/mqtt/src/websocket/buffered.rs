//! Buffered reading that does not read past the end of a handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hil_link::ByteStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The end of a request's or an answer's header (RFC 9112 §2.1).
const HEADER_END: &[u8] = b"\r\n\r\n";
/// Frames are mostly smaller: one read returns header and payload.
const AHEAD: usize = 4 * 1024;

/// A stream whose header another library reads; that library must not get the bytes after it.
#[derive(Debug)]
pub(super) struct Buffered<S> {
    stream: S,
    ahead: Vec<u8>,
    at: usize,
    /// How much of the header's end was returned; none if nothing is held back.
    header: Option<usize>,
}

impl<S> Buffered<S> {
    /// A stream that begins with a header.
    pub(super) fn before_header(stream: S) -> Self {
        Self { stream, ahead: Vec::new(), at: 0, header: Some(0) }
    }

    /// The header is complete: later bytes are returned as they come.
    pub(super) fn after_header(self) -> Self {
        Self { header: None, ..self }
    }

    /// How many of these bytes may be returned.
    fn allowed(&mut self, most: usize) -> usize {
        let next = &self.ahead[self.at..];
        let most = most.min(next.len());
        let Some(seen) = &mut self.header else { return most };
        for (n, byte) in next[..most].iter().enumerate() {
            *seen = if *byte == HEADER_END[*seen] { *seen + 1 } else { usize::from(*byte == HEADER_END[0]) };
            if *seen == HEADER_END.len() {
                *seen = 0;
                return n + 1;
            }
        }
        most
    }
}

impl<S: ByteStream> AsyncRead for Buffered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.at == self.ahead.len() {
            if self.header.is_none() && buffer.remaining() >= AHEAD {
                return Pin::new(&mut self.stream).poll_read(cx, buffer);
            }
            let mut ahead = [0; AHEAD];
            let mut read = ReadBuf::new(&mut ahead);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
            self.ahead.clear();
            self.ahead.extend(read.filled());
            self.at = 0;
        }
        let length = self.allowed(buffer.remaining());
        buffer.put_slice(&self.ahead[self.at..self.at + length]);
        self.at += length;
        Poll::Ready(Ok(()))
    }
}

impl<S: ByteStream> AsyncWrite for Buffered<S> {
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
