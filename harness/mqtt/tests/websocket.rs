//! WebSockets through the tap, with real sockets.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hil_mqtt::{Route, TapPort, TlsMode};
use hil_timeline::{Epoch, Timeline};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(60);
/// The largest packet of MQTT: type and flags, four bytes of length, and what they can count (MQTT 5 §1.5.5).
const LARGEST: usize = 1 + 4 + 268_435_455;
const BEGINS: [u8; 8] = *b"\x30\xff\xff\xff\x7f\x00\x01t";

/// Position-dependent bytes: they repeat with a period that no buffer has.
fn pattern() -> Vec<u8> {
    (0..PIECE + PERIOD).map(|n| (n % PERIOD) as u8).collect()
}

const PIECE: usize = 1 << 20;
const PERIOD: usize = 251;

/// Writes the packet in pieces.
async fn send_packet(stream: &mut TcpStream) {
    let pattern = pattern();
    stream.write_all(&BEGINS).await.expect("sent");
    let mut at = BEGINS.len();
    while at < LARGEST {
        let piece = &pattern[at % PERIOD..][..PIECE.min(LARGEST - at)];
        stream.write_all(piece).await.expect("goes on");
        at += piece.len();
    }
}

/// A bare handshake: the test handles the frames itself.
async fn upgrade(stream: &mut TcpStream) {
    let request = "GET /mqtt HTTP/1.1\r\nHost: tap\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Sec-WebSocket-Protocol: mqtt\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(SOON, stream.read_u8()).await.expect("in time").expect("an answer"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_of_the_size_of_mqtts_largest_packet_passes() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let timeline = Timeline::in_memory(Epoch::start());
    timeline.forget_after(1000);
    let tap = TapPort::open("lamp", IpAddr::V4(Ipv4Addr::LOCALHOST), 0, TlsMode::Absent).await.expect("tap");
    tap.open_route(Route::plain(server.local_addr().expect("address"), timeline.recorder(None)));
    let mut device = TcpStream::connect(tap.address()).await.expect("connect");
    let (mut far, _) = server.accept().await.expect("led to the broker");
    upgrade(&mut device).await;
    let sending = tokio::spawn(async move {
        // One binary frame; a mask of zeros changes nothing.
        device.write_all(&[0x82, 0xff]).await.expect("sent");
        device.write_all(&(LARGEST as u64).to_be_bytes()).await.expect("sent");
        device.write_all(&[0; 4]).await.expect("sent");
        send_packet(&mut device).await;
        device
    });
    let mut begins = [0; BEGINS.len()];
    timeout(SOON, far.read_exact(&mut begins)).await.expect("in time").expect("arrives");
    assert_eq!(begins, BEGINS);
    let (mut piece, pattern) = (vec![0; PIECE], pattern());
    let mut at = BEGINS.len();
    while at < LARGEST {
        let length = timeout(SOON, far.read(&mut piece)).await.expect("goes on").expect("not broken");
        assert!(length > 0, "closed after {at} bytes");
        assert!(piece[..length] == pattern[at % PERIOD..][..length], "other bytes at {at}");
        at += length;
    }
    assert_eq!(at, LARGEST);
    sending.await.expect("sent");
}
