//! When the observer reports that it has caught up, it has received all that the broker had accepted, on every broker.

use std::sync::Arc;

use hil_mqtt::Observer;
use hil_timeline::{Cursor, Epoch, RunEvent, Timeline, What};

use crate::on_all;

fn observed(timeline: &Timeline, name: &str) -> usize {
    let by = |event: &&Arc<RunEvent>| matches!(&event.what, What::Observed { observer, .. } if observer == name);
    timeline.since(Cursor::default()).iter().filter(by).count()
}

#[tokio::test]
async fn everything_that_was_published_has_arrived() {
    on_all(|bench| {
        Box::pin(async move {
            let timeline = Timeline::in_memory(Epoch::start());
            let observer =
                Observer::connect("observer", &bench.offers, timeline.recorder(None)).await.expect("observer");
            observer.subscribe("#").await.expect("subscribed");
            let mut publisher = bench.connect("publisher").await;
            let mut published = 0;
            for round in 0..20 {
                // More at once than a broker sends to a client without acknowledgement; the last one is acknowledged,
                // so all are accepted.
                for n in 0..60 {
                    publisher.publish(&format!("a/{n}"), "x", 0, false).await;
                }
                publisher.publish("b", "x", 1 + round % 2, false).await;
                published += 61;
                observer.caught_up().await.expect("caught up");
                assert_eq!(observed(&timeline, "observer"), published, "in round {round}");
            }
        })
    })
    .await;
}

#[tokio::test]
async fn a_late_subscriber_has_received_all_retained_messages() {
    on_all(|bench| {
        Box::pin(async move {
            let timeline = Timeline::in_memory(Epoch::start());
            let mut publisher = bench.connect("publisher").await;
            for n in 0..60 {
                publisher.publish(&format!("state/{n}"), "on", n % 3, true).await;
            }
            for round in 0..20 {
                let name = format!("late-{round}");
                let late = Observer::connect(&name, &bench.offers, timeline.recorder(None)).await.expect("observer");
                late.subscribe("state/#").await.expect("subscribed");
                late.caught_up().await.expect("caught up");
                assert_eq!(observed(&timeline, &name), 60, "in round {round}");
            }
        })
    })
    .await;
}

#[tokio::test]
async fn no_client_notices_the_round_trips() {
    on_all(|bench| {
        Box::pin(async move {
            let timeline = Timeline::in_memory(Epoch::start());
            let observer =
                Observer::connect("observer", &bench.offers, timeline.recorder(None)).await.expect("observer");
            observer.subscribe("#").await.expect("subscribed");
            let mut client = bench.connect("client").await;
            client.subscribe("#", 2).await;
            let before = timeline.since(Cursor::default()).len();
            observer.caught_up().await.expect("caught up");
            client.hears_nothing().await;
            assert_eq!(timeline.since(Cursor::default()).len(), before, "and it is on no record");
        })
    })
    .await;
}
