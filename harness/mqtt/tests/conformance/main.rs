//! What every broker does, tested on all of them, and the permitted differences between them.
//!
//! The same cases run on the embedded broker, on a managed Mosquitto, and on a Mosquitto in the role of an external
//! one.

mod caught_up;
mod client;
mod client_ids;
mod mqtt5;
mod rights;
mod semantics;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use client::{Client, Connect, SOON};
use futures::future::LocalBoxFuture;
use hil_config::BrokerUrl;
use hil_mqtt::broker::{self, BrokerError, Settings};
use hil_mqtt::{Broker, Endpoint, Offers, Transport};
use hil_timeline::Packet;
use hil_tls::{Certificates, TlsIdentity, make_certificates};
use parking_lot::Mutex;

/// A broker under test.
struct Bench {
    kind: &'static str,
    broker: Box<dyn Broker>,
    offers: Offers,
    /// The broker that is used as an external one.
    _behind: Option<Box<dyn Broker>>,
}

impl Bench {
    fn endpoint(&self) -> &Endpoint {
        &self.offers.boards[0]
    }

    fn is(&self, kind: &str) -> bool {
        self.kind == kind
    }

    async fn connect(&self, id: &str) -> Client {
        Client::connect(self.endpoint(), &Connect::new(id)).await.0
    }
}

/// A loopback address that no other broker of any test has: a port that is free again stays free there.
fn own_address() -> Ipv4Addr {
    static USED: AtomicU8 = AtomicU8::new(0);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + USED.fetch_add(1, Ordering::Relaxed) % 128, high, low.max(1))
}

fn config(kind: &str) -> hil_config::Broker {
    hil_config::Broker { kind: broker::kind(kind).expect("a kind"), ..hil_config::Broker::default() }
}

fn quiet() -> broker::LogSink {
    Arc::new(|_| {})
}

/// The kinds that are installed. With `HIL_REQUIRE_PARTS`, all must be.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn kinds() -> Vec<&'static str> {
    if std::env::var_os("HIL_REQUIRE_PARTS").is_none() && broker::find_program().is_err() {
        eprintln!("skipped on Mosquitto: it is not on this machine");
        return vec!["embedded"];
    }
    vec!["embedded", "mosquitto", "external"]
}

async fn start(kind: &'static str, change: impl FnOnce(&mut Settings)) -> Bench {
    let mut external = None;
    let mut of = config(kind);
    of.listen.set_ip(own_address().into());
    if kind == "external" {
        let mut broker = broker::new(&config("mosquitto"), quiet()).expect("installed");
        let offers = broker.start().await.expect("starts");
        let (scheme, host, port) = ("mqtt".to_owned(), offers.boards[0].host.clone(), offers.boards[0].port);
        of.url = Some(BrokerUrl { scheme, host, port, path: String::new() });
        external = Some(broker);
    }
    let mut broker = broker::new(&of, quiet()).expect("installed");
    if let Ok(settings) = broker.settings() {
        change(settings);
    }
    let offers = broker.start().await.expect("starts");
    Bench { kind, broker, offers, _behind: external }
}

type Case = fn(Bench) -> LocalBoxFuture<'static, ()>;

/// Runs a case on every broker, each time a new one.
#[expect(clippy::print_stderr, reason = "a failure shows which broker it was on")]
async fn on_all(case: Case) {
    for kind in kinds() {
        eprintln!("on {}", kind);
        case(start(kind, |_| {}).await).await;
    }
}

/// Runs a case on every broker that `hil` configures.
#[expect(clippy::print_stderr, reason = "a failure shows which broker it was on")]
async fn on_ours(change: fn(&mut Settings), case: Case) {
    for kind in kinds().into_iter().filter(|kind| *kind != "external") {
        eprintln!("on {}", kind);
        case(start(kind, change).await).await;
    }
}

