//! The socket of a board while the layers above TCP are being agreed on, under a [`Control`].

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::control::{Conditions, Control, PathDirection};

/// A socket whose silences act on the handshakes of TLS and WebSocket, which [`relay`](crate::relay) does not see. Delays
/// and bandwidth limits do not: they are those of what the board says.
///
/// Nothing is read in a silence. What is written in one is held, as in the buffer of a socket, so that the handshake goes on
/// where the other direction is not silent; reading and writing deliver it when the silence ends. Once the [`Gate`] is open
/// and nothing is held, this is the socket alone.
pub struct Gated {
    stream: TcpStream,
    conditions: watch::Receiver<Conditions>,
    open: Arc<AtomicBool>,
    held: Vec<u8>,
    /// The ends of silences upstream and downstream, while something waits for them.
    audible: [Option<Audible>; 2],
}

type Audible = Pin<Box<dyn Future<Output = ()> + Send>>;

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
    /// What is held at most: a server's part of a handshake is a few kilobytes.
    const MOST_HELD: usize = 64 * 1024;

    /// Puts a socket under a control.
    #[must_use]
    pub fn new(stream: TcpStream, control: &Control) -> (Self, Gate) {
        let open = Arc::new(AtomicBool::new(false));
        let gate = Gate(Arc::clone(&open));
        (Self { stream, conditions: control.subscribe(), open, held: Vec::new(), audible: [None, None] }, gate)
    }

    fn is_gated(&self) -> bool {
        !self.open.load(Ordering::Relaxed)
    }

    /// Waits until the direction is not silent.
    fn poll_audible(&mut self, direction: PathDirection, cx: &mut Context<'_>) -> Poll<()> {
        let is_silent = || self.conditions.borrow().of(direction).is_silent();
        let audible = &mut self.audible[usize::from(direction == PathDirection::Downstream)];
        if audible.is_none() && !is_silent() {
            return Poll::Ready(());
        }
        let conditions = &self.conditions;
        ready!(audible.get_or_insert_with(|| ends(direction, conditions.clone())).as_mut().poll(cx));
        *audible = None;
        Poll::Ready(())
    }

    /// Delivers what is held.
    fn poll_deliver(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            ready!(self.poll_audible(PathDirection::Downstream, cx));
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.held))?;
            self.held.drain(..written);
        }
        Poll::Ready(Ok(()))
    }
}

fn ends(direction: PathDirection, mut conditions: watch::Receiver<Conditions>) -> Audible {
    Box::pin(async move {
        // An error means that the control is gone: nothing is silent any more.
        let _ = conditions.wait_for(|conditions| !conditions.of(direction).is_silent()).await;
    })
}

impl AsyncRead for Gated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        // A reader waits for an answer to what is held: it delivers that first. An error shows at the next write.
        let _ = self.poll_deliver(cx);
        if self.is_gated() {
            ready!(self.poll_audible(PathDirection::Upstream, cx));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Gated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let delivered = self.poll_deliver(cx)?;
        let is_silent = self.conditions.borrow().of(PathDirection::Downstream).is_silent();
        if self.is_gated() && (delivered.is_pending() || is_silent) {
            let taken = bytes.len().min(Self::MOST_HELD.saturating_sub(self.held.len()));
            if taken > 0 {
                self.held.extend_from_slice(&bytes[..taken]);
                return Poll::Ready(Ok(taken));
            }
        }
        ready!(self.poll_deliver(cx))?;
        if self.is_gated() {
            ready!(self.poll_audible(PathDirection::Downstream, cx));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    /// A flight of TLS is one segment, as it is without the gate: clients behave differently if it comes in parts.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let is_silent = self.conditions.borrow().of(PathDirection::Downstream).is_silent();
        if self.held.is_empty() && !(self.is_gated() && is_silent) {
            return Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        }
        let first = parts.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
        self.poll_write(cx, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_deliver(cx))?;
        if self.is_gated() {
            ready!(self.poll_audible(PathDirection::Downstream, cx));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
