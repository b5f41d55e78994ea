//! What every broker does, run on all of them, and where they differ by right.
//!
//! The same cases run on the embedded broker, on a managed Mosquitto, and on a Mosquitto that stands for an external one.

mod client;

use std::future::Future;
use std::net::TcpListener;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::{A_WHILE, Client, Connect, SOON};
use hil_config::{BrokerKind, BrokerUrl};
use hil_mqtt::broker::{self, Access, AclRule, BrokerError, Settings, Who};
use hil_mqtt::tls::{Certificates, Identity, make_certificates};
use hil_mqtt::{Broker, Endpoint, Offers, Transport};
use hil_timeline::{Packet, Property};

/// A broker under test.
struct Bench {
    kind: BrokerKind,
    broker: Box<dyn Broker>,
    offers: Offers,
    /// What stands behind an external one.
    _behind: Option<Box<dyn Broker>>,
}

impl Bench {
    fn endpoint(&self) -> &Endpoint {
        &self.offers.boards[0]
    }

    fn is(&self, kind: BrokerKind) -> bool {
        self.kind == kind
    }

    async fn connect(&self, id: &str) -> Client {
        Client::connect(self.endpoint(), &Connect::new(id)).await.0
    }
}

fn config(kind: BrokerKind) -> hil_config::Broker {
    hil_config::Broker { kind, ..hil_config::Broker::default() }
}

fn quiet() -> broker::LogSink {
    Arc::new(|_| {})
}

/// Kinds that are on this machine. Where parts are required, all are.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn kinds() -> Vec<BrokerKind> {
    if std::env::var_os("HIL_REQUIRE_PARTS").is_none() && broker::find_program().is_err() {
        eprintln!("skipped on Mosquitto: it is not on this machine");
        return vec![BrokerKind::Embedded];
    }
    vec![BrokerKind::Embedded, BrokerKind::Mosquitto, BrokerKind::External]
}

async fn start(kind: BrokerKind, change: impl FnOnce(&mut Settings)) -> Bench {
    let mut behind = None;
    let mut of = config(kind);
    if kind == BrokerKind::External {
        let mut broker = broker::new(&config(BrokerKind::Mosquitto), quiet()).expect("installed");
        let offers = broker.start().await.expect("starts");
        let (scheme, host, port) = ("mqtt".to_owned(), offers.boards[0].host.clone(), offers.boards[0].port);
        of.url = Some(BrokerUrl { scheme, host, port, path: String::new() });
        behind = Some(broker);
    }
    let mut broker = broker::new(&of, quiet()).expect("installed");
    if let Ok(settings) = broker.settings() {
        change(settings);
    }
    let offers = broker.start().await.expect("starts");
    Bench { kind, broker, offers, _behind: behind }
}

type Case = fn(Bench) -> Pin<Box<dyn Future<Output = ()>>>;

/// Runs a case on every broker, each fresh.
#[expect(clippy::print_stderr, reason = "a failure shows which broker it was on")]
async fn on_all(case: Case) {
    for kind in kinds() {
        eprintln!("on {}", kind.word());
        case(start(kind, |_| {}).await).await;
    }
}

/// Runs a case on every broker that is ours to configure.
#[expect(clippy::print_stderr, reason = "a failure shows which broker it was on")]
async fn on_ours(change: fn(&mut Settings), case: Case) {
    for kind in kinds().into_iter().filter(|kind| *kind != BrokerKind::External) {
        eprintln!("on {}", kind.word());
        case(start(kind, change).await).await;
    }
}

#[tokio::test]
async fn both_versions_on_one_port() {
    on_all(|bench| {
        Box::pin(async move {
            Client::connect(bench.endpoint(), &Connect::new("three")).await;
            Client::connect(bench.endpoint(), &Connect::v5("five")).await;
        })
    })
    .await;
}

#[tokio::test]
async fn messages_arrive_at_the_lower_qos() {
    on_all(|bench| {
        Box::pin(async move {
            let mut publisher = bench.connect("publisher").await;
            for subscribed in 0..=2 {
                let mut subscriber = bench.connect("subscriber").await;
                assert_eq!(subscriber.subscribe("a/b", subscribed).await, [subscribed]);
                for published in 0..=2 {
                    publisher.publish("a/b", "x", published, false).await;
                    let (topic, payload, qos, retain, dup) = subscriber.message().await;
                    assert_eq!((topic.as_str(), payload.as_str(), retain, dup), ("a/b", "x", false, false));
                    assert_eq!(qos, published.min(subscribed));
                }
            }
        })
    })
    .await;
}

