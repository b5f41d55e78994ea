//! Who may connect, publish and subscribe.

use hil_mqtt::broker::{Access, AclRule, Settings, Who};
use hil_timeline::Packet;

use crate::client::{Client, Connect};
use crate::{Bench, on_ours};

/// The harness's own client: it receives every topic, whatever the access rules.
async fn observe(bench: &Bench) -> Client {
    let login = bench.offers.observer_login.as_ref();
    let login = login.map(|(user, password)| (user.as_str(), password.as_str()));
    let harness = Connect { login, ..Connect::new("harness") };
    let (mut observer, _) = Client::connect(&bench.offers.observer, &harness).await;
    observer.subscribe("#", 1).await;
    observer
}

#[tokio::test]
async fn users_can_connect_with_their_password_only() {
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
async fn an_acl_blocks_messages() {
    fn acl(settings: &mut Settings) {
        let rule = |who, access, filter: &str| AclRule { who, access, filter: filter.to_owned() };
        settings.users.insert("lamp".into(), "wonderland".into());
        settings.acl.get_or_insert_default().rules = vec![
            rule(Who::User("lamp".into()), Access::Write, "loger"),
            rule(Who::User("lamp".into()), Access::Read, "sooko/#"),
            rule(Who::Anyone, Access::Write, "own/%c"),
        ];
    }
    on_ours(acl, |bench| {
        Box::pin(async move {
            let mut observer = observe(&bench).await;
            let lamp = Connect { login: Some(("lamp", "wonderland")), ..Connect::new("lamp-1") };
            let (mut lamp, _) = Client::connect(bench.endpoint(), &lamp).await;
            lamp.publish_with(0, "forbidden", "x", &[]).await;
            lamp.publish_with(0, "own/lamp-2", "x", &[]).await;
            lamp.publish_with(0, "own/lamp-1", "mine", &[]).await;
            assert_eq!(observer.message().await.1, "mine");
            lamp.publish_with(0, "loger", "saya hidup", &[]).await;
            assert_eq!(observer.message().await.1, "saya hidup");
            assert_eq!(lamp.subscribe("sooko/lampu", 1).await, [1]);
            // A permitted difference: Mosquitto grants every subscription and filters deliveries; the embedded broker
            // refuses.
            let forbidden = lamp.subscribe("secret", 1).await;
            assert_eq!(forbidden[0] >= 0x80, bench.is("embedded"), "{forbidden:?}");
            observer.publish("secret", "not for lamps", 1, false).await;
            observer.publish("sooko/lampu", "on", 1, false).await;
            assert_eq!(lamp.message().await.1, "on");
        })
    })
    .await;
}

/// A client chooses its id: one with wildcards or several levels must not grant access to others' topics.
#[tokio::test]
async fn a_client_id_with_wildcards_grants_nothing() {
    fn acl(settings: &mut Settings) {
        let rule = |filter: &str| AclRule { who: Who::Anyone, access: Access::Write, filter: filter.to_owned() };
        settings.users.insert("lamp".into(), "wonderland".into());
        settings.acl.get_or_insert_default().rules = vec![rule("own/%c"), rule("below/%c/x"), rule("news")];
    }
    on_ours(acl, |bench| {
        Box::pin(async move {
            let mut observer = observe(&bench).await;
            let login = Some(("lamp", "wonderland"));
            for (id, topics) in [
                ("+", ["own/other", "below/other/x", "news"]),
                ("#", ["own/other", "own/a/b", "news"]),
                ("a/b", ["own/a/b", "below/a/b/x", "own/a"]),
            ] {
                // In Mosquitto up to 2.0 a client id may be several levels of a pattern; from 2.1 on one level only.
                if id == "a/b" && bench.is("mosquitto") {
                    continue;
                }
                let (mut client, _) = Client::connect(bench.endpoint(), &Connect { login, ..Connect::new(id) }).await;
                for topic in topics {
                    client.publish_with(0, topic, id, &[]).await;
                }
                // The next message is the allowed one after it.
                let (mut plain, _) = Client::connect(bench.endpoint(), &Connect { login, ..Connect::new("l1") }).await;
                // Once this is answered, the broker has handled everything before it.
                client.subscribe("sync", 0).await;
                plain.publish_with(0, "own/l1", "mine", &[]).await;
                let (topic, payload, ..) = observer.message().await;
                assert_eq!((topic.as_str(), payload.as_str()), ("own/l1", "mine"), "{id}");
            }
        })
    })
    .await;
}

#[tokio::test]
async fn a_full_broker_accepts_no_further_client() {
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