#[tokio::test]
async fn statistics_are_published() {
    on_all(|bench| {
        Box::pin(async move {
            let mut watcher = bench.connect("watcher").await;
            watcher.subscribe("$SYS/broker/clients/connected", 0).await;
            let seen = tokio::time::timeout(Duration::from_secs(15), async {
                loop {
                    if let Some(Packet::Publish { payload, .. }) = watcher.next_slowly().await
                        && payload.as_text().is_some_and(|text| text.parse::<u32>().is_ok_and(|count| count >= 1))
                    {
                        return;
                    }
                }
            });
            seen.await.expect("a count of clients");
        })
    })
    .await;
}

#[tokio::test]
async fn a_restart_closes_everything_and_keeps_the_address() {
    on_ours(
        |_| {},
        |mut bench| {
            Box::pin(async move {
                let kept = Connect { keep: true, ..Connect::new("kept") };
                let (mut client, _) = Client::connect(bench.endpoint(), &kept).await;
                client.publish("state", "old", 1, true).await;
                bench.broker.stop().await.expect("stops");
                client.closed().await;
                assert!(Client::open(bench.endpoint()).await.is_err(), "it listens no more");
                let again = bench.broker.start().await.expect("starts again");
                assert_eq!(again.boards[0].port, bench.endpoint().port);
                let (mut client, present) = Client::connect(bench.endpoint(), &kept).await;
                assert!(!present, "nothing is kept");
                client.subscribe("state", 1).await;
                client.hears_nothing().await;
                assert!(bench.broker.died().borrow().is_none(), "it was asked to stop");
            })
        },
    )
    .await;
}

#[tokio::test]
async fn persistent_state_survives_a_restart() {
    on_ours(
        |settings| settings.persistence = true,
        |mut bench| {
            Box::pin(async move {
                let kept = Connect { keep: true, ..Connect::new("kept") };
                let (mut client, _) = Client::connect(bench.endpoint(), &kept).await;
                client.subscribe("news", 1).await;
                client.publish("state", "old", 1, true).await;
                bench.broker.stop().await.expect("stops");
                bench.broker.start().await.expect("starts again");
                let mut late = bench.connect("late").await;
                late.subscribe("state", 1).await;
                assert_eq!(late.message().await, ("state".into(), "old".into(), 1, true, false));
                let (mut client, present) = Client::connect(bench.endpoint(), &kept).await;
                assert!(present);
                late.publish("news", "after", 1, false).await;
                assert_eq!(client.message().await.1, "after");
            })
        },
    )
    .await;
}

#[tokio::test]
async fn only_mosquitto_supports_crash_and_pause() {
    on_all(|mut bench| {
        Box::pin(async move {
            if !bench.is("mosquitto") {
                for refused in [bench.broker.crash().await, bench.broker.pause(), bench.broker.resume()] {
                    assert!(matches!(refused, Err(BrokerError::Unsupported { .. })), "{refused:?}");
                }
                return;
            }
            let mut client = bench.connect("client").await;
            bench.broker.pause().expect("paused");
            client.send(&[0xc0, 0]).await;
            client.hears_nothing().await;
            bench.broker.resume().expect("goes on");
            assert_eq!(client.next().await, Some(Packet::Pingresp));
            bench.broker.crash().await.expect("crashes");
            client.closed().await;
            assert!(bench.broker.died().borrow().is_none(), "it was asked to crash");
            bench.broker.start().await.expect("starts again");
            bench.connect("client").await;
        })
    })
    .await;
}

#[tokio::test]
async fn an_external_broker_can_not_be_stopped_or_configured() {
    if !kinds().contains(&"external") {
        return;
    }
    let mut bench = start("external", |_| {}).await;
    let stop = bench.broker.stop().await.expect_err("not ours");
    assert_eq!(stop.to_string(), "a broker of kind `external` can't be stopped or started");
    assert!(bench.broker.settings().is_err());
}