#[tokio::test]
async fn retained_messages_wait_and_are_cleared() {
    on_all(|bench| {
        Box::pin(async move {
            let mut publisher = bench.connect("publisher").await;
            publisher.publish("state", "old", 1, true).await;
            publisher.publish("state", "new", 1, true).await;
            let mut late = bench.connect("late").await;
            late.subscribe("state", 1).await;
            assert_eq!(late.message().await, ("state".into(), "new".into(), 1, true, false));
            publisher.publish("state", "", 1, true).await;
            assert_eq!(late.message().await.1, "");
            let mut later = bench.connect("later").await;
            later.subscribe("state", 1).await;
            later.hears_nothing().await;
        })
    })
    .await;
}

#[tokio::test]
async fn wildcards_take_what_they_match() {
    on_all(|bench| {
        Box::pin(async move {
            let mut publisher = bench.connect("publisher").await;
            for (filter, inside, outside) in
                [("a/+", "a/b", "a/b/c"), ("a/#", "a", "b"), ("+/c", "b/c", "b/c/d"), ("#", "x/y", "$SYS/z")]
            {
                let mut subscriber = bench.connect("subscriber").await;
                subscriber.subscribe(filter, 1).await;
                if !outside.starts_with('$') {
                    publisher.publish(outside, "out", 1, false).await;
                }
                publisher.publish(inside, "in", 1, false).await;
                let (topic, payload, ..) = subscriber.message().await;
                assert_eq!((topic.as_str(), payload.as_str()), (inside, "in"), "{filter}");
            }
        })
    })
    .await;
}

#[tokio::test]
async fn a_will_is_published_when_a_client_is_lost_and_not_when_it_says_good_bye() {
    on_all(|bench| {
        Box::pin(async move {
            let mut watcher = bench.connect("watcher").await;
            watcher.subscribe("status", 2).await;
            let connect = Connect { will: Some(("status", "gone", 2, true)), ..Connect::new("mortal") };
            let (mut polite, _) = Client::connect(bench.endpoint(), &connect).await;
            polite.send(&[0xe0, 0]).await;
            assert!(polite.closed().await.is_empty());
            watcher.hears_nothing().await;
            drop(Client::connect(bench.endpoint(), &connect).await);
            assert_eq!(watcher.message().await, ("status".into(), "gone".into(), 2, false, false));
            let mut late = bench.connect("late").await;
            late.subscribe("status", 2).await;
            assert_eq!(late.message().await, ("status".into(), "gone".into(), 2, true, false));
        })
    })
    .await;
}

#[tokio::test]
async fn the_will_of_a_silent_client_comes_in_the_brokers_window() {
    on_all(|bench| {
        Box::pin(async move {
            let mut watcher = bench.connect("watcher").await;
            watcher.subscribe("status", 1).await;
            let connect = Connect { will: Some(("status", "gone", 0, false)), keep_alive: 2, ..Connect::new("silent") };
            let (_silent, _) = Client::connect(bench.endpoint(), &connect).await;
            let start = Instant::now();
            let window = bench.broker.will_window(Duration::from_secs(2));
            // The watcher's own keep alive is longer than that.
            let came = watcher.maybe(window.not_after + A_WHILE).await;
            assert!(
                matches!(&came, Some(Packet::Publish { topic, .. }) if topic == "status"),
                "{came:?} in {window:?}"
            );
            let after = start.elapsed();
            assert!(after >= window.not_before && after <= window.not_after, "{after:?} is not in {window:?}");
        })
    })
    .await;
}

