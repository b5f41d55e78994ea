//! Sockets whose owner has lost its power.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::socket;

/// Keeps sockets open and silent after their owner's power went.
///
/// A cut device sends neither FIN nor RST, so its sockets must not be closed. Once it has rebooted it knows
/// nothing of them, and answers whatever still arrives on them with RST ([`Parked::device_restarted`]). Dropping
/// the last clone closes them all.
#[derive(Debug, Clone, Default)]
pub struct Parked {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    silent: Mutex<Vec<TcpStream>>,
    /// Dropped with the last clone: ends the tasks that watch for late segments.
    alive: watch::Sender<()>,
}

impl Parked {
    /// Keeps a socket, silently.
    pub fn park(&self, stream: TcpStream) {
        self.lock().push(stream);
    }

    /// How many sockets are kept silently.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// The owner runs again: from now on a segment that arrives on a parked socket is answered with RST.
    pub fn device_restarted(&self) {
        let orphans = std::mem::take(&mut *self.lock());
        for stream in orphans {
            let mut alive = self.inner.alive.subscribe();
            tokio::spawn(async move {
                tokio::select! {
                    _ = stream.readable() => socket::reset(stream),
                    _ = alive.changed() => {}
                }
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.inner.silent.lock()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let near = TcpStream::connect(listener.local_addr().expect("address")).await.expect("connect");
        let (far, _) = listener.accept().await.expect("accept");
        (near, far)
    }

    #[tokio::test]
    async fn a_parked_socket_is_silent_until_its_owner_is_back() {
        let (device, mut peer) = pair().await;
        let parked = Parked::default();
        parked.park(device);
        peer.write_all(b"are you there?").await.expect("goes into the air");
        let mut byte = [0];
        let silence = tokio::time::timeout(Duration::from_millis(100), peer.read(&mut byte)).await;
        assert!(silence.is_err(), "heard {silence:?}");
        parked.device_restarted();
        let answer = tokio::time::timeout(Duration::from_secs(5), peer.read(&mut byte)).await.expect("an answer");
        assert_eq!(answer.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_rebooted_owner_says_nothing_by_itself() {
        let (device, mut peer) = pair().await;
        let parked = Parked::default();
        parked.park(device);
        parked.device_restarted();
        let mut byte = [0];
        let silence = tokio::time::timeout(Duration::from_millis(100), peer.read(&mut byte)).await;
        assert!(silence.is_err(), "heard {silence:?}");
        drop(parked);
        let closed = tokio::time::timeout(Duration::from_secs(5), peer.read(&mut byte)).await.expect("closed");
        assert_eq!(closed.expect("FIN"), 0);
    }
}
