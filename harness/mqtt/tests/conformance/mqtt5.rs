//! What MQTT 5 adds.

use std::time::Duration;

use hil_timeline::{Packet, Property};

use crate::client::{A_WHILE, Client, Connect};
use crate::on_all;

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
            // A permitted difference: the embedded broker adds a property of its own.
            let added = properties.iter().any(|property| property.name == "user property x-mqtt-client-id");
            assert_eq!(added, bench.is("embedded"), "{properties:?}");
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
            // Its expiry counts from when the broker has received it.
            for _ in 0..2 {
                assert!(matches!(sender.next().await, Some(Packet::Puback { .. })));
            }
            // Expiry takes its time: there is no event to wait for.
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