#[tokio::test]
async fn a_client_of_the_same_name_takes_over() {
    on_all(|bench| {
        Box::pin(async move {
            let (mut first, _) = Client::connect(bench.endpoint(), &Connect::v5("same")).await;
            let (mut second, _) = Client::connect(bench.endpoint(), &Connect::v5("same")).await;
            let said = first.closed().await;
            // By right: Mosquitto 2.0 closes without a word; the embedded broker says why (MQTT 5 §3.14.2.1: 0x8e).
            let told = matches!(said[..], [Packet::Disconnect { code: 0x8e, .. }]);
            assert_eq!(told, bench.is(BrokerKind::Embedded), "{said:?}");
            assert_eq!(second.subscribe("a", 0).await, [0], "the second goes on");
        })
    })
    .await;
}

#[tokio::test]
async fn a_kept_session_gets_what_it_missed_and_a_clean_one_nothing() {
    on_all(|bench| {
        Box::pin(async move {
            let mut publisher = bench.connect("publisher").await;
            let kept = Connect { keep: true, ..Connect::new("kept") };
            let (mut client, present) = Client::connect(bench.endpoint(), &kept).await;
            assert!(!present);
            client.subscribe("news", 1).await;
            client.send(&[0xe0, 0]).await;
            client.closed().await;
            publisher.publish("news", "missed", 1, false).await;
            let (mut client, present) = Client::connect(bench.endpoint(), &kept).await;
            assert!(present);
            assert_eq!(client.message().await.1, "missed");
            drop(client);
            let (mut clean, present) = Client::connect(bench.endpoint(), &Connect::new("kept")).await;
            assert!(!present);
            publisher.publish("news", "nobody", 1, false).await;
            clean.hears_nothing().await;
        })
    })
    .await;
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again_with_dup() {
    on_all(|bench| {
        Box::pin(async move {
            let kept = Connect { keep: true, will: Some(("lost", "lazy", 0, false)), ..Connect::new("lazy") };
            let (mut client, _) = Client::connect(bench.endpoint(), &kept).await;
            client.subscribe("news", 1).await;
            let mut publisher = bench.connect("publisher").await;
            publisher.subscribe("lost", 0).await;
            publisher.publish("news", "precious", 1, false).await;
            assert!(!client.unacknowledged().await.4);
            drop(client);
            // The will says that the broker has noticed the end.
            assert_eq!(publisher.message().await.0, "lost");
            let (mut client, present) = Client::connect(bench.endpoint(), &kept).await;
            assert!(present);
            let (_, payload, qos, _, dup) = client.message().await;
            assert_eq!((payload.as_str(), qos, dup), ("precious", 1, true));
        })
    })
    .await;
}

#[tokio::test]
async fn users_are_let_in_with_their_password_only() {
    fn users(settings: &mut Settings) {
        settings.users.insert("lamp".into(), "wonderland".into());
    }
    on_ours(users, |bench| {
        Box::pin(async move {
            let with = |login| Connect { login, ..Connect::new("u") };
            Client::connect(bench.endpoint(), &with(Some(("lamp", "wonderland")))).await;
            for login in [None, Some(("lamp", "looking")), Some(("alice", "wonderland"))] {
                let (_, answer) = Client::try_connect(bench.endpoint(), &with(login)).await;
                assert!(matches!(answer, Some(Packet::Connack { code: 5, .. })), "{login:?}: {answer:?}");
                let v5 = Connect { version: 5, ..with(login) };
                let (_, answer) = Client::try_connect(bench.endpoint(), &v5).await;
                assert!(matches!(answer, Some(Packet::Connack { code: 0x87, .. })), "{login:?}: {answer:?}");
            }
        })
    })
    .await;
}

#[tokio::test]
async fn an_acl_keeps_messages_away() {
    fn acl(settings: &mut Settings) {
        let rule = |who, access, filter: &str| AclRule { who, access, filter: filter.to_owned() };
        settings.users.insert("lamp".into(), "wonderland".into());
        settings.acl.get_or_insert_default().rules = vec![
            rule(Who::User("lamp".into()), Access::Write, "loger"),
            rule(Who::User("lamp".into()), Access::Read, "sooko/#"),
            rule(Who::Everybody, Access::Write, "own/%c"),
        ];
    }
    on_ours(acl, |bench| {
        Box::pin(async move {
            // The harness itself is above the law.
            let login = bench.offers.observer_login.clone();
            let login = login.as_ref().map(|(user, password)| (user.as_str(), password.as_str()));
            let harness = Connect { login, ..Connect::new("harness") };
            let (mut observer, _) = Client::connect(&bench.offers.observer, &harness).await;
            observer.subscribe("#", 1).await;
            let lamp = Connect { login: Some(("lamp", "wonderland")), ..Connect::new("lamp-1") };
            let (mut lamp, _) = Client::connect(bench.endpoint(), &lamp).await;
            lamp.publish_with(0, "forbidden", "x", &[]).await;
            lamp.publish_with(0, "own/lamp-2", "x", &[]).await;
            lamp.publish_with(0, "own/lamp-1", "mine", &[]).await;
            assert_eq!(observer.message().await.1, "mine");
            lamp.publish_with(0, "loger", "saya hidup", &[]).await;
            assert_eq!(observer.message().await.1, "saya hidup");
            assert_eq!(lamp.subscribe("sooko/lampu", 1).await, [1]);
            // By right: Mosquitto grants every subscription and filters what is delivered; the embedded broker refuses.
            let forbidden = lamp.subscribe("secret", 1).await;
            assert_eq!(forbidden[0] >= 0x80, bench.is(BrokerKind::Embedded), "{forbidden:?}");
            observer.publish("secret", "not for lamps", 1, false).await;
            observer.publish("sooko/lampu", "on", 1, false).await;
            assert_eq!(lamp.message().await.1, "on");
        })
    })
    .await;
}

#[tokio::test]
async fn a_full_broker_takes_nobody_else() {
    on_ours(
        |settings| settings.max_connections = Some(1),
        |bench| {
            Box::pin(async move {
                // The harness does not count.
                let _observer = Client::connect(&bench.offers.observer, &Connect::new("harness")).await;
                let mut first = bench.connect("first").await;
                let (_, answer) = Client::try_connect(bench.endpoint(), &Connect::new("second")).await;
                assert!(!matches!(answer, Some(Packet::Connack { code: 0, .. })), "{answer:?}");
                assert_eq!(first.subscribe("a", 0).await, [0], "the first goes on");
            })
        },
    )
    .await;
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
async fn a_restart_closes_everything_and_comes_back_on_its_address() {
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
async fn what_shall_outlive_a_restart_does() {
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

/// A user property, its name and value of one letter each.
const USER_PROPERTY: &[u8] = &[0x26, 0, 1, b'k', 0, 1, b'v'];

#[tokio::test]
async fn properties_of_mqtt_5_reach_the_receiver() {
    on_all(|bench| {
        Box::pin(async move {
            let (mut receiver, _) = Client::connect(bench.endpoint(), &Connect::v5("receiver")).await;
            receiver.subscribe("a", 0).await;
            let (mut sender, _) = Client::connect(bench.endpoint(), &Connect::v5("sender")).await;
            // Response topic `r`, correlation data `c`.
            let request = [USER_PROPERTY, &[0x08, 0, 1, b'r', 0x09, 0, 1, b'c']].concat();
            sender.publish_with(0, "a", "x", &request).await;
            let Some(Packet::Publish { properties, .. }) = receiver.next().await else { panic!("no message") };
            let has = |name: &str, value: &str| {
                properties.contains(&Property { name: name.to_owned(), value: value.to_owned() })
            };
            assert!(
                has("user property k", "v") && has("response topic", "r") && has("correlation data", "c"),
                "{properties:?}"
            );
            // By right or not: the embedded broker adds a property of its own.
            let added = properties.iter().any(|property| property.name == "user property x-mqtt-client-id");
            assert_eq!(added, bench.is(BrokerKind::Embedded), "{properties:?}");
        })
    })
    .await;
}

#[tokio::test]
async fn a_shared_subscription_gives_each_message_to_one() {
    on_all(|bench| {
        Box::pin(async move {
            let (mut one, _) = Client::connect(bench.endpoint(), &Connect::v5("one")).await;
            let (mut two, _) = Client::connect(bench.endpoint(), &Connect::v5("two")).await;
            assert_eq!(one.subscribe("$share/team/work", 1).await, [1]);
            assert_eq!(two.subscribe("$share/team/work", 1).await, [1]);
            let mut publisher = bench.connect("publisher").await;
            publisher.publish("work", "job", 1, false).await;
            let both = async { tokio::join!(one.maybe(A_WHILE), two.maybe(A_WHILE)) };
            let (first, second) = both.await;
            assert_eq!(usize::from(first.is_some()) + usize::from(second.is_some()), 1, "{first:?} {second:?}");
        })
    })
    .await;
}

#[tokio::test]
async fn a_session_expires_and_a_message_too() {
    on_all(|bench| {
        Box::pin(async move {
            let one_second = [0x11, 0, 0, 0, 1];
            let brief = Connect { keep: true, properties: &one_second, ..Connect::v5("brief") };
            let (mut client, _) = Client::connect(bench.endpoint(), &brief).await;
            client.send(&[0xe0, 0]).await;
            client.closed().await;
            let hour = [0x11, 0, 0, 0x0e, 0x10];
            let long = Connect { keep: true, properties: &hour, ..Connect::v5("long") };
            let (mut client, _) = Client::connect(bench.endpoint(), &long).await;
            client.subscribe("news", 1).await;
            client.send(&[0xe0, 0]).await;
            client.closed().await;
            let (mut sender, _) = Client::connect(bench.endpoint(), &Connect::v5("sender")).await;
            sender.publish_with(2, "news", "stale", &[0x02, 0, 0, 0, 1]).await;
            sender.publish_with(2, "news", "fresh", &[]).await;
            // What expires needs its time: there is nothing else to wait for.
            tokio::time::sleep(Duration::from_millis(2500)).await;
            let (_, present) = Client::connect(bench.endpoint(), &brief).await;
            assert!(!present, "the session had expired");
            let (mut client, present) = Client::connect(bench.endpoint(), &long).await;
            assert!(present);
            assert_eq!(client.message().await.1, "fresh");
        })
    })
    .await;
}

#[tokio::test]
async fn mqtt_3_1_is_mosquittos_alone() {
    on_all(|bench| {
        Box::pin(async move {
            let old = Connect { version: 3, ..Connect::new("old") };
            let (_, answer) = Client::try_connect(bench.endpoint(), &old).await;
            // By right: 3.1 was never a standard; the embedded broker closes without an answer.
            let accepted = matches!(answer, Some(Packet::Connack { code: 0, .. }));
            assert_eq!(accepted, !bench.is(BrokerKind::Embedded), "{answer:?}");
        })
    })
    .await;
}

#[tokio::test]
async fn crash_and_pause_are_mosquittos_alone() {
    on_all(|mut bench| {
        Box::pin(async move {
            if !bench.is(BrokerKind::Mosquitto) {
                for refused in [bench.broker.crash().await, bench.broker.pause(), bench.broker.resume()] {
                    assert!(matches!(refused, Err(BrokerError::CantDo { .. })), "{refused:?}");
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
async fn an_external_broker_is_not_ours_to_stop_or_configure() {
    if !kinds().contains(&BrokerKind::External) {
        return;
    }
    let mut bench = start(BrokerKind::External, |_| {}).await;
    let stop = bench.broker.stop().await.expect_err("not ours");
    assert_eq!(stop.to_string(), "a broker of kind `external` can't be stopped or started");
    assert!(bench.broker.settings().is_err());
}

/// A CA, a server and a client, in a folder that is theirs.
fn certificates() -> (tempfile::TempDir, Identity, PathBuf, Identity) {
    let folder = tempfile::tempdir().expect("folder");
    let valid = Some(Duration::from_secs(3600));
    let wanted = Certificates { hosts: vec!["127.0.0.1".into()], clients: vec!["lamp".into()], valid };
    make_certificates(folder.path(), &wanted).expect("made");
    let pair = |name: &str| Identity {
        cert: folder.path().join(format!("{name}.pem")),
        key: folder.path().join(format!("{name}.key")),
    };
    let (server, ca, client) = (pair("server"), folder.path().join("ca.pem"), pair("lamp"));
    (folder, server, ca, client)
}

#[tokio::test]
async fn mosquitto_has_tls_client_certificates_and_websocket() {
    if !kinds().contains(&BrokerKind::Mosquitto) {
        return;
    }
    let (_folder, server, ca, client) = certificates();
    let of = hil_config::Broker { websocket: true, ..config(BrokerKind::Mosquitto) };
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
    let (mut over_tls, _) = Client::connect(&tls.showing(Some(client)), &Connect::new("tls")).await;
    over_tls.publish("a", "hello", 1, false).await;
    assert_eq!(over_websocket.message().await.1, "hello");
    // With TLS 1.3 a client learns that its certificate is missing from what it reads next.
    let refused = match Client::open(tls).await {
        Err(_) => true,
        Ok(mut client) => tokio::time::timeout(SOON, client.closed()).await.is_ok(),
    };
    assert!(refused, "who shows no certificate");
}

#[tokio::test]
async fn an_external_broker_can_be_behind_tls_and_websocket() {
    if !kinds().contains(&BrokerKind::External) {
        return;
    }
    let (_folder, server, ca, _) = certificates();
    let behind = hil_config::Broker { websocket: true, ..config(BrokerKind::Mosquitto) };
    let mut behind = broker::new(&behind, quiet()).expect("installed");
    behind.settings().expect("ours").tls = Some((server, ca.clone()));
    let offers = behind.start().await.expect("starts");
    for transport in [Transport::Tls, Transport::WebSocket] {
        let at = offers.for_boards(transport).expect("offered");
        let url = BrokerUrl {
            scheme: transport.scheme().into(),
            host: at.host.clone(),
            port: at.port,
            path: at.path.clone(),
        };
        let tls = hil_config::BrokerTls { ca: Some(ca.clone()), ..hil_config::BrokerTls::default() };
        let of = hil_config::Broker { url: Some(url), tls, ..config(BrokerKind::External) };
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
    if !kinds().contains(&BrokerKind::Mosquitto) {
        return;
    }
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let log: broker::LogSink = Arc::new(move |line| sink.lock().expect("lock").push(line));
    let mut broker = broker::new(&config(BrokerKind::Mosquitto), log).expect("installed");
    let offers = broker.start().await.expect("starts");
    let mut died = broker.died();
    assert!(died.borrow().is_none());
    let is_start = |line: &String| line.starts_with("mosquitto version");
    let log = lines.lock().expect("lock").clone();
    assert!(log.iter().any(is_start), "{log:?}");
    // Somebody else ends it.
    kill_own_mosquitto(offers.boards[0].port);
    let reason =
        tokio::time::timeout(SOON, died.wait_for(Option::is_some)).await.expect("noticed").expect("told").clone();
    assert!(reason.as_deref().is_some_and(|reason| reason.starts_with("signal: 9 (SIGKILL)")), "{reason:?}");
}

/// Kills the child of this process that listens there.
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
async fn what_goes_wrong_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bind");
    let listen = taken.local_addr().expect("address");
    let mut errors = Vec::new();
    for kind in kinds().into_iter().filter(|kind| *kind != BrokerKind::External) {
        let of = hil_config::Broker { listen, ..config(kind) };
        let error = match broker::new(&of, quiet()).expect("installed").start().await {
            Ok(offers) => panic!("started: {offers:?}"),
            Err(error) => error,
        };
        errors.push(told(&error).replace(&listen.to_string(), "[address]"));
    }
    let nobody = { TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address") };
    let (scheme, host) = ("mqtt".to_owned(), nobody.ip().to_string());
    let url = BrokerUrl { scheme, host, port: nobody.port(), path: String::new() };
    let of = hil_config::Broker { url: Some(url), ..config(BrokerKind::External) };
    let error = broker::new(&of, quiet()).expect("usable").start().await.expect_err("nobody listens");
    errors.push(told(&error).replace(&nobody.to_string(), "[address]"));
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
        let of = hil_config::Broker { url, tls, ..config(BrokerKind::External) };
        let error = broker::new(&of, quiet()).err().expect("unusable");
        errors.push(told(&error).replace(&folder.path().display().to_string(), "[folder]"));
    }
    for error in [
        BrokerError::NotInstalled { program: "mosquitto".into() },
        BrokerError::Start { reason: "Error: Unknown configuration variable \"x\".".into() },
        BrokerError::CantDo { kind: "embedded", what: "crash" },
    ] {
        errors.push(told(&error));
    }
    errors.dedup();
    insta::assert_snapshot!(errors.join("\n\n"));
}

fn told(error: &BrokerError) -> String {
    format!("error: {error}\nhint: {}", error.hint())
}
