//! The path carries bytes unchanged and in order, and follows its control.

use std::io::ErrorKind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hil_link::{ConnectionHandle, Control, Ended, Ending, PathDirection, RelayConnection, relay};
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

const SOON: Duration = Duration::from_secs(5);
const A_WHILE: Duration = Duration::from_millis(150);

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let near = TcpStream::connect(listener.local_addr().expect("address")).await.expect("connect");
    let (far, _) = listener.accept().await.expect("accept");
    (near, far)
}

/// What the watcher saw, in order.
type Seen = Arc<Mutex<Vec<(PathDirection, Vec<u8>)>>>;

struct Path {
    device: TcpStream,
    broker: TcpStream,
    control: Control,
    seen: Seen,
    ended: JoinHandle<Ended>,
}

async fn path() -> Path {
    let (device, near) = pair().await;
    let (broker, far) = pair().await;
    let control = Control::default();
    let seen = Seen::default();
    let watch = Arc::clone(&seen);
    let steering = control.clone();
    let ended = tokio::spawn(async move {
        let watch = move |direction: PathDirection, bytes: &[u8]| watch.lock().push((direction, bytes.to_vec()));
        relay(RelayConnection::plain(near), RelayConnection::plain(far), &steering, Arc::new(watch)).await
    });
    Path { device, broker, control, seen, ended }
}

async fn read_exactly(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    timeout(SOON, stream.read_exact(&mut bytes)).await.expect("in time").expect("bytes");
    bytes
}

async fn hears_nothing(stream: &mut TcpStream) {
    let mut byte = [0];
    let heard = timeout(A_WHILE, stream.read(&mut byte)).await;
    assert!(heard.is_err(), "heard {heard:?}");
}

#[tokio::test]
async fn silence_holds_bytes_and_fin_and_resuming_delivers_both_in_order() {
    let mut path = path().await;
    path.device.write_all(b"one ").await.expect("write");
    assert_eq!(read_exactly(&mut path.broker, 4).await, b"one ");
    let silence = path.control.silence(&PathDirection::BOTH);
    path.device.write_all(b"two ").await.expect("write");
    path.device.write_all(b"three").await.expect("write");
    path.device.shutdown().await.expect("FIN");
    path.broker.write_all(b"answer").await.expect("write");
    hears_nothing(&mut path.broker).await;
    hears_nothing(&mut path.device).await;
    path.control.resume(silence);
    assert_eq!(read_exactly(&mut path.broker, 9).await, b"two three");
    assert_eq!(read_exactly(&mut path.device, 6).await, b"answer");
    assert_eq!(timeout(SOON, path.broker.read(&mut [0])).await.expect("in time").expect("FIN"), 0);
    drop(path.broker);
    assert_eq!(
        timeout(SOON, path.ended).await.expect("in time").expect("ends"),
        Ended::Closed(PathDirection::Upstream)
    );
}

#[tokio::test]
async fn an_abandoned_path_is_silent_until_bytes_arrive_after_the_restart() {
    let mut path = path().await;
    path.device.write_all(b"hello").await.expect("write");
    assert_eq!(read_exactly(&mut path.broker, 5).await, b"hello");
    path.control.end(Ending::Abandon);
    drop(path.device);
    hears_nothing(&mut path.broker).await;
    path.broker.write_all(b"are you there?").await.expect("sent");
    hears_nothing(&mut path.broker).await;
    path.control.device_restarted();
    hears_nothing(&mut path.broker).await;
    path.broker.write_all(b"and now?").await.expect("sent");
    let answer = timeout(SOON, path.broker.read(&mut [0])).await.expect("an answer");
    assert_eq!(answer.expect_err("a reset").kind(), ErrorKind::ConnectionReset);
    assert_eq!(
        timeout(SOON, path.ended).await.expect("in time").expect("ends"),
        Ended::Broken(PathDirection::Upstream)
    );
}

