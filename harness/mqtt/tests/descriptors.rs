//! A tap without file descriptors. Each test runs in its own process, because the limit applies to a process.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::AsRawFd as _;
use std::process::Command;
use std::time::Duration;

use hil_link::ShortageWatch;
use hil_mqtt::{Route, TapPort, TlsMode};
use hil_timeline::{ConnectionChange, Cursor, Epoch, RunEvent, Timeline, What};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

const SOON: Duration = Duration::from_secs(20);
const IN_A_PROCESS_OF_ITS_OWN: &str = "HIL_TEST_DESCRIPTORS";
const LIMIT: u64 = 64;

/// Runs the test of this name again in its own process.
fn apart(name: &str) {
    let program = std::env::current_exe().expect("this test");
    let output =
        Command::new(program).args(["--exact", name, "--nocapture"]).env(IN_A_PROCESS_OF_ITS_OWN, "1").output();
    let output = output.expect("runs");
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn is_apart() -> bool {
    std::env::var_os(IN_A_PROCESS_OF_ITS_OWN).is_some()
}

fn lower_the_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), maximum }).expect("lowered");
}

/// Opens files until no descriptor is left.
fn take_all() -> Vec<File> {
    let mut taken = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        assert!(u64::try_from(file.as_raw_fd()).is_ok_and(|fd| fd < LIMIT));
        taken.push(file);
    }
    taken
}

fn refused(event: &RunEvent) -> Option<String> {
    match &event.what {
        What::Connection { change: ConnectionChange::Refused { reason, .. }, .. } => Some(reason.clone()),
        _ => None,
    }
}

async fn tap() -> (TcpListener, Timeline, TapPort) {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("bind");
    let timeline = Timeline::in_memory(Epoch::start());
    let tap = TapPort::open("lamp", IpAddr::V4(Ipv4Addr::LOCALHOST), 0, TlsMode::Absent).await.expect("tap");
    tap.open_route(Route::plain(server.local_addr().expect("address"), timeline.recorder(None)));
    (server, timeline, tap)
}

/// Sends a byte to the broker.
async fn passes(device: &mut TcpStream, server: &TcpListener) {
    let (mut far, _) = timeout(SOON, server.accept()).await.expect("in time").expect("led to the broker");
    device.write_all(b"\xc0").await.expect("sent");
    assert_eq!(timeout(SOON, far.read_u8()).await.expect("in time").expect("arrives"), 0xc0);
}

#[test]
fn a_connection_without_a_descriptor_is_recorded_once_and_accepted_when_one_is_free() {
    if !is_apart() {
        return apart("a_connection_without_a_descriptor_is_recorded_once_and_accepted_when_one_is_free");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("runtime");
    runtime.block_on(async {
        lower_the_limit();
        let (server, timeline, tap) = tap().await;
        let watch = ShortageWatch::begin();
        let mut taken = take_all();
        // One for the client's side.
        taken.pop();
        let mut device = TcpStream::connect(tap.address()).await.expect("the system takes it");
        let found = timeline.wait_for(Cursor::default(), Instant::now() + SOON, refused).await.expect("recorded");
        assert_eq!(found, "hil ran out of file descriptors (limit 64)");
        assert!(watch.refused().is_some());
        // It retries ten times a second; the error is recorded already.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let times = timeline.since(Cursor::default()).iter().filter_map(|event| refused(event)).count();
        assert_eq!(times, 1);
        taken.clear();
        passes(&mut device, &server).await;
    });
}

#[test]
fn the_broker_is_not_blamed_for_a_missing_descriptor() {
    if !is_apart() {
        return apart("the_broker_is_not_blamed_for_a_missing_descriptor");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        lower_the_limit();
        let (_server, timeline, tap) = tap().await;
        let mut taken = take_all();
        // For the client's side, and the tap's two: the accepted socket and its duplicate.
        taken.truncate(taken.len() - 3);
        let _device = TcpStream::connect(tap.address()).await.expect("the system takes it");
        let found = timeline.wait_for(Cursor::default(), Instant::now() + SOON, refused).await.expect("recorded");
        assert_eq!(found, "hil ran out of file descriptors (limit 64)");
    });
}

#[test]
fn a_connection_that_leaves_too_few_descriptors_is_reported_as_a_possible_cause() {
    if !is_apart() {
        return apart("a_connection_that_leaves_too_few_descriptors_is_reported_as_a_possible_cause");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
    runtime.block_on(async {
        lower_the_limit();
        let (server, timeline, tap) = tap().await;
        let watch = ShortageWatch::begin();
        assert!(watch.suspected().is_none());
        let mut taken = take_all();
        // Five for the connection itself: the client's, two sockets, two duplicates. None is left for the broker.
        taken.truncate(taken.len() - 5);
        let mut device = TcpStream::connect(tap.address()).await.expect("connects");
        let opened = |event: &RunEvent| {
            matches!(event.what, What::Connection { change: ConnectionChange::Opened, .. }).then_some(())
        };
        timeline.wait_for(Cursor::default(), Instant::now() + SOON, opened).await.expect("recorded");
        taken.clear();
        passes(&mut device, &server).await;
        let suspected = watch.suspected().map(|shortage| shortage.to_string());
        assert_eq!(suspected.as_deref(), Some("hil has hardly any file descriptor left (limit 64)"));
        assert!(watch.refused().is_none(), "nothing was refused");
    });
}
