//! A client id is any UTF-8 of up to 65,535 bytes (MQTT 3.1.1 §3.1.3.1, MQTT 5 §3.1.3.1).

use std::path::Path;

use hil_mqtt::broker::{Access, AclRule, Settings, Who};
use hil_timeline::Packet;

use crate::client::{Client, Connect};
use crate::{on_all, on_ours};

/// Client ids that firmware uses, or may use.
fn ids() -> Vec<String> {
    let mut ids: Vec<String> = [
        "sooko/lamp-1",
        "site\\lamp",
        "..",
        ".",
        "../../lamp",
        "/etc/lamp",
        "a lamp of mine",
        " ",
        "lämp-π-灯",
        "cert:lamp",
        "hil-client-lamp",
        "lamp:1;<>|*?\"'",
    ]
    .map(str::to_owned)
    .into();
    ids.extend([128, 129, 200, 1000, 65_535].map(|length| "x".repeat(length)));
    ids.extend(["/", "灯"].map(|part| part.repeat(200)));
    ids
}

fn short(id: &str) -> String {
    format!("{:?} of {} bytes", id.chars().take(20).collect::<String>(), id.len())
}

#[tokio::test]
async fn every_id_can_connect_and_keeps_its_session() {
    on_all(|bench| {
        Box::pin(async move {
            let mut sender = bench.connect("sender").await;
            for version in [4, 5] {
                for id in ids() {
                    let hour = [0x11, 0, 0, 0x0e, 0x10];
                    let properties = if version == 5 { &hour[..] } else { &[] };
                    let kept = Connect { version, keep: true, properties, ..Connect::new(&id) };
                    // The versions share their sessions: this one begins without.
                    let clean = Connect { version, ..Connect::new(&id) };
                    let (mut client, _) = Client::connect(bench.endpoint(), &clean).await;
                    client.send(&[0xe0, 0]).await;
                    client.closed().await;
                    let (mut client, present) = Client::connect(bench.endpoint(), &kept).await;
                    assert!(!present, "{}", short(&id));
                    assert_eq!(client.subscribe("news", 1).await, [1], "{}", short(&id));
                    client.send(&[0xe0, 0]).await;
                    client.closed().await;
                    sender.publish("news", &short(&id), 1, false).await;
                    let (mut client, present) = Client::connect(bench.endpoint(), &kept).await;
                    assert!(present, "{}", short(&id));
                    assert_eq!(client.message().await.1, short(&id));
                    client.send(&[0xe0, 0]).await;
                    client.closed().await;
                    Client::connect(bench.endpoint(), &clean).await;
                }
            }
        })
    })
    .await;
}

#[tokio::test]
async fn only_clients_with_the_same_id_take_each_other_over() {
    on_all(|bench| {
        Box::pin(async move {
            let mut first = bench.connect("site/lamp").await;
            let mut other = bench.connect("site/lamq").await;
            let mut second = bench.connect("site/lamp").await;
            first.closed().await;
            assert_eq!(other.subscribe("a", 0).await, [0]);
            assert_eq!(second.subscribe("a", 0).await, [0]);
        })
    })
    .await;
}

#[tokio::test]
async fn an_acl_applies_to_the_id_that_the_client_sent() {
    fn own(settings: &mut Settings) {
        let filter = "own/%c".to_owned();
        settings.acl.get_or_insert_default().rules = vec![
            AclRule { who: Who::Anyone, access: Access::Write, filter },
            AclRule { who: Who::Anyone, access: Access::Read, filter: "own/#".to_owned() },
        ];
    }
    on_ours(own, |bench| {
        Box::pin(async move {
            let mut reader = bench.connect("reader").await;
            assert_eq!(reader.subscribe("own/#", 0).await, [0]);
            let mut lamp = bench.connect(r"site\lamp").await;
            lamp.publish_with(0, r"own/site\lamq", "not mine", &[]).await;
            lamp.publish_with(0, r"own/site\lamp", "mine", &[]).await;
            assert_eq!(reader.message().await.1, "mine");
        })
    })
    .await;
}

/// Files and folders whose name contains this text, up to this depth.
fn named(folder: &Path, text: &str, depth: usize, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().contains(text) {
            found.push(entry.path().display().to_string());
        }
        if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            named(&entry.path(), text, depth - 1, found);
        }
    }
}

#[tokio::test]
async fn an_id_is_not_used_as_a_file_name_and_its_session_survives_a_restart() {
    on_ours(
        |settings| settings.persistence = true,
        |mut bench| {
            Box::pin(async move {
                let mark = format!("hil-escape-{}", std::process::id());
                let ids = [
                    format!("../../{mark}"),
                    format!("../../../../../../../tmp/{mark}"),
                    format!("{mark}/a"),
                    "/".repeat(9000),
                ];
                for id in &ids {
                    let kept = Connect { keep: true, ..Connect::new(id) };
                    let (mut client, _) = Client::connect(bench.endpoint(), &kept).await;
                    client.subscribe("news", 1).await;
                    client.send(&[0xe0, 0]).await;
                    client.closed().await;
                }
                let mut sender = bench.connect("sender").await;
                sender.publish("news", "while away", 1, false).await;
                bench.broker.stop().await.expect("stops");
                bench.broker.start().await.expect("starts again");
                for id in &ids {
                    let kept = Connect { keep: true, ..Connect::new(id) };
                    let (mut client, present) = Client::connect(bench.endpoint(), &kept).await;
                    assert!(present, "{}", short(id));
                    assert_eq!(client.message().await.1, "while away");
                }
                let mut found = Vec::new();
                named(&std::env::temp_dir(), &mark, 4, &mut found);
                named(Path::new("."), &mark, 1, &mut found);
                assert!(found.is_empty(), "{found:?}");
            })
        },
    )
    .await;
}

#[tokio::test]
async fn the_library_shows_its_own_name_in_its_property() {
    on_all(|bench| {
        Box::pin(async move {
            let (mut receiver, _) = Client::connect(bench.endpoint(), &Connect::v5("receiver")).await;
            receiver.subscribe("a", 0).await;
            let (mut sender, _) = Client::connect(bench.endpoint(), &Connect::v5("site/lamp")).await;
            sender.publish_with(0, "a", "x", &[]).await;
            let Some(Packet::Publish { properties, .. }) = receiver.next().await else { panic!("no message") };
            // A permitted difference: the embedded broker adds this property to every message.
            let added = properties.iter().find(|property| property.name == "user property x-mqtt-client-id");
            let is_name = |value: &str| value.starts_with("hil-client-") && value.len() == 11 + 64;
            assert_eq!(added.is_some_and(|added| is_name(&added.value)), bench.is("embedded"), "{properties:?}");
        })
    })
    .await;
}