#[tokio::test]
async fn an_abandoned_path_ends_when_the_other_side_closes_it() {
    let mut path = path().await;
    path.device.write_all(b"hello").await.expect("write");
    assert_eq!(read_exactly(&mut path.broker, 5).await, b"hello");
    path.control.end(Ending::Abandon);
    drop(path.device);
    drop(path.broker);
    assert_eq!(
        timeout(SOON, path.ended).await.expect("in time").expect("ends"),
        Ended::Closed(PathDirection::Downstream)
    );
}

/// A connection whose process is killed at the moment it is read, after the path was abandoned.
struct Killed {
    socket: TcpStream,
    control: Control,
}

impl AsyncRead for Killed {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        self.control.end(Ending::Abandon);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Killed {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_fin_that_is_read_while_the_path_is_abandoned_does_not_count() {
    let (_device, near) = pair().await;
    let (mut broker, far) = pair().await;
    let control = Control::default();
    let near = {
        let handle = ConnectionHandle::of(&near);
        RelayConnection::layered(Killed { socket: near, control: control.clone() }, handle)
    };
    let ended =
        tokio::spawn(
            async move { relay(near, RelayConnection::plain(far), &control, Arc::new(|_, _: &[u8]| ())).await },
        );
    hears_nothing(&mut broker).await;
    drop(broker);
    assert_eq!(timeout(SOON, ended).await.expect("in time").expect("ends"), Ended::Closed(PathDirection::Downstream));
}

#[tokio::test]
async fn one_direction_can_be_silent_alone() {
    let mut path = path().await;
    path.control.silence(&[PathDirection::Downstream]);
    path.device.write_all(b"up").await.expect("write");
    path.broker.write_all(b"down").await.expect("write");
    assert_eq!(read_exactly(&mut path.broker, 2).await, b"up");
    hears_nothing(&mut path.device).await;
}

#[tokio::test]
async fn a_delay_keeps_order_and_does_not_throttle() {
    let mut path = path().await;
    path.control.delay(&[PathDirection::Upstream], Duration::from_millis(200), Duration::ZERO);
    let start = Instant::now();
    for n in 0..50u8 {
        path.device.write_all(&[n]).await.expect("write");
        tokio::task::yield_now().await;
    }
    // If each waited for the one before, it would take 10 s; 5 are given.
    assert_eq!(read_exactly(&mut path.broker, 50).await, (0..50).collect::<Vec<u8>>());
    assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_reset_is_passed_on_as_a_reset() {
    let mut path = path().await;
    path.device.write_all(b"x").await.expect("write");
    read_exactly(&mut path.broker, 1).await;
    hil_link::reset(path.device);
    let error = timeout(SOON, path.broker.read(&mut [0])).await.expect("in time").expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    assert_eq!(path.ended.await.expect("ends"), Ended::Broken(PathDirection::Upstream));
}

#[tokio::test]
async fn the_control_closes_and_resets() {
    for (ending, fin) in [(Ending::Close, true), (Ending::Reset, false)] {
        let mut path = path().await;
        path.device.write_all(b"x").await.expect("write");
        read_exactly(&mut path.broker, 1).await;
        path.control.end(ending);
        for stream in [&mut path.device, &mut path.broker] {
            let end = timeout(SOON, stream.read(&mut [0])).await.expect("in time");
            assert_eq!(end.is_ok_and(|n| n == 0), fin, "{ending:?}");
        }
        assert_eq!(path.ended.await.expect("ends"), Ended::Ordered(ending));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_bytes_arrive_unchanged_and_are_seen_unchanged(
        chunks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..5000), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(async {
            let whole: Vec<u8> = chunks.concat();
            let Path { mut device, mut broker, seen, ended, .. } = path().await;
            let length = whole.len();
            let writer = tokio::spawn(async move {
                for chunk in chunks {
                    device.write_all(&chunk).await.expect("write");
                }
            });
            let arrived = read_exactly(&mut broker, length).await;
            writer.await.expect("written");
            drop(broker);
            ended.await.expect("ends");
            assert_eq!(arrived, whole);
            let seen: Vec<u8> = seen.lock().iter().flat_map(|(_, bytes)| bytes.clone()).collect();
            assert_eq!(seen, whole);
        });
    }
}

#[tokio::test]
async fn jitter_keeps_order() {
    let mut path = path().await;
    path.control.delay(&[PathDirection::Upstream], Duration::from_millis(20), Duration::from_millis(20));
    for n in 0..50_u8 {
        path.device.write_all(&[n]).await.expect("sent");
        // Each byte is read by itself and gets its own delay.
        tokio::task::yield_now().await;
    }
    assert_eq!(read_exactly(&mut path.broker, 50).await, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_limited_direction_is_slow_and_loses_nothing() {
    let mut path = path().await;
    path.control.limit(&[PathDirection::Upstream], std::num::NonZeroU64::new(20_000).expect("a rate"));
    let sent: Vec<u8> = (0..10_000_u32).map(|n| (n % 251) as u8).collect();
    let start = Instant::now();
    path.device.write_all(&sent).await.expect("sent");
    assert_eq!(read_exactly(&mut path.broker, sent.len()).await, sent);
    // Half a second's worth, minus the first portion, which is written at once.
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    path.control.clear();
    path.device.write_all(b"fast again").await.expect("sent");
    read_exactly(&mut path.broker, 10).await;
}

/// Duplicates upstream bytes, drops downstream bytes, and holds one byte back until the end.
struct Meddler;

impl hil_link::Watch for Meddler {
    fn read(&self, direction: PathDirection, bytes: Vec<u8>) -> Vec<hil_link::Piece> {
        let piece = hil_link::Piece::from(bytes);
        match direction {
            PathDirection::Upstream => vec![piece.clone(), hil_link::Piece { tag: 1, ..piece }],
            PathDirection::Downstream => vec![hil_link::Piece { dropped: true, ..piece }],
        }
    }

    fn flush(&self, _: PathDirection) -> Vec<hil_link::Piece> {
        vec![hil_link::Piece::from(b"!".to_vec())]
    }

    fn forwarding(&self, _: PathDirection, _: &[u8], _: u8) {}
}

#[tokio::test]
async fn a_watcher_may_decide_what_is_written() {
    let (mut device, near) = pair().await;
    let (mut broker, far) = pair().await;
    let control = Control::default();
    let ended = tokio::spawn(async move {
        relay(RelayConnection::plain(near), RelayConnection::plain(far), &control, Arc::new(Meddler)).await
    });
    device.write_all(b"ab").await.expect("sent");
    assert_eq!(read_exactly(&mut broker, 4).await, b"abab");
    broker.write_all(b"unheard").await.expect("sent");
    hears_nothing(&mut device).await;
    device.shutdown().await.expect("FIN");
    assert_eq!(read_exactly(&mut broker, 1).await, b"!");
    drop(broker);
    let ended = timeout(SOON, ended).await.expect("in time").expect("no panic");
    assert_eq!(ended, Ended::Closed(PathDirection::Upstream));
}

/// On a clock that advances only when something waits for a timer.
#[tokio::test(start_paused = true)]
async fn bytes_that_are_due_wait_for_no_timer() {
    let mut path = path().await;
    // Between two ticks of the timer, as most instants are.
    tokio::time::advance(Duration::from_micros(500)).await;
    let start = Instant::now();
    for n in 0..20_u8 {
        path.device.write_all(&[n]).await.expect("sent");
        let mut byte = [0];
        path.broker.read_exact(&mut byte).await.expect("arrives");
        path.broker.write_all(&byte).await.expect("sent");
        path.device.read_exact(&mut byte).await.expect("arrives");
        assert_eq!(byte, [n]);
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// Each packet takes a tenth of a millisecond at this rate; a timer that rounds up for each would make them ten times
/// slower.
#[tokio::test(start_paused = true)]
async fn a_limited_direction_carries_small_packets_at_its_rate() {
    let mut path = path().await;
    path.control.limit(&[PathDirection::Upstream], std::num::NonZeroU64::new(1_000_000).expect("a rate"));
    let start = Instant::now();
    let mut packet = [7; 100];
    for _ in 0..1000 {
        path.device.write_all(&packet).await.expect("sent");
        path.broker.read_exact(&mut packet).await.expect("arrives");
    }
    let took = start.elapsed();
    assert!((Duration::from_millis(95)..Duration::from_millis(110)).contains(&took), "{took:?}");
}
