//! The connection to the broker.

use core::net::Ipv4Addr;

use embassy_net::dns::DnsQueryType;
use embassy_net::tcp::TcpSocket;
use embassy_net::{IpAddress, Stack};
use embassy_time::{Duration, with_timeout};

use crate::settings::Broker;

/// The connection could not be opened, or it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lost;

/// A connection that can be opened again and again.
pub(crate) struct Link<'a> {
    stack: Stack<'a>,
    socket: TcpSocket<'a>,
    pub(crate) is_open: bool,
}

impl<'a> Link<'a> {
    pub(crate) fn new(stack: Stack<'a>, receive: &'a mut [u8], send: &'a mut [u8]) -> Self {
        let mut socket = TcpSocket::new(stack, receive, send);
        // Each packet is a message: there is nothing to collect.
        socket.set_nagle_enabled(false);
        Self { stack, socket, is_open: false }
    }

    /// Connects to the broker. Dropping the future leaves a half-open connection: [`Link::close`] ends it.
    pub(crate) async fn connect(&mut self, broker: &Broker) -> Result<(), Lost> {
        let address = resolve(self.stack, &broker.host).await?;
        self.socket.connect((address, broker.port)).await.map_err(|_| Lost)?;
        self.is_open = true;
        Ok(())
    }

    /// The next bytes; waits forever if the connection is closed.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize, Lost> {
        if !self.is_open {
            return core::future::pending().await;
        }
        match self.socket.read(buffer).await {
            Ok(0) | Err(_) => Err(Lost),
            Ok(length) => Ok(length),
        }
    }

    /// Queues bytes. A broker that takes none for a while counts as lost.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        const PATIENCE: Duration = Duration::from_secs(2);
        if !self.is_open {
            return Err(Lost);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = with_timeout(PATIENCE, self.socket.write(rest)).await.map_err(|_| Lost)?;
            let written = written.map_err(|_| Lost)?;
            rest = &rest[written..];
        }
        Ok(())
    }

    /// Waits until everything has been sent, for a while.
    pub(crate) async fn flush(&mut self) {
        const PATIENCE: Duration = Duration::from_millis(500);
        let _ = with_timeout(PATIENCE, self.socket.flush()).await;
    }

    /// Ends the connection with a reset, so that the next one can begin at once.
    pub(crate) async fn close(&mut self) {
        const PATIENCE: Duration = Duration::from_millis(200);
        self.is_open = false;
        self.socket.abort();
        // Sends the reset; without a network there is nothing to wait for.
        let _ = with_timeout(PATIENCE, self.socket.flush()).await;
    }
}

/// The address of a host, which is a name or an IPv4 address.
pub(crate) async fn resolve(stack: Stack<'_>, host: &str) -> Result<IpAddress, Lost> {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(address.into());
    }
    let found = stack.dns_query(host, DnsQueryType::A).await.map_err(|_| Lost)?;
    found.first().copied().ok_or(Lost)
}
