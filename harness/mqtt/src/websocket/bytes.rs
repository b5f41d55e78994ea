//! The payload of a WebSocket's frames as a stream of bytes. Frames are not buffered: payload passes as it arrives.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use hil_link::ByteStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::buffered::Buffered;
use super::frame::{BINARY, CLOSE, CONTINUATION, Header, PING, PONG, broken, unmask};

/// Which end of the WebSocket this is: clients mask what they send, servers don't (RFC 6455 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Client,
    Server,
}

/// The payload of binary frames; frame boundaries have no meaning (MQTT 5 §6.0).
#[derive(Debug)]
pub(crate) struct WebSocketBytes<S> {
    stream: Buffered<S>,
    role: Role,
    /// The part of a header that has arrived.
    header: Vec<u8>,
    /// The current frame, and how much of its payload has arrived.
    frame: Option<(Header, u64)>,
    /// The payload of a control frame.
    control: Vec<u8>,
    /// A message has begun, and has more frames.
    is_open: bool,
    /// The other side sends nothing more.
    is_over: bool,
    /// Close was sent.
    is_closed: bool,
    /// Outgoing frames, and how much of them is written.
    out: Vec<u8>,
    written: usize,
}

/// The largest frame to send.
const LARGEST: usize = 64 * 1024;
/// Pings are not answered while more than this is unsent: only the latest must be answered (RFC 6455 §5.5.3).
const UNSENT: usize = 4 * 1024;
/// Status 1000: normal closure (RFC 6455 §7.4.1).
const NORMAL_CLOSURE: [u8; 2] = 1000_u16.to_be_bytes();

impl<S: ByteStream> WebSocketBytes<S> {
    pub(super) fn new(stream: Buffered<S>, role: Role) -> Self {
        let (header, control, out) = Default::default();
        Self {
            stream,
            role,
            header,
            frame: None,
            control,
            is_open: false,
            is_over: false,
            is_closed: false,
            out,
            written: 0,
        }
    }

    fn queue(&mut self, opcode: u8, payload: &[u8]) {
        let mask = (self.role == Role::Client).then(|| fastrand::u32(..).to_be_bytes());
        Header { opcode, fin: true, length: payload.len() as u64, mask }.write(payload, &mut self.out);
    }

    /// Writes the pending bytes.
    fn send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.out.len() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.out[self.written..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        self.out.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Reads the header of the next frame; false at the end of the stream.
    fn read_header(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        /// The longest header.
        const LONGEST: usize = 14;
        let missing = Header::size(&self.header) - self.header.len();
        let mut bytes = [0; LONGEST];
        let mut read = ReadBuf::new(&mut bytes[..missing]);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        if read.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        self.header.extend(read.filled());
        if self.header.len() == Header::size(&self.header) {
            let header = Header::read(&self.header)?;
            self.header.clear();
            self.begin(header)?;
        }
        Poll::Ready(Ok(true))
    }

    fn begin(&mut self, header: Header) -> io::Result<()> {
        if header.mask.is_some() != (self.role == Role::Server) {
            return Err(broken("a WebSocket client does not mask its frames, or a server does"));
        }
        if !header.is_control() {
            if self.is_open != (header.opcode == CONTINUATION) {
                return Err(broken("the frames of a WebSocket message are out of order"));
            }
            self.is_open = !header.fin;
        }
        self.frame = Some((header, 0));
        self.end_frame();
        Ok(())
    }

    /// Handles the end of a frame.
    fn end_frame(&mut self) {
        let Some((header, _)) = self.frame.take_if(|(header, come)| *come == header.length) else { return };
        let control = std::mem::take(&mut self.control);
        match header.opcode {
            // Answered when this side has sent everything: until then it may still send.
            CLOSE => self.is_over = true,
            PING if !self.is_closed && self.out.len() <= UNSENT => self.queue(PONG, &control),
            _ => {}
        }
    }

    /// Reads payload; false at the end of the stream.
    fn read_payload(
        &mut self,
        cx: &mut Context<'_>,
        (header, come): (Header, u64),
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        let left = usize::try_from(header.length - come).unwrap_or(usize::MAX);
        let mut control = [0; super::frame::LARGEST_CONTROL as usize];
        let room = if header.is_control() {
            &mut control[..left]
        } else {
            let room = left.min(buffer.remaining());
            buffer.initialize_unfilled_to(room)
        };
        let mut read = ReadBuf::new(room);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut read))?;
        let bytes = read.filled_mut();
        if let Some(mask) = header.mask {
            unmask(bytes, mask, come);
        }
        let length = bytes.len();
        if header.is_control() {
            self.control.extend(&*bytes);
        } else {
            buffer.advance(length);
        }
        self.frame = Some((header, come + length as u64));
        self.end_frame();
        Poll::Ready(Ok(length > 0))
    }
}

impl<S: ByteStream> AsyncRead for WebSocketBytes<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        while !self.is_over && buffer.filled().len() == before && buffer.remaining() > 0 {
            let goes_on = match self.frame {
                None => ready!(self.read_header(cx))?,
                Some(frame) => ready!(self.read_payload(cx, frame, buffer))?,
            };
            // FIN without a Close frame also ends the stream.
            self.is_over |= !goes_on;
            // Pongs are written at once if possible; the next write reports an error.
            if !self.out.is_empty() {
                let _ = self.send(cx);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: ByteStream> AsyncWrite for WebSocketBytes<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.send(cx))?;
        if self.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let bytes = &bytes[..bytes.len().min(LARGEST)];
        self.queue(BINARY, bytes);
        // The next write or flush writes the rest.
        if let Poll::Ready(sent) = self.send(cx) {
            sent?;
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Sends Close; the connection below stays open until both sides have sent theirs.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_closed {
            self.is_closed = true;
            self.queue(CLOSE, &NORMAL_CLOSURE);
        }
        self.poll_flush(cx)
    }
}
