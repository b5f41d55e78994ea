//! The board's Wi-Fi, reduced to its TCP connections.
//!
//! Bytes go to real sockets of this machine. When the board loses its power or is reset, its sockets fall silent: no
//! FIN, no RST. After the next boot, late segments of the earlier connections are answered with RST.

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use hil_link::Parked;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The radio; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Radio {
    open: Rc<RefCell<Vec<Rc<TcpStream>>>>,
    parked: Parked,
}

/// An app's end of a connection. Dropping it without [`Socket::close`] leaves the connection silent, as a power cut
/// does.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Rc<TcpStream>,
    radio: Radio,
}

/// A connection as a stream. Dropping it leaves the connection silent, as a power cut does.
#[derive(Debug)]
pub(crate) struct Air(Rc<TcpStream>);

impl AsyncRead for Air {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.0.try_read(buffer.initialize_unfilled()) {
                Ok(length) => {
                    buffer.advance(length);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Air {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(socket2::SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write))
    }
}

impl Radio {
    pub(crate) async fn connect(&self, host: &str, port: u16) -> io::Result<Socket> {
        let mut failed = io::Error::from(io::ErrorKind::HostUnreachable);
        for address in tokio::net::lookup_host((host, port)).await? {
            match self.connect_to(address).await {
                Ok(stream) => return Ok(Socket { stream, radio: self.clone() }),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    async fn connect_to(&self, address: SocketAddr) -> io::Result<Rc<TcpStream>> {
        let stream = Rc::new(connecting(address)?);
        // Known before it is connected: the system may accept it while the supply falls, and dropping it would be a FIN.
        self.open.borrow_mut().push(Rc::clone(&stream));
        stream.writable().await?;
        match stream.take_error()? {
            Some(error) => {
                self.hang_up(&stream);
                Err(error)
            }
            None => Ok(stream),
        }
    }

    /// A connection for further layers, with the handle that ends it.
    pub(crate) async fn open(&self, host: &str, port: u16) -> io::Result<(Rc<TcpStream>, Air)> {
        let socket = self.connect(host, port).await?;
        Ok((Rc::clone(&socket.stream), Air(socket.stream)))
    }

    /// Ends a connection with FIN when it is not used any more.
    pub(crate) fn hang_up(&self, stream: &Rc<TcpStream>) {
        self.open.borrow_mut().retain(|open| !Rc::ptr_eq(open, stream));
    }

    /// The chip lost its state: open connections are parked silently. Call after the app is dropped.
    pub(crate) fn lose_all(&self) {
        for stream in self.open.borrow_mut().drain(..) {
            if let Some(stream) = Rc::into_inner(stream) {
                self.parked.park(stream);
            }
        }
    }

    /// The chip has restarted and has no earlier connections.
    pub(crate) fn is_back(&self) {
        self.parked.device_restarted();
    }
}

/// A socket that has begun to connect.
fn connecting(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => return Err(error),
        _ => {}
    }
    TcpStream::from_std(socket.into())
}

impl Socket {
    /// The next bytes; none when the peer ended the connection.
    pub(crate) async fn receive(&self) -> io::Result<Vec<u8>> {
        let mut buffer = vec![0; 4096];
        loop {
            self.stream.readable().await?;
            match self.stream.try_read(&mut buffer) {
                Ok(length) => {
                    buffer.truncate(length);
                    return Ok(buffer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(crate) async fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.stream.writable().await?;
            match self.stream.try_write(bytes) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends the connection with FIN, as an app does.
    pub(crate) fn close(self) {
        self.radio.open.borrow_mut().retain(|open| !Rc::ptr_eq(open, &self.stream));
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;

    use super::*;

    /// The system has accepted the connection, and the app does not know it yet.
    #[tokio::test]
    async fn a_supply_that_falls_while_a_connection_is_opened_sends_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listens");
        let port = listener.local_addr().expect("address").port();
        let radio = Radio::default();
        {
            let mut connecting = Box::pin(radio.connect("127.0.0.1", port));
            while radio.open.borrow().is_empty() {
                let poll = std::future::poll_fn(|cx| Poll::Ready(connecting.as_mut().poll(cx).is_pending()));
                assert!(poll.await, "not known before it is connected");
                tokio::task::yield_now().await;
            }
        }
        radio.lose_all();
        let (mut accepted, _) = listener.accept().await.expect("accepted by the system");
        let silent = tokio::time::timeout(std::time::Duration::from_millis(100), accepted.read(&mut [0])).await;
        assert!(silent.is_err(), "{silent:?}");
        radio.is_back();
    }
}