/// A CA, a server and a client, in a folder of their own.
fn certificates() -> (tempfile::TempDir, TlsIdentity, PathBuf, TlsIdentity) {
    let folder = tempfile::tempdir().expect("folder");
    let valid = Some(Duration::from_secs(3600));
    let wanted = Certificates { hosts: vec!["127.0.0.1".into()], clients: vec!["lamp".into()], valid };
    make_certificates(folder.path(), &wanted).expect("made");
    let pair = |name: &str| TlsIdentity {
        cert: folder.path().join(format!("{name}.pem")),
        key: folder.path().join(format!("{name}.key")),
    };
    let (server, ca, client) = (pair("server"), folder.path().join("ca.pem"), pair("lamp"));
    (folder, server, ca, client)
}

#[tokio::test]
async fn mosquitto_has_tls_client_certificates_and_websocket() {
    if !kinds().contains(&"mosquitto") {
        return;
    }
    let (_folder, server, ca, client) = certificates();
    let of = hil_config::Broker { websocket: true, ..config("mosquitto") };
    let mut broker = broker::new(&of, quiet()).expect("installed");
    let settings = broker.settings().expect("ours");
    settings.tls = Some((server, ca));
    settings.client_certificates = true;
    let offers = broker.start().await.expect("starts");
    let websocket = offers.for_boards(Transport::WebSocket).expect("offered");
    assert_eq!(websocket.transport, Transport::WebSocket);
    let (mut over_websocket, _) = Client::connect(websocket, &Connect::new("ws")).await;
    over_websocket.subscribe("a", 1).await;
    let tls = offers.for_boards(Transport::Tls).expect("offered");
    let (mut over_tls, _) = Client::connect(&tls.with_identity(Some(client)), &Connect::new("tls")).await;
    over_tls.publish("a", "hello", 1, false).await;
    assert_eq!(over_websocket.message().await.1, "hello");
    // With TLS 1.3 a client learns of its missing certificate only when it reads next.
    let refused = match Client::open(tls).await {
        Err(_) => true,
        Ok(mut client) => tokio::time::timeout(SOON, client.closed()).await.is_ok(),
    };
    assert!(refused, "who shows no certificate");
}

#[tokio::test]
async fn an_external_broker_can_use_tls_and_websocket() {
    if !kinds().contains(&"external") {
        return;
    }
    let (_folder, server, ca, _) = certificates();
    let external = hil_config::Broker { websocket: true, ..config("mosquitto") };
    let mut external = broker::new(&external, quiet()).expect("installed");
    external.settings().expect("ours").tls = Some((server, ca.clone()));
    let offers = external.start().await.expect("starts");
    for transport in [Transport::Tls, Transport::WebSocket] {
        let at = offers.for_boards(transport).expect("offered");
        let url = BrokerUrl {
            scheme: transport.scheme().into(),
            host: at.host.clone(),
            port: at.port,
            path: at.path.clone(),
        };
        let tls = hil_config::BrokerTls { ca: Some(ca.clone()), ..hil_config::BrokerTls::default() };
        let of = hil_config::Broker { url: Some(url), tls, ..config("external") };
        let mut external = broker::new(&of, quiet()).expect("usable");
        let offers = external.start().await.expect("reached");
        let timeline = hil_timeline::Timeline::in_memory(hil_timeline::Epoch::start());
        let observer = hil_mqtt::Observer::connect("observer", &offers, timeline.recorder(None)).await.expect("let in");
        observer.subscribe("#").await.expect("subscribed");
        Client::connect(&offers.boards[0], &Connect::new("board")).await;
    }
}

