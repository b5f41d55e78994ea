//! The socket of a board while the layers above TCP are being agreed on, under a [`Control`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::control::{Conditions, Control, PathDirection};

type Passing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A socket whose silences and delays act on the handshakes of TLS and WebSocket, which [`relay`](crate::relay) does not
/// see. A bandwidth limit does not: a handshake is a few kilobytes.
///
/// It is transparent once the [`Gate`] is opened; the relay then does the rest.
pub struct Gated {
    stream: TcpStream,
    conditions: watch::Receiver<Conditions>,
    open: Arc<AtomicBool>,
    /// Who spoke last: a delay is that of a whole flight, not of each of its packets.
    turn: Option<PathDirection>,
    /// What holds bytes upstream and downstream.
    passing: [Option<Passing>; 2],
}

/// Ends the effect of a control on a [`Gated`] socket.
#[derive(Debug)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    /// The handshakes are over.
    pub fn open(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Gated {
    /// Puts a socket under a control.
    #[must_use]
    pub fn new(stream: TcpStream, control: &Control) -> (Self, Gate) {
        let open = Arc::new(AtomicBool::new(false));
        let gate = Gate(Arc::clone(&open));
        (Self { stream, conditions: control.subscribe(), open, turn: None, passing: [None, None] }, gate)
    }

    fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits until the direction is not silent, and for its delay if the other direction spoke last.
    fn poll_pass(&mut self, direction: PathDirection, cx: &mut Context<'_>) -> Poll<()> {
        let passing = &mut self.passing[usize::from(direction == PathDirection::Downstream)];
        if passing.is_none() {
            let condition = self.conditions.borrow().of(direction);
            let delay = if self.turn == Some(direction) { Duration::ZERO } else { condition.delayed_by() };
            if !condition.is_silent() && delay.is_zero() {
                self.turn = Some(direction);
                return Poll::Ready(());
            }
            *passing = Some(Box::pin(passes(direction, delay, self.conditions.clone())));
        }
        if let Some(waiting) = passing {
            ready!(waiting.as_mut().poll(cx));
        }
        *passing = None;
        self.turn = Some(direction);
        Poll::Ready(())
    }
}

async fn passes(direction: PathDirection, delay: Duration, mut conditions: watch::Receiver<Conditions>) {
    tokio::time::sleep(delay).await;
    // An error means that the control is gone: nothing holds the bytes.
    let _ = conditions.wait_for(|conditions| !conditions.of(direction).is_silent()).await;
}

impl AsyncRead for Gated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !self.is_open() {
            // Bytes, FIN and RST alike are held: they must be there before they can be late.
            let mut first = [0];
            let _ = ready!(self.stream.poll_peek(cx, &mut ReadBuf::new(&mut first)));
            ready!(self.poll_pass(PathDirection::Upstream, cx));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if !self.is_open() {
            ready!(self.poll_pass(PathDirection::Downstream, cx));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.is_open() {
            ready!(self.poll_pass(PathDirection::Downstream, cx));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_open() {
            ready!(self.poll_pass(PathDirection::Downstream, cx));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
