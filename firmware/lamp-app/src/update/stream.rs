//! What HTTP runs over: TCP, or TLS over TCP.

use embassy_net::tcp::TcpSocket;
use embedded_io_async::{Read, Write};
use embedded_tls::{Aes128GcmSha256, TlsConnection, TlsError};

/// The connection was reset, or what came is no TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

/// TLS over TCP, as [`super::tls::open`] opens it.
pub(super) type Secured<'a, 's> = TlsConnection<'a, &'a mut TcpSocket<'s>, Aes128GcmSha256>;

/// Bytes in order, both ways.
pub(super) trait Stream {
    /// Reads some bytes; 0 at the end.
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken>;

    /// Sends all bytes.
    async fn send(&mut self, bytes: &[u8]) -> Result<(), Broken>;
}

impl Stream for TcpSocket<'_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        TcpSocket::read(self, buffer).await.map_err(|_| Broken)
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.write_all(bytes).await.map_err(|_| Broken)
    }
}

impl Stream for Secured<'_, '_> {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Broken> {
        match Read::read(self, buffer).await {
            Ok(length) => Ok(length),
            // The server's `close_notify` (RFC 8446 §6.1).
            Err(TlsError::ConnectionClosed) => Ok(0),
            Err(_) => Err(Broken),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.write_all(bytes).await.map_err(|_| Broken)?;
        self.flush().await.map_err(|_| Broken)
    }
}
