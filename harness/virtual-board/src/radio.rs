//! The board's Wi-Fi, as far as its TCP connections go.
//!
//! The air carries bytes to real sockets of this machine. When the board loses its power or is reset, its sockets
//! fall silent: no FIN, no RST. After the next boot, late segments of that former life are answered with RST.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;

use hil_link::Parked;
use tokio::net::TcpStream;

/// The radio; clones are the same radio.
#[derive(Debug, Clone, Default)]
pub(crate) struct Radio {
    open: Rc<RefCell<Vec<Rc<TcpStream>>>>,
    parked: Parked,
}

/// An app's end of a connection. Dropping it without [`Socket::close`] leaves the connection as a power cut does.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Rc<TcpStream>,
    radio: Radio,
}

impl Radio {
    pub(crate) async fn connect(&self, host: &str, port: u16) -> io::Result<Socket> {
        let stream = TcpStream::connect((host, port)).await?;
        stream.set_nodelay(true)?;
        let stream = Rc::new(stream);
        self.open.borrow_mut().push(Rc::clone(&stream));
        Ok(Socket { stream, radio: self.clone() })
    }

    /// The chip lost its state: what was open is parked, silently. The app must be gone already.
    pub(crate) fn lose_all(&self) {
        for stream in self.open.borrow_mut().drain(..) {
            if let Some(stream) = Rc::into_inner(stream) {
                self.parked.park(stream);
            }
        }
    }

    /// The chip runs again and knows nothing of its former connections.
    pub(crate) fn is_back(&self) {
        self.parked.owner_is_back();
    }
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

    /// Ends the connection with FIN, as an app does in good order.
    pub(crate) fn close(self) {
        self.radio.open.borrow_mut().retain(|open| !Rc::ptr_eq(open, &self.stream));
    }
}
