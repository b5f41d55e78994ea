//! Tests of the rows of a message.

use hil_timeline::QoS;

use super::*;

fn publish(payload: &str) -> Packet {
    Packet::Publish {
        topic: "a".into(),
        payload: Payload::from(payload),
        qos: QoS::AtLeastOnce,
        retain: false,
        dup: false,
        packet_id: Some(1),
        aliased: false,
        properties: vec![Property { name: "user property k".into(), value: "v".into() }],
    }
}

fn rows(rows: &[(&str, &str)]) -> MessageMatch {
    let rows: Vec<_> = rows.iter().map(|(name, value)| vec![(*name).to_owned(), (*value).to_owned()]).collect();
    MessageMatch::read(&rows).expect("rows")
}

#[test]
fn every_kind_of_row_can_hold() {
    let message = publish(r#"{"t": {"v": 28, "unit": "°C"}, "list": [1, 2.0]}"#);
    let wanted = rows(&[
        ("topic", "a"),
        ("payload", "/unit/"),
        ("QoS", "1"),
        ("retained", "no"),
        ("DUP", "no"),
        ("size", "/^\\d+ bytes$/"),
        ("json", r#"{"t": {"v": 28.0}, "list": [1, 2]}"#),
        ("json $.t.unit", "°C"),
        ("json list[1]", "2"),
        ("json $.t.v", "28.00"),
        ("json $.t.w", "none"),
        ("property content type", "none"),
        ("property content type", "is absent"),
        ("user property k", "v"),
        ("size", "is between 40 and 80"),
        ("json $.t.v", "is 28 ± 0.5"),
        ("json list[1]", "is a number"),
        ("json $.t.w", "is absent"),
    ]);
    assert_eq!(wanted.wrong(&message), Vec::<String>::new());
    assert!(rows(&[("payload", "is above 15")]).wrong(&publish(" 1.6e1\n")).is_empty());
    assert!(rows(&[("json $.state", "is on")]).wrong(&publish(r#"{"state": "is on"}"#)).is_empty(), "a text");
    assert!(rows(&[("hex", "6f 6e")]).wrong(&publish("on")).is_empty());
}

#[test]
fn every_kind_of_row_can_fail() {
    let message = publish(r#"{"t": {"v": 28}}"#);
    let wanted = rows(&[
        ("QoS", "2"),
        ("hex", "ff"),
        ("json", r#"{"t": {"v": 29}}"#),
        ("json", r#"{"t": {"w": 1}}"#),
        ("json $.t.u", "x"),
        ("json $.t.v", "none"),
        ("json $.t.v", "\"28\""),
        ("size", "3 bytes"),
        ("user property k", "w"),
        ("property content type", "text"),
    ]);
    let wrong = [wanted.wrong(&message), rows(&[("json a", "1")]).wrong(&publish("on"))].concat();
    insta::assert_snapshot!(wrong.join("\n"));
    let refused = [
        ("payloat", "x"),
        ("hex", "f"),
        ("json", "{"),
        ("size", "two"),
        ("QoS", "3"),
        ("retained", "true"),
        ("property contents type", "x"),
        ("json $[a]", "1"),
        ("json $.a", "[1"),
        ("payload", "/(/"),
        ("payload", "is above 1e3"),
        ("json $.a", "is between 5 and 1"),
    ];
    let errors: Vec<_> = refused
        .iter()
        .map(|(name, value)| MessageMatch::read(&[vec![(*name).into(), (*value).into()]]).expect_err("not a row"))
        .map(|unmet| format!("{}\n  hint: {}", unmet.failure.message, unmet.failure.hint.unwrap_or_default()))
        .collect();
    insta::assert_snapshot!(errors.join("\n"));
}

/// What is not a number is a failure that shows it.
#[test]
fn a_condition_on_a_number_shows_what_came_instead() {
    let mut shown = Vec::new();
    for payload in ["15", "21.5 °C", "NaN", "", "inf", "on"] {
        shown.extend(rows(&[("payload", "is above 15")]).wrong(&publish(payload)));
    }
    for payload in [r#"{"t": 15}"#, r#"{"t": "21"}"#, r#"{"t": null}"#, "{}", r#"{"t": 1e400}"#, r#"{"t": NaN}"#, "21"]
    {
        shown.extend(rows(&[("json $.t", "is above 15")]).wrong(&publish(payload)));
    }
    shown.extend(rows(&[("user property k", "is above 15"), ("size", "is above 15")]).wrong(&publish("")));
    shown.extend(
        rows(&[("json $.t", "is absent"), ("json $.u", "absent"), ("user property k", "is absent")])
            .wrong(&publish(r#"{"t": null}"#)),
    );
    insta::assert_snapshot!(shown.join("\n"));
    let big = publish(r#"{"t": 1e300, "n": 123456789012345678901234567890}"#);
    assert!(rows(&[("json $.t", "is above 15"), ("json $.n", "is above 15")]).wrong(&big).is_empty());
}

#[test]
fn named_groups_capture_what_they_match() {
    let wanted = rows(&[
        ("payload", "/\"id\": \"(?<id>\\w+)\"/"),
        ("json $.n", "/(?<n>.*)/"),
        ("json $.list", "/(?<list>.*)/"),
        ("topic", "/(?<topic>.+)/"),
        ("QoS", "/1|(?<never>2)/"),
    ]);
    let message = publish(r#"{"id": "a7", "n": 21.50, "list": [1, "x"]}"#);
    assert!(wanted.wrong(&message).is_empty());
    let names: Vec<_> = wanted.names().collect();
    assert_eq!(names, ["id", "n", "list", "topic", "never"]);
    let captured: Vec<_> = wanted.captures(&message).iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(captured, ["id=a7", "n=21.5", "list=[1,\"x\"]", "topic=a"], "a group without a match has no value");
}

#[test]
fn a_number_differs_from_its_text() {
    let number = publish(r#"{"t": 21}"#);
    let text = publish(r#"{"t": "21"}"#);
    assert!(rows(&[("json $.t", "21")]).wrong(&number).is_empty());
    assert!(!rows(&[("json $.t", "21")]).wrong(&text).is_empty(), "it would pass wrongly");
    assert!(rows(&[("json $.t", "\"21\"")]).wrong(&text).is_empty());
    assert!(rows(&[("json $.a", "[1, 2.0]")]).wrong(&publish(r#"{"a": [1, 2]}"#)).is_empty());
    assert!(rows(&[("json $.t", "20.50")]).wrong(&publish(r#"{"t": 20.50}"#)).is_empty());
    assert!(rows(&[("json $[\"a b\"]", "x")]).wrong(&publish(r#"{"a b": "x"}"#)).is_empty());
    assert!(rows(&[("field", "value"), ("size", "2")]).wrong(&publish("on")).is_empty(), "a header is not a row");
}
