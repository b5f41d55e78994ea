//! A listening port that can refuse connections, as a machine without that service does.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Whether connections are refused; cheap to clone, all clones are one. It acts on every [`Port`] that was opened
/// with it.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    wanted: watch::Sender<bool>,
    /// Of each port, whether it refuses now.
    in_effect: Arc<Mutex<Vec<watch::Receiver<bool>>>>,
}

impl Refusal {
    /// From now on connections are refused, or accepted again. It takes effect a moment later: see
    /// [`Refusal::settled`].
    pub fn set(&self, refuse: bool) {
        self.wanted.send_replace(refuse);
    }

    /// Whether connections are to be refused.
    #[must_use]
    pub fn is_set(&self) -> bool {
        *self.wanted.borrow()
    }

    /// Waits until every port does what is wanted.
    pub async fn settled(&self) {
        /// It takes microseconds; without a free file descriptor a listener stays closed for longer.
        const TIMEOUT: Duration = Duration::from_secs(5);
        let wanted = self.is_set();
        let ports = self.in_effect.lock().clone();
        let settled = async {
            for mut port in ports {
                // The port may be gone.
                let _ = port.wait_for(|refuses| *refuses == wanted).await;
            }
        };
        let _ = tokio::time::timeout(TIMEOUT, settled).await;
    }
}

/// A listening port.
#[derive(Debug)]
pub struct Port {
    /// Keeps the port bound while the listener is closed: the system gives it to no other program. One that asks for
    /// this very port with SO_REUSEADDR still gets it.
    _place: TcpSocket,
    address: SocketAddr,
    /// To refuse connections it is closed, so that the system itself refuses.
    listener: Option<TcpListener>,
    wanted: watch::Receiver<bool>,
    refuses: watch::Sender<bool>,
    /// The last attempt failed.
    failed: bool,
}

impl Port {
    /// Opens a port; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address is not available.
    pub fn open(wanted: SocketAddr, refusal: &Refusal) -> io::Result<Self> {
        let place = bind(wanted)?;
        let address = place.local_addr()?;
        let listener = Some(listen(address)?);
        let refuses = watch::Sender::new(false);
        let mut in_effect = refusal.in_effect.lock();
        in_effect.retain(|port| port.has_changed().is_ok());
        in_effect.push(refuses.subscribe());
        drop(in_effect);
        Ok(Self { _place: place, address, listener, wanted: refusal.wanted.subscribe(), refuses, failed: false })
    }

    /// The address to connect to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next connection. After an error it can be called again, and then waits a moment: the system does not report
    /// when a descriptor is free.
    ///
    /// # Errors
    /// When the system can't accept a connection, or listen again.
    pub async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        const AGAIN: Duration = Duration::from_millis(100);
        if std::mem::take(&mut self.failed) {
            tokio::time::sleep(AGAIN).await;
        }
        let accepted = self.next().await;
        self.failed = accepted.is_err();
        accepted
    }

    async fn next(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        loop {
            if *self.wanted.borrow_and_update() {
                self.listener = None;
            } else if self.listener.is_none() {
                self.listener = Some(listen(self.address)?);
            }
            self.refuses.send_replace(self.listener.is_none());
            let changed = self.wanted.changed();
            let Some(open) = &self.listener else {
                if changed.await.is_err() {
                    std::future::pending::<()>().await;
                }
                continue;
            };
            tokio::select! {
                biased;
                Ok(()) = changed => {}
                accepted = open.accept() => return accepted,
            }
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address)?.listen(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_acts_on_every_port_and_ends() {
        let refusal = Refusal::default();
        let mut ports = Vec::new();
        for _ in 0..2 {
            let mut port = Port::open("127.0.0.1:0".parse().expect("address"), &refusal).expect("open");
            ports.push(port.address());
            tokio::spawn(async move { while port.accept().await.is_ok() {} });
        }
        for refuse in [true, false, true, false] {
            refusal.set(refuse);
            refusal.settled().await;
            for port in &ports {
                assert_eq!(TcpStream::connect(port).await.is_err(), refuse, "{port}");
            }
        }
    }

    #[tokio::test]
    async fn a_port_that_refuses_is_still_taken() {
        let refusal = Refusal::default();
        let mut port = Port::open("127.0.0.1:0".parse().expect("address"), &refusal).expect("open");
        let address = port.address();
        tokio::spawn(async move { port.accept().await.map(drop) });
        refusal.set(true);
        refusal.settled().await;
        let other = TcpSocket::new_v4().expect("a socket");
        assert!(other.bind(address).is_err());
    }
}