#[tokio::test]
async fn a_broker_that_dies_is_noticed_at_once() {
    if !kinds().contains(&"mosquitto") {
        return;
    }
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log: broker::LogSink = Arc::new(move |line| sink.lock().push(line));
    let mut broker = broker::new(&config("mosquitto"), log).expect("installed");
    let offers = broker.start().await.expect("starts");
    let mut died = broker.died();
    assert!(died.borrow().is_none());
    let is_start = |line: &String| line.starts_with("mosquitto version");
    let log = lines.lock().clone();
    assert!(log.iter().any(is_start), "{log:?}");
    // Another process kills it.
    kill_own_mosquitto(offers.boards[0].port);
    let reason =
        tokio::time::timeout(SOON, died.wait_for(Option::is_some)).await.expect("noticed").expect("reported").clone();
    assert!(reason.as_deref().is_some_and(|reason| reason.starts_with("signal: 9 (SIGKILL)")), "{reason:?}");
}

/// Kills the child process that listens on this port.
fn kill_own_mosquitto(port: u16) {
    let me = std::process::id().to_string();
    let children = std::fs::read_dir("/proc").expect("proc").flatten();
    for entry in children {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1).map(str::to_owned));
        let command = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let config = command.split('\0').find(|word| word.ends_with("mosquitto.conf"));
        let is_it = config.and_then(|path| std::fs::read_to_string(path).ok());
        let listens = is_it.is_some_and(|text| text.contains(&format!("listener {port} ")));
        if parent.as_deref() == Some(&me) && listens {
            let pid = entry.file_name().to_string_lossy().parse().expect("a number");
            let pid = rustix::process::Pid::from_raw(pid).expect("a process");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("killed");
        }
    }
}

#[tokio::test]
async fn errors_name_their_cause() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let listen = taken.local_addr().expect("address");
    let mut errors = Vec::new();
    for kind in kinds().into_iter().filter(|kind| *kind != "external") {
        let of = hil_config::Broker { listen, ..config(kind) };
        let error = match broker::new(&of, quiet()).expect("installed").start().await {
            Ok(offers) => panic!("started: {offers:?}"),
            Err(error) => error,
        };
        errors.push(shown(&error).replace(&listen.to_string(), "[address]"));
    }
    let unused = { TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address") };
    let (scheme, host) = ("mqtt".to_owned(), unused.ip().to_string());
    let url = BrokerUrl { scheme, host, port: unused.port(), path: String::new() };
    let of = hil_config::Broker { url: Some(url), ..config("external") };
    let error = broker::new(&of, quiet()).expect("usable").start().await.expect_err("nothing listens");
    errors.push(shown(&error).replace(&unused.to_string(), "[address]"));
    let folder = tempfile::tempdir().expect("folder");
    let expired = Certificates { hosts: vec!["127.0.0.1".into()], clients: vec![], valid: None };
    make_certificates(folder.path(), &expired).expect("made");
    let at = |name: &str| folder.path().join(name);
    let identity = |cert: &str, key: &str| Some((at(cert), at(key)));
    std::fs::write(at("empty.pem"), "").expect("write");
    for (identity, ca) in [
        (identity("server.pem", "server.key"), Some(at("ca.pem"))),
        (identity("missing.pem", "server.key"), None),
        (None, Some(at("empty.pem"))),
    ] {
        let tls = hil_config::BrokerTls { identity, ca, client_certificates: false };
        let url = BrokerUrl::parse("mqtts://127.0.0.1");
        let of = hil_config::Broker { url, tls, ..config("external") };
        let error = broker::new(&of, quiet()).err().expect("unusable");
        errors.push(shown(&error).replace(&folder.path().display().to_string(), "[folder]"));
    }
    for error in [
        BrokerError::NotInstalled { program: "mosquitto".into() },
        BrokerError::Start { reason: "Error: Unknown configuration variable \"x\".".into() },
        BrokerError::Unsupported { kind: "embedded", what: "crash" },
    ] {
        errors.push(shown(&error));
    }
    errors.dedup();
    insta::assert_snapshot!(errors.join("\n\n"));
}

fn shown(error: &BrokerError) -> String {
    format!("error: {error}\nhint: {}", error.hint())
}
