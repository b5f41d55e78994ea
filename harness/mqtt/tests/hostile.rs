//! The tap with hostile clients and brokers: bytes pass unchanged, nothing blocks other connections, memory is bounded.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use hil_mqtt::{Decoder, Route, TapPort, TlsMode};
use hil_timeline::{Direction, Epoch, Timeline};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SOON: Duration = Duration::from_secs(20);

/// One packet of every kind, of 3.1.1 and of 5.
const PACKETS: &[&[u8]] = &[
    b"\x10\x1c\x00\x04MQTT\x04\xee\x00\x05\x00\x01l\x00\x01s\x00\x01x\x00\x02us\x00\x03pwd",
    b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x01p",
    b"\x10\x13\x00\x04MQTT\x05\x02\x00\x05\x05\x11\x00\x00\x00\x0a\x00\x01l",
    b"\x20\x02\x01\x00",
    b"\x20\x06\x00\x00\x03\x21\x00\x0a",
    b"\x32\x07\x00\x01t\x00\x01on",
    b"\x30\x10\x00\x01t\x0a\x23\x00\x07\x26\x00\x01k\x00\x01vhi",
    b"\x40\x02\x00\x01",
    b"\x40\x04\x00\x01\x10\x00",
    b"\x50\x02\x00\x01",
    b"\x62\x02\x00\x01",
    b"\x70\x02\x00\x01",
    b"\x82\x06\x00\x01\x00\x01t\x01",
    b"\x82\x09\x00\x01\x02\x0b\x05\x00\x01t\x01",
    b"\x90\x03\x00\x01\x01",
    b"\xa2\x05\x00\x01\x00\x01t",
    b"\xb0\x02\x00\x01",
    b"\xc0\x00",
    b"\xd0\x00",
    b"\xe0\x00",
    b"\xe0\x02\x8e\x00",
    b"\xf0\x02\x00\x00",
];

/// The size of a test; the big run is `ci/soak/tap`.
fn amount(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|amount| amount.parse().ok()).unwrap_or(usual)
}

/// A small pseudo-random number generator: the same seed gives the same run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below.max(1) as u64).unwrap_or(0)
    }
}

/// A few packets, cut, duplicated and changed.
fn mutated(numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..=numbers.next(3) {
        bytes.extend(PACKETS[numbers.next(PACKETS.len())]);
    }
    for _ in 0..numbers.next(6) {
        let at = numbers.next(bytes.len());
        match numbers.next(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, u8::try_from(numbers.next(256)).unwrap_or(0)),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << numbers.next(8);
                }
            }
        }
    }
    bytes
}

#[test]
fn the_decoder_survives_mutated_and_truncated_packets_and_invents_no_byte() {
    let mut numbers = Numbers(0x5eed);
    for _ in 0..400_000 {
        let bytes = mutated(&mut numbers);
        let mut decoder = Decoder::default();
        let direction = if numbers.next(2) == 0 { Direction::FromBoard } else { Direction::ToBoard };
        let cut = numbers.next(bytes.len() + 1);
        let mut raw = Vec::new();
        for part in [&bytes[..cut], &bytes[cut..]] {
            decoder.push(direction, part).into_iter().for_each(|seen| raw.extend(seen.raw));
        }
        assert!(bytes.starts_with(&raw), "{bytes:02x?}");
    }
}

/// A broker that echoes everything.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let address = listener.local_addr().expect("address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    address
}

async fn tap() -> (TapPort, Timeline) {
    let timeline = Timeline::in_memory(Epoch::start());
    timeline.forget_after(1000);
    let tap = TapPort::open("lamp", LOOPBACK, 0, TlsMode::Absent).await.expect("tap");
    tap.open_route(Route::plain(echo().await, timeline.recorder(None)));
    (tap, timeline)
}

/// Sends bytes through the tap to the echo, and back.
async fn round_trip(tap: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(tap).await.expect("connect");
    stream.write_all(bytes).await.expect("sent");
    stream.shutdown().await.expect("said all");
    let mut back = Vec::new();
    timeout(SOON, stream.read_to_end(&mut back)).await.expect("in time").expect("read");
    back
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_bytes_pass_the_tap_unchanged_both_ways(seed in 1_u64..u64::MAX, junk in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut numbers = Numbers(seed);
        let mut bytes = mutated(&mut numbers);
        bytes.extend(junk);
        // Bytes that begin like TLS or HTTP are treated as such.
        prop_assume!(!matches!(bytes.first(), Some(0x16 | b'G')));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        let back = runtime.block_on(async {
            let (tap, _timeline) = tap().await;
            round_trip(tap.address(), &bytes).await
        });
        prop_assert_eq!(back, bytes);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mutated_packets_pass_the_tap_unchanged() {
    const A_CONNECTION: usize = 50;
    let (tap, _timeline) = tap().await;
    let mut numbers = Numbers(0xcafe);
    for _ in 0..amount("HIL_SOAK_PACKETS", 5_000).div_ceil(A_CONNECTION) {
        let mut bytes = b"\xc0\x00".to_vec();
        (0..A_CONNECTION).for_each(|_| bytes.extend(mutated(&mut numbers)));
        assert_eq!(round_trip(tap.address(), &bytes).await, bytes);
    }
}

/// Memory of this process that is in use, in MiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("VmRSS");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).expect("a number") / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_slow_and_oversized_connections_block_nobody_and_cost_little() {
    /// Two descriptors at the client, two at the tap, one at the echo.
    const AT_ONCE: usize = 150;
    let all = amount("HIL_SOAK_CONNECTIONS", 300);
    let (tap, _timeline) = tap().await;
    let address = tap.address();
    let before = resident();
    // A packet of 200 MiB that never ends, and one of 15 MiB of which half arrives.
    let oversized = b"\x30\xff\xff\xff\x60";
    let unfinished = b"\x30\x80\x80\xc0\x07";
    let mut peak = before;
    for batch in 0..all.div_ceil(AT_ONCE) {
        let mut held = Vec::new();
        for n in 0..AT_ONCE.min(all - batch * AT_ONCE) {
            let mut stream = TcpStream::connect(address).await.expect("connect");
            match n % 4 {
                // Sends nothing at all.
                0 => {}
                // One byte of a CONNECT, and nothing more.
                1 => stream.write_all(&PACKETS[0][..1]).await.expect("sent"),
                // Sends without reading: its path fills up.
                2 => {
                    stream.write_all(oversized).await.expect("sent");
                    let flood = vec![0; 256 * 1024];
                    let _ = timeout(Duration::from_millis(20), stream.write_all(&flood)).await;
                }
                _ => {
                    stream.write_all(unfinished).await.expect("sent");
                    let _ = timeout(Duration::from_millis(20), stream.write_all(&vec![0; 512 * 1024])).await;
                }
            }
            held.push(stream);
        }
        peak = peak.max(resident());
        // A well-behaved client still gets through.
        let started = std::time::Instant::now();
        assert_eq!(round_trip(address, PACKETS[0]).await, PACKETS[0]);
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    // 150 connections, each with up to 2 MiB in the queues of its two directions, and the decoders' 128 MiB.
    assert!(peak < before + 600, "{before} MiB before, {peak} MiB at most");
}
