//! Linux itself is the station: its TCP, its ARP and its ICMP, by way of a TAP interface in a network namespace.
//!
//! Skipped where there is no `/dev/net/tun`, no `ip`, or no user namespaces.
#![cfg(target_os = "linux")]

#[path = "kernel/network.rs"]
mod network;
#[path = "kernel/programs.rs"]
mod programs;

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use network::{ECHO, FAREWELL, Network, REFUSED, RESET, THIN_ECHO, UNREACHABLE, at};
use programs::{ip, lacks, namespace};

#[test]
fn linux_is_a_station() {
    if let Some(what) = lacks() {
        return programs::skip(&what);
    }
    let inside = Command::new("unshare")
        .args(["--map-root-user", "--net"])
        .arg(std::env::current_exe().expect("this test's program"))
        .args(["--exact", "inside_a_namespace", "--ignored", "--nocapture"])
        .output()
        .expect("unshare starts");
    let said = String::from_utf8_lossy(&inside.stdout) + String::from_utf8_lossy(&inside.stderr);
    assert!(inside.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "`linux_is_a_station` runs it in a namespace of its own"]
fn inside_a_namespace() {
    if namespace("self") == namespace(&std::os::unix::process::parent_id().to_string()) {
        return programs::skip("a network namespace of its own");
    }
    let network = Network::start();
    ip("link set lo up");
    ip("link set tap0 up");
    programs::dhcp_client();
    ip("address replace 10.0.2.15/24 dev tap0");
    ip("route replace default via 10.0.2.2");
    for stream in 0..3 {
        echo(ECHO, stream, 256 * 1024);
    }
    echo(THIN_ECHO, 3, 64 * 1024);
    std::thread::scope(|scope| {
        for stream in 0..20 {
            scope.spawn(move || echo(ECHO, stream, 20_000));
        }
    });
    attempts_fail_as_they_should();
    ends_are_seen_from_both_sides();
    datagrams_come_back();
    let resets = network.stop();
    assert_eq!(resets, 1, "the station has reset one connection");
}

/// Sends bytes and expects them back, then ends the connection.
fn echo(port: u16, stream: u64, length: usize) {
    let mut sender = TcpStream::connect(at(port)).expect("a connection");
    let mut receiver = sender.try_clone().expect("a second handle");
    let bytes: Vec<u8> = (0..length as u64).map(|at| ((at ^ stream).wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            sender.write_all(&bytes).expect("an open connection");
            sender.shutdown(Shutdown::Write).expect("an open connection");
        });
        let mut back = Vec::new();
        receiver.read_to_end(&mut back).expect("an end of the server");
        assert!(back == bytes, "{} bytes came back of {length}", back.len());
    });
}

fn attempts_fail_as_they_should() {
    let began = Instant::now();
    let error = |port| TcpStream::connect(at(port)).expect_err("no connection").kind();
    assert_eq!(error(REFUSED), ErrorKind::ConnectionRefused);
    assert_eq!(error(UNREACHABLE), ErrorKind::HostUnreachable);
    assert!(began.elapsed() < Duration::from_secs(10), "at once: {:?}", began.elapsed());
}

fn ends_are_seen_from_both_sides() {
    let mut stream = TcpStream::connect(at(RESET)).expect("a connection");
    stream.write_all(b"reset me").expect("an open connection");
    let error = stream.read(&mut [0; 10]).expect_err("a reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    // The server ends first, and reads what comes after.
    let mut stream = TcpStream::connect(at(FAREWELL)).expect("a connection");
    let mut said = String::new();
    stream.read_to_string(&mut said).expect("an end of the server");
    assert_eq!(said, "good night");
    stream.write_all(b"sleep well").expect("a connection that is open in this direction");
    drop(stream);
    let stream = TcpStream::connect(at(ECHO)).expect("a connection");
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("an option of every socket");
}

fn datagrams_come_back() {
    let socket = UdpSocket::bind("10.0.2.15:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(30))).expect("a time limit");
    socket.send_to(b"a datagram", at(ECHO)).expect("a route");
    let mut bytes = [0; 100];
    let (length, from) = socket.recv_from(&mut bytes).expect("an answer");
    assert_eq!((&bytes[..length], from), (&b"a datagram"[..], at(ECHO).into()));
}
