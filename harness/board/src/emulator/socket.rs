//! A console by TCP: the emulator connects to us, so that nothing that it prints comes too early. What it prints goes
//! into the board's terminal, what is typed there to the emulator.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// A listener of this machine, and what carries its connections.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) address: SocketAddr,
    asks: UnboundedSender<SyncSender<()>>,
    task: JoinHandle<()>,
}

impl Socket {
    /// Listens; `terminal` is a side that never blocks.
    #[expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
    pub(super) async fn open(terminal: OwnedFd) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        // SAFETY: the descriptor is owned by the `AsyncFd` from here on, and nothing replaces or closes it before.
        let terminal = unsafe { AsyncFd::register(terminal)? };
        let (asks, asked) = unbounded_channel();
        Ok(Self { address, asks, task: tokio::spawn(serve(listener, terminal, asked)) })
    }

    /// Waits until all that an emulator has sent that is gone is in the terminal. Blocks its thread.
    pub(super) fn wait_until_carried(&self) {
        /// Without a reader, the terminal may be full.
        const PATIENCE: Duration = Duration::from_secs(3);
        let (reply, replied) = sync_channel(1);
        if self.asks.send(reply).is_ok() {
            let _ = replied.recv_timeout(PATIENCE);
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection after the other.
async fn serve(listener: TcpListener, terminal: AsyncFd<OwnedFd>, mut asked: UnboundedReceiver<SyncSender<()>>) {
    loop {
        let (stream, ask) = tokio::select! {
            accepted = listener.accept() => (accepted.ok().map(|(stream, _)| stream), None),
            ask = asked.recv() => match ask {
                // Something may be connected that is not accepted yet.
                Some(ask) => (waiting(&listener), Some(ask)),
                None => return,
            },
        };
        if let Some(stream) = stream {
            // The end of a connection is that of the emulator, which is noticed by its process.
            let _ = carry(stream, &terminal).await;
        }
        if let Some(ask) = ask {
            let _ = ask.send(());
        }
    }
}

/// A connection that waits to be accepted.
fn waiting(listener: &TcpListener) -> Option<TcpStream> {
    let stream = std::net::TcpStream::from(rustix::net::accept(listener).ok()?);
    stream.set_nonblocking(true).ok()?;
    TcpStream::from_std(stream).ok()
}

/// Carries both ways until the emulator closes the connection.
async fn carry(mut stream: TcpStream, terminal: &AsyncFd<OwnedFd>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut from, mut to) = stream.split();
    let printed = async {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let length = from.read(&mut buffer).await?;
            if length == 0 {
                return Ok(());
            }
            let mut rest = &buffer[..length];
            while !rest.is_empty() {
                let written = terminal.async_io(Interest::WRITABLE, |side| write(side, rest)).await?;
                rest = &rest[written..];
            }
        }
    };
    let typed = async {
        let mut buffer = [0; 1024];
        while let Ok(length) =
            terminal.async_io(Interest::READABLE, |side| Ok(rustix::io::read(side, &mut buffer)?)).await
        {
            if length == 0 || to.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
        // What it printed before is still read.
        pending::<()>().await;
    };
    tokio::select! {
        ended = printed => ended,
        () = typed => Ok(()),
    }
}

fn write(side: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    match rustix::io::write(side, bytes) {
        Err(Errno::INTR) => Ok(0),
        written => Ok(written?),
    }
}
