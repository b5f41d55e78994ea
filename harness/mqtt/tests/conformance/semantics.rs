//! What every version of MQTT requires: delivery, retained messages, wills, sessions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hil_timeline::Packet;

use crate::client::{A_WHILE, Client, Connect};
use crate::on_all;

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
async fn wildcards_receive_what_they_match() {
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
async fn a_will_is_published_when_a_client_is_lost_and_not_after_disconnect() {
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

/// How long this machine stood still.
struct Stalls(tokio::task::JoinHandle<()>, Arc<AtomicU64>);

impl Stalls {
    fn watch() -> Self {
        const TICK: Duration = Duration::from_millis(10);
        let total = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&total);
        let watching = tokio::spawn(async move {
            loop {
                let begin = Instant::now();
                tokio::time::sleep(TICK).await;
                let late = begin.elapsed().saturating_sub(2 * TICK);
                counted.fetch_add(u64::try_from(late.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self(watching, total)
    }

    fn total(self) -> Duration {
        self.0.abort();
        Duration::from_millis(self.1.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn the_will_of_a_silent_client_comes_in_the_brokers_window() {
    on_all(|bench| {
        Box::pin(async move {
            let mut watcher = bench.connect("watcher").await;
            watcher.subscribe("status", 1).await;
            let connect = Connect { will: Some(("status", "gone", 0, false)), keep_alive: 2, ..Connect::new("silent") };
            let (_silent, _) = Client::connect(bench.endpoint(), &connect).await;
            let (start, stalls) = (Instant::now(), Stalls::watch());
            let window = bench.broker.will_window(Duration::from_secs(2));
            // The watcher's own keep alive is longer than that.
            let came = watcher.maybe(window.not_after + A_WHILE + Duration::from_secs(10)).await;
            assert!(
                matches!(&came, Some(Packet::Publish { topic, .. }) if topic == "status"),
                "{came:?} in {window:?}"
            );
            let after = start.elapsed();
            // Later by the time that this machine stalled, as the documentation says.
            let not_after = window.not_after + stalls.total();
            assert!(after >= window.not_before && after <= not_after, "{after:?} is not in {window:?}");
        })
    })
    .await;
}

#[tokio::test]
async fn a_client_with_the_same_id_takes_over() {
    on_all(|bench| {
        Box::pin(async move {
            let (mut first, _) = Client::connect(bench.endpoint(), &Connect::v5("same")).await;
            let (mut second, _) = Client::connect(bench.endpoint(), &Connect::v5("same")).await;
            let said = first.closed().await;
            // A permitted difference: Mosquitto 2.0 just closes; the embedded broker sends the reason (MQTT 5
            // §3.14.2.1: 0x8e).
            let reported = matches!(said[..], [Packet::Disconnect { code: 0x8e, .. }]);
            assert_eq!(reported, bench.is("embedded"), "{said:?}");
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
async fn unacknowledged_messages_are_sent_again_with_dup() {
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
            // The will shows that the broker has noticed the end.
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
async fn only_mosquitto_supports_mqtt_3_1() {
    on_all(|bench| {
        Box::pin(async move {
            let old = Connect { version: 3, ..Connect::new("old") };
            let (_, answer) = Client::try_connect(bench.endpoint(), &old).await;
            // A permitted difference: 3.1 was never a standard; the embedded broker closes without an answer.
            let accepted = matches!(answer, Some(Packet::Connack { code: 0, .. }));
            assert_eq!(accepted, !bench.is("embedded"), "{answer:?}");
        })
    })
    .await;
}

/// As after a power cut: the old connection is still open. The library behind the embedded broker hands over what was for
/// the old one.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_over_gets_what_is_retained() {
    on_all(|bench| {
        Box::pin(async move {
            let mut publisher = bench.connect("publisher").await;
            publisher.publish("news", "kept", 1, true).await;
            for round in 0..TAKEOVERS {
                let will = Some(("status", "gone", 1, false));
                let (mut client, _) =
                    Client::connect(bench.endpoint(), &Connect { will, ..Connect::new("same") }).await;
                client.subscribe("news", 1).await;
                let came = client.maybe(Duration::from_secs(5)).await;
                assert!(matches!(came, Some(Packet::Publish { .. })), "round {round}: {came:?}");
                // The broker ends it, at the latest when it stops.
                tokio::spawn(async move { client.closed().await });
            }
        })
    })
    .await;
}

/// Without what prevents it, a message is lost about once in a thousand times on a busy machine.
const TAKEOVERS: usize = 300;
