//! Sockets of a device that has lost its power.

use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::socket;

/// Keeps sockets open and silent after their device lost its power.
///
/// A device without power sends neither FIN nor RST, so its sockets must not be closed. Once it has rebooted it has no
/// such connections and answers late segments with RST ([`Parked::device_restarted`]). Dropping the last clone closes
/// all sockets.
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
    /// Keeps a socket open and silent.
    pub fn park(&self, stream: TcpStream) {
        self.lock().push(stream);
    }

    /// How many sockets are kept.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// The device runs again: from now on a segment that arrives on a kept socket is answered with RST.
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
    async fn a_parked_socket_is_silent_until_its_device_has_restarted() {
        let (device, mut peer) = pair().await;
        let parked = Parked::default();
        parked.park(device);
        peer.write_all(b"are you there?").await.expect("sent");
        let mut byte = [0];
        let silence = tokio::time::timeout(Duration::from_millis(100), peer.read(&mut byte)).await;
        assert!(silence.is_err(), "heard {silence:?}");
        parked.device_restarted();
        let answer = tokio::time::timeout(Duration::from_secs(5), peer.read(&mut byte)).await.expect("an answer");
        assert_eq!(answer.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    }

    #[tokio::test]
    async fn a_rebooted_device_sends_nothing_by_itself() {
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
