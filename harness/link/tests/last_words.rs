//! What one side sends after the other's FIN, on a clock that only the test advances.

use std::sync::Arc;
use std::time::Duration;

use hil_link::{Control, Ended, PathDirection, RelayConnection, relay};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let near = TcpStream::connect(listener.local_addr().expect("address")).await.expect("connect");
    let (far, _) = listener.accept().await.expect("accept");
    (near, far)
}

/// A clock that stops unless the test advances it: tokio advances it by itself only while no blocking task runs.
struct StillClock {
    _hold: std::sync::mpsc::Sender<()>,
    here: TcpStream,
    there: TcpStream,
}

impl StillClock {
    async fn hold() -> Self {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || held.recv());
        let (here, there) = pair().await;
        Self { _hold: hold, here, there }
    }

    /// Advances the clock and lets every ready socket be served.
    async fn pass(&mut self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        self.settle().await;
    }

    /// A byte on another connection makes tokio ask the system which sockets are ready. Loopback sockets are ready at
    /// once: a few rounds carry bytes along the whole path.
    async fn settle(&mut self) {
        for _ in 0..200 {
            self.here.write_all(&[0]).await.expect("sent");
            self.there.read_exact(&mut [0]).await.expect("arrives");
        }
    }
}

/// A path whose device has sent FIN, which has reached the broker.
async fn half_closed() -> (TcpStream, TcpStream, JoinHandle<Ended>) {
    let (mut device, near) = pair().await;
    let (mut broker, far) = pair().await;
    let ended = tokio::spawn(async move {
        relay(
            RelayConnection::plain(near),
            RelayConnection::plain(far),
            &Control::default(),
            Arc::new(|_: PathDirection, _: &[u8]| ()),
        )
        .await
    });
    device.shutdown().await.expect("FIN");
    assert_eq!(broker.read(&mut [0]).await.expect("FIN"), 0);
    (device, broker, ended)
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_gets_all_of_what_is_sent_after_its_fin() {
    const MEGABYTES: usize = 40;
    let mut clock = StillClock::hold().await;
    let (mut device, mut broker, ended) = half_closed().await;
    let sent: Vec<u8> = (0..MEGABYTES << 20).map(|n| (n % 251) as u8).collect();
    let sending = sent.clone();
    let sender = tokio::spawn(async move {
        broker.write_all(&sending).await.expect("all is taken");
    });
    let mut arrived: Vec<u8> = Vec::new();
    let mut part = vec![0; 1 << 20];
    for _ in 0..MEGABYTES {
        device.read_exact(&mut part).await.expect("it goes on");
        arrived.extend(&part);
        clock.settle().await;
        clock.pass(4).await;
    }
    assert!(arrived == sent);
    sender.await.expect("sent");
    assert_eq!(ended.await.expect("ends"), Ended::Closed(PathDirection::Upstream));
}

#[tokio::test(start_paused = true)]
async fn the_limit_counts_from_the_last_byte() {
    let mut clock = StillClock::hold().await;
    let (mut device, mut broker, ended) = half_closed().await;
    let mut byte = [0];
    for n in 0..10 {
        broker.write_all(&[n]).await.expect("it goes on");
        device.read_exact(&mut byte).await.expect("it arrives");
        assert_eq!(byte, [n]);
        clock.pass(4).await;
    }
    assert!(!ended.is_finished());
    clock.pass(2).await;
    assert_eq!(device.read(&mut byte).await.expect("closed"), 0);
    assert_eq!(ended.await.expect("ends"), Ended::Closed(PathDirection::Upstream));
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_reads_nothing_is_closed() {
    let mut clock = StillClock::hold().await;
    let (_device, mut broker, ended) = half_closed().await;
    let sender = tokio::spawn(async move { while broker.write_all(&[0; 64 << 10]).await.is_ok() {} });
    // Until all buffers on the path are full.
    for _ in 0..20 {
        clock.settle().await;
    }
    let mut seconds = 0;
    while !ended.is_finished() {
        clock.pass(1).await;
        seconds += 1;
        assert!(seconds < 300, "it waits forever");
    }
    assert!(seconds >= 60, "closed after {seconds} s");
    sender.await.expect("it is closed for the sender, too");
}
