//! Each rule is tested with raw bytes, and valid traffic violates none.

use super::*;

const CONNECT_31: &[u8] = b"\x10\x0f\x00\x06MQIsdp\x03\x02\x00\x0a\x00\x01p";
const CONNECT_4: &[u8] = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01l";
const CONNECT_5: &[u8] = b"\x10\x0e\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x01l";
const CONNACK_4: &[u8] = b"\x20\x02\x00\x00";
const CONNACK_5: &[u8] = b"\x20\x03\x00\x00\x00";
const PINGREQ: &[u8] = b"\xc0\x00";

enum Step<'a> {
    Up(&'a [u8]),
    Down(&'a [u8]),
}
use Step::{Down, Up};

/// The rule that the last packet of the board violates; those before it violate none.
fn last(steps: &[Step<'_>]) -> Option<String> {
    let mut violations = Violations::default();
    let mut last = None;
    for step in steps {
        match step {
            Up(raw) => {
                assert_eq!(last, None, "before {raw:02x?}");
                last = violations.sent(raw, true);
            }
            Down(raw) => violations.delivered(raw),
        }
    }
    last
}

fn breaks(steps: &[Step<'_>], rule: &str) {
    assert_eq!(last(steps).as_deref(), Some(rule));
}

/// After CONNECT and CONNACK of 3.1.1.
fn in_4(raw: &[u8]) -> Option<String> {
    last(&[Up(CONNECT_4), Down(CONNACK_4), Up(raw)])
}

/// After CONNECT and CONNACK of 5.
fn in_5(raw: &[u8]) -> Option<String> {
    last(&[Up(CONNECT_5), Down(CONNACK_5), Up(raw)])
}

/// A raw packet and the section that it violates in 3.1.1, the same in 5, and the rule; an empty packet is skipped.
type Case<'a> = (&'a [u8], &'a str, &'a [u8], &'a str, &'a str);

fn check(cases: &[Case<'_>]) {
    for (v4, section_4, v5, section_5, what) in cases {
        let wanted = |version: &str, section: &str| Some(format!("{what} (MQTT {version} §{section})"));
        if !v4.is_empty() {
            assert_eq!(in_4(v4), wanted("3.1.1", section_4), "{v4:02x?}");
        }
        if !v5.is_empty() {
            assert_eq!(in_5(v5), wanted("5", section_5), "{v5:02x?}");
        }
    }
}

#[test]
fn the_stream() {
    check(&[
        (b"\x00\x00", "2.2.1", b"\x00\x00", "2.1.2", "a packet of a reserved type"),
        (b"\xf0\x00", "2.2.1", b"", "", "a packet of a reserved type"),
        (
            b"\x30\xff\xff\xff\xff\x01",
            "2.2.3",
            b"\x30\xff\xff\xff\xff\x01",
            "1.5.5",
            "the remaining length has more than four bytes",
        ),
        (b"", "", b"\xc0\x80\x00", "1.5.5", "a length is not encoded in the fewest bytes"),
        (b"", "", b"\x30\x05\x00\x01t\x80\x00", "1.5.5", "a length is not encoded in the fewest bytes"),
        (b"\xc1\x00", "2.2.2", b"\xc1\x00", "2.1.3", "reserved flags of the fixed header are wrong"),
        (b"\xe2\x00", "2.2.2", b"\xe2\x00", "2.1.3", "reserved flags of the fixed header are wrong"),
        (b"\x42\x02\x00\x01", "2.2.2", b"\x42\x02\x00\x01", "2.1.3", "reserved flags of the fixed header are wrong"),
        (b"\x30\x03\x00\x09t", "2.2.3", b"\x30\x03\x00\x09t", "2.1.4", "a packet ends within a field"),
        (b"\x40\x01\x00", "2.2.3", b"\x40\x01\x00", "2.1.4", "a packet ends within a field"),
        (b"\xc0\x01\x00", "2.2.3", b"\xc0\x01\x00", "2.1.4", "bytes follow the last field of a packet"),
        (b"\xe0\x02\x00\x00", "2.2.3", b"\xe0\x03\x00\x00\x00", "2.1.4", "bytes follow the last field of a packet"),
        (b"\x30\x03\x00\x01\xff", "1.5.3", b"\x30\x04\x00\x01\xff\x00", "1.5.4", "a string is not UTF-8"),
        (
            b"\x30\x05\x00\x03\xed\xa0\x80",
            "1.5.3",
            b"\x30\x06\x00\x03\xed\xa0\x80\x00",
            "1.5.4",
            "a string is not UTF-8",
        ),
        (b"\x30\x03\x00\x01\x00", "1.5.3", b"\x30\x04\x00\x01\x00\x00", "1.5.4", "a string contains U+0000"),
    ]);
    assert_eq!(in_4(b"\xc0\x80\x00"), None, "3.1.1 has no rule about it");
}

#[test]
fn who_sends_what_and_when() {
    for packet in [&b"\x20\x02\x00\x00"[..], b"\x90\x03\x00\x01\x00", b"\xb0\x02\x00\x01", b"\xd0\x00"] {
        assert_eq!(in_4(packet).as_deref(), Some("a packet that only servers send (MQTT 3.1.1 §2.2.1)"));
        assert_eq!(in_5(packet).as_deref(), Some("a packet that only servers send (MQTT 5 §2.1.2)"));
    }
    breaks(&[Up(PINGREQ)], "the first packet is not CONNECT (MQTT 3.1.1 §3.1)");
    breaks(&[Up(CONNECT_4), Up(CONNECT_4)], "a second CONNECT on one connection (MQTT 3.1.1 §3.1)");
    breaks(&[Up(CONNECT_5), Up(CONNECT_4)], "a second CONNECT on one connection (MQTT 5 §3.1)");
    breaks(&[Up(CONNECT_31), Up(CONNECT_31)], "a second CONNECT on one connection (MQTT 3.1.1 §3.1)");
    breaks(&[Up(CONNECT_4), Up(b"\xe0\x00"), Up(PINGREQ)], "a packet follows DISCONNECT (MQTT 3.1.1 §3.14.4)");
    breaks(&[Up(CONNECT_5), Up(b"\xe0\x01\x04"), Up(PINGREQ)], "a packet follows DISCONNECT (MQTT 5 §3.14.4)");
    let authenticates = b"\x10\x13\x00\x04MQTT\x05\x02\x00\x3c\x05\x15\x00\x02ab\x00\x01l";
    assert_eq!(last(&[Up(authenticates), Up(b"\xf0\x07\x18\x05\x15\x00\x02ab")]), None);
    breaks(
        &[Up(authenticates), Up(PINGREQ)],
        "a packet other than AUTH or DISCONNECT before the CONNACK of an authentication (MQTT 5 §3.1.2.11.9)",
    );
    assert_eq!(
        in_5(b"\xf0\x00").as_deref(),
        Some("AUTH although CONNECT named no authentication method (MQTT 5 §4.12)")
    );
}

#[test]
fn packets_after_disconnect_are_reported_once() {
    let mut violations = Violations::default();
    let mut all = [CONNECT_4, b"\xe0\x00", PINGREQ, PINGREQ].map(|raw| violations.sent(raw, true)).into_iter();
    assert_eq!(all.by_ref().flatten().count(), 1);
    let mut violations = Violations::default();
    let all = [PINGREQ, PINGREQ, CONNECT_4, PINGREQ].map(|raw| violations.sent(raw, true));
    assert_eq!(all.into_iter().flatten().count(), 1);
}

/// A CONNECT of this version with these flags; then come the properties of MQTT 5 and the payload.
fn connect(level: u8, flags: u8, properties: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut body = [b"\x00\x04MQTT", &[level, flags, 0, 60][..]].concat();
    if level == 5 {
        body.push(u8::try_from(properties.len()).expect("short"));
        body.extend(properties);
    }
    body.extend(payload);
    let mut packet = vec![0x10, u8::try_from(body.len()).expect("short")];
    packet.extend(body);
    packet
}

#[test]
fn connect_flags_and_what_they_announce() {
    let in_both = |flags, payload_4: &[u8], payload_5: &[u8], what: &str, section: &str| {
        breaks(&[Up(&connect(4, flags, b"", payload_4))], &format!("{what} (MQTT 3.1.1 §{section})"));
        breaks(&[Up(&connect(5, flags, b"", payload_5))], &format!("{what} (MQTT 5 §{section})"));
    };
    let id = b"\x00\x01l";
    in_both(0x03, id, id, "the reserved connect flag is set", "3.1.2.3");
    in_both(0x1e, id, id, "the will asks for QoS 3", "3.1.2.6");
    in_both(0x0a, id, id, "a will QoS without the will flag", "3.1.2.6");
    in_both(0x22, id, id, "will retain without the will flag", "3.1.2.7");
    in_both(0x06, id, id, "the will flag is set, but there is no will", "3.1.2.5");
    in_both(0x82, id, id, "the user name flag is set, but there is no user name", "3.1.2.8");
    let user = b"\x00\x01l\x00\x01u";
    in_both(0xc2, user, user, "the password flag is set, but there is no password", "3.1.2.9");
    in_both(
        0x06,
        b"\x00\x01l\x00\x00\x00\x01g",
        b"\x00\x01l\x00\x00\x00\x00\x01g",
        "the will's topic is empty",
        "4.7.3",
    );
    in_both(
        0x06,
        b"\x00\x01l\x00\x03s/#\x00\x01g",
        b"\x00\x01l\x00\x00\x03s/#\x00\x01g",
        "the will's topic has a wildcard",
        "4.7.1",
    );
    breaks(
        &[Up(&connect(4, 0x42, b"", b"\x00\x01l\x00\x01p"))],
        "the password flag without the user name flag (MQTT 3.1.1 §3.1.2.9)",
    );
    assert_eq!(last(&[Up(&connect(5, 0x42, b"", b"\x00\x01l\x00\x01p"))]), None);
    breaks(
        &[Up(&connect(4, 0x00, b"", b"\x00\x00"))],
        "an empty client id without clean session (MQTT 3.1.1 §3.1.3.1)",
    );
    assert_eq!(last(&[Up(&connect(4, 0x02, b"", b"\x00\x00"))]), None);
    assert_eq!(last(&[Up(&connect(5, 0x00, b"", b"\x00\x00"))]), None);
    breaks(&[Up(&connect(4, 0x02, b"", user))], "bytes follow the last field of a packet (MQTT 3.1.1 §2.2.3)");
}

#[test]
fn properties_of_connect() {
    let property = |properties: &[u8]| last(&[Up(&connect(5, 2, properties, b"\x00\x01l"))]);
    let is = |properties: &[u8], rule: &str| assert_eq!(property(properties).as_deref(), Some(rule));
    assert_eq!(
        property(b"\x21\x00\x0a\x22\x00\x0a\x27\x00\x00\x01\x00\x26\x00\x01k\x00\x01v\x26\x00\x01k\x00\x01v"),
        None
    );
    is(b"\x21\x00\x00", "a receive maximum of 0 (MQTT 5 §3.1.2.11.3)");
    is(b"\x27\x00\x00\x00\x00", "a maximum packet size of 0 (MQTT 5 §3.1.2.11.4)");
    is(b"\x19\x02", "request response information is neither 0 nor 1 (MQTT 5 §3.1.2.11.6)");
    is(b"\x17\x02", "request problem information is neither 0 nor 1 (MQTT 5 §3.1.2.11.7)");
    is(b"\x16\x00\x01x", "authentication data without an authentication method (MQTT 5 §3.1.2.11.10)");
    is(b"\x21\x00\x0a\x21\x00\x0a", "a property occurs more than once (MQTT 5 §3.1.2.11)");
    is(b"\x23\x00\x01", "a property that does not belong to its packet (MQTT 5 §2.2.2.2)");
    is(b"\x7f", "a property that does not belong to its packet (MQTT 5 §2.2.2.2)");
}

#[test]
fn properties_occur_once_in_every_packet() {
    let twice = |steps: &[Step<'_>], section: &str| {
        breaks(steps, &format!("a property occurs more than once (MQTT 5 §{section})"));
    };
    let will = connect(5, 6, b"", b"\x00\x01l\x04\x01\x00\x01\x00\x00\x01t\x00\x01g");
    twice(&[Up(&will)], "3.1.3.2");
    let reason = b"\x1f\x00\x01a\x1f\x00\x01a";
    let with_reason = |head: &[u8]| {
        let mut packet = head.to_vec();
        packet.push(8);
        packet.extend(reason);
        packet[1] = u8::try_from(packet.len() - 2).expect("short");
        packet
    };
    twice(&[Up(CONNECT_5), Up(b"\x30\x0a\x00\x01t\x06\x23\x00\x01\x23\x00\x01")], "3.3.2.3");
    twice(&[Up(CONNECT_5), Up(&with_reason(b"\x40\x00\x00\x01\x00"))], "3.4.2.2");
    twice(&[Up(CONNECT_5), Up(b"\x82\x0b\x00\x01\x04\x0b\x01\x0b\x02\x00\x01t\x00")], "3.8.2.1");
    twice(&[Up(CONNECT_5), Up(&with_reason(b"\xe0\x00\x00"))], "3.14.2.2");
    let authenticates = connect(5, 2, b"\x15\x00\x01a", b"\x00\x01l");
    twice(&[Up(&authenticates), Up(&with_reason(b"\xf0\x00\x18"))], "3.15.2.2");
    let of_publish = b"\xa2\x0a\x00\x01\x03\x23\x00\x01\x00\x02ab";
    breaks(&[Up(CONNECT_5), Up(of_publish)], "a property that does not belong to its packet (MQTT 5 §2.2.2.2)");
}

#[test]
fn publish() {
    check(&[
        (b"\x36\x05\x00\x01t\x00\x01", "3.3.1.2", b"\x36\x06\x00\x01t\x00\x01\x00", "3.3.1.2", "a PUBLISH at QoS 3"),
        (b"\x38\x03\x00\x01t", "3.3.1.1", b"\x38\x04\x00\x01t\x00", "3.3.1.1", "DUP is set at QoS 0"),
        (
            b"\x30\x05\x00\x03t/#",
            "3.3.2.1",
            b"\x30\x06\x00\x03t/+\x00",
            "3.3.2.1",
            "the topic of a PUBLISH has a wildcard",
        ),
        (b"\x30\x02\x00\x00", "4.7.3", b"\x30\x03\x00\x00\x00", "3.3.2.1", "a PUBLISH without a topic"),
        (b"\x32\x05\x00\x01t\x00\x00", "2.3.1", b"\x32\x06\x00\x01t\x00\x00\x00", "2.2.1", "packet identifier 0"),
        (b"", "", b"\x30\x06\x00\x00\x03\x23\x00\x00", "3.3.2.3.4", "topic alias 0"),
        (b"", "", b"\x30\x07\x00\x01t\x03\x23\x00\x01", "3.3.2.3.4", "a topic alias above the broker's maximum"),
        (b"", "", b"\x30\x09\x00\x01t\x05\x08\x00\x02a+", "3.3.2.3.5", "a response topic has a wildcard"),
        (b"", "", b"\x30\x06\x00\x01t\x02\x0b\x01", "3.3.4", "a subscription identifier in a client's PUBLISH"),
    ]);
    assert_eq!(
        last(&[Up(CONNECT_31), Up(b"\x32\x05\x00\x01t\x00\x00")]).as_deref(),
        Some("packet identifier 0 (MQTT 3.1.1 §2.3.1)")
    );
}

#[test]
fn what_the_broker_grants() {
    let limits = b"\x20\x0f\x00\x00\x0c\x22\x00\x02\x24\x01\x25\x00\x27\x00\x00\x00\x10";
    let after = |raw| last(&[Up(CONNECT_5), Down(limits), Up(raw)]);
    let is = |raw, rule: &str| assert_eq!(after(raw).as_deref(), Some(rule));
    assert_eq!(after(b"\x32\x06\x00\x01t\x00\x01\x00"), None);
    is(b"\x34\x06\x00\x01t\x00\x01\x00", "a QoS above the broker's maximum (MQTT 5 §3.2.2.3.4)");
    is(b"\x31\x04\x00\x01t\x00", "a retained message although the broker allows none (MQTT 5 §3.2.2.3.5)");
    is(b"\x30\x10\x00\x01t\x00123456789012", "a packet larger than the broker's maximum (MQTT 5 §3.2.2.3.6)");
    is(b"\x30\x06\x00\x00\x03\x23\x00\x02", "a topic alias that is not set yet (MQTT 5 §3.3.2.3.4)");
    let named = b"\x30\x07\x00\x01t\x03\x23\x00\x02";
    assert_eq!(last(&[Up(CONNECT_5), Down(limits), Up(named), Up(b"\x30\x06\x00\x00\x03\x23\x00\x02")]), None);
    is(b"\x30\x07\x00\x01t\x03\x23\x00\x03", "a topic alias above the broker's maximum (MQTT 5 §3.3.2.3.4)");
    // Before CONNACK the limits are unknown.
    assert_eq!(last(&[Up(CONNECT_5), Up(named)]), None);
}

#[test]
fn packet_identifiers() {
    let puback = b"\x40\x02\x00\x01";
    check(&[
        (b"\x40\x02\x00\x00", "2.3.1", b"\x50\x02\x00\x00", "2.2.1", "packet identifier 0"),
        (b"\x62\x02\x00\x00", "2.3.1", b"\x70\x02\x00\x00", "2.2.1", "packet identifier 0"),
        (b"\x60\x02\x00\x01", "3.6.1", b"\x60\x02\x00\x01", "3.6.1", "the flags of a PUBREL are not 2"),
        (puback, "2.3.1", puback, "2.2.1", "an acknowledgement of a packet that the broker has not sent"),
    ]);
    let (first, again) = (b"\x32\x05\x00\x01t\x00\x01", b"\x3a\x05\x00\x01t\x00\x01");
    let connected = || [Up(CONNECT_4), Down(CONNACK_4)];
    let in_use = "a packet identifier that is in use (MQTT 3.1.1 §2.3.1)";
    let after = |steps: Vec<Step<'static>>| last(&connected().into_iter().chain(steps).collect::<Vec<_>>());
    assert_eq!(after(vec![Up(first), Up(first)]).as_deref(), Some(in_use));
    assert_eq!(after(vec![Up(first), Up(again)]), None, "sent again");
    assert_eq!(after(vec![Up(first), Down(puback), Up(first)]), None, "acknowledged");
    assert_eq!(after(vec![Up(first), Up(b"\x82\x06\x00\x01\x00\x01t\x01")]).as_deref(), Some(in_use));
    let exactly_once = b"\x34\x05\x00\x01t\x00\x01";
    assert_eq!(after(vec![Up(exactly_once), Down(b"\x50\x02\x00\x01"), Up(first)]).as_deref(), Some(in_use));
    assert_eq!(after(vec![Up(exactly_once), Down(b"\x50\x02\x00\x01"), Down(b"\x70\x02\x00\x01"), Up(first)]), None);
}

#[test]
fn acknowledgements_of_what_the_broker_sent() {
    let connected = || [Up(CONNECT_4), Down(CONNACK_4)];
    let after = |steps: Vec<Step<'static>>| last(&connected().into_iter().chain(steps).collect::<Vec<_>>());
    assert_eq!(after(vec![Down(b"\x32\x05\x00\x01t\x00\x01"), Up(b"\x40\x02\x00\x01")]), None);
    assert_eq!(after(vec![Down(b"\x34\x05\x00\x01t\x00\x01"), Up(b"\x50\x02\x00\x01")]), None);
    assert_eq!(after(vec![Down(b"\x62\x02\x00\x01"), Up(b"\x70\x02\x00\x01")]), None);
    assert!(after(vec![Down(b"\x34\x05\x00\x01t\x00\x01"), Up(b"\x40\x02\x00\x01")]).is_some(), "not with PUBACK");
    // Packets of an earlier connection of the session are unknown.
    assert_eq!(last(&[Up(CONNECT_4), Down(b"\x20\x02\x01\x00"), Up(b"\x40\x02\x00\x01")]), None);
    assert_eq!(last(&[Up(CONNECT_31), Down(CONNACK_4), Up(b"\x40\x02\x00\x01")]), None);
}

#[test]
fn subscribe_and_unsubscribe() {
    check(&[
        (
            b"\x80\x06\x00\x01\x00\x01t\x00",
            "3.8.1",
            b"\x80\x07\x00\x01\x00\x00\x01t\x00",
            "3.8.1",
            "the flags of a SUBSCRIBE are not 2",
        ),
        (
            b"\xa0\x05\x00\x01\x00\x01t",
            "3.10.1",
            b"\xa0\x06\x00\x01\x00\x00\x01t",
            "3.10.1",
            "the flags of an UNSUBSCRIBE are not 2",
        ),
        (b"\x82\x06\x00\x00\x00\x01t\x00", "2.3.1", b"\xa2\x06\x00\x00\x00\x00\x01t", "2.2.1", "packet identifier 0"),
        (b"\x82\x02\x00\x01", "3.8.3", b"\x82\x03\x00\x01\x00", "3.8.3", "a SUBSCRIBE without a topic filter"),
        (b"\xa2\x02\x00\x01", "3.10.3", b"\xa2\x03\x00\x01\x00", "3.10.3", "an UNSUBSCRIBE without a topic filter"),
        (
            b"\x82\x06\x00\x01\x00\x01t\x03",
            "3.8.3",
            b"\x82\x07\x00\x01\x00\x00\x01t\x03",
            "3.8.3.1",
            "a SUBSCRIBE asks for QoS 3",
        ),
        (
            b"\x82\x06\x00\x01\x00\x01t\x04",
            "3.8.3",
            b"\x82\x07\x00\x01\x00\x00\x01t\x40",
            "3.8.3.1",
            "reserved bits of a subscription's options are set",
        ),
        (b"", "", b"\x82\x07\x00\x01\x00\x00\x01t\x30", "3.8.3.1", "retain handling 3"),
        (b"", "", b"\x82\x10\x00\x01\x00\x00\x0a$share/g/t\x04", "3.8.3.1", "no local on a shared subscription"),
        (b"", "", b"\x82\x09\x00\x01\x02\x0b\x00\x00\x01t\x00", "3.8.2.1.2", "subscription identifier 0"),
        (b"\x82\x05\x00\x01\x00\x00\x00", "4.7.3", b"\xa2\x05\x00\x01\x00\x00\x00", "4.7.3", "an empty topic filter"),
        (
            b"\x82\x08\x00\x01\x00\x03#/t\x00",
            "4.7.1.2",
            b"\xa2\x07\x00\x01\x00\x00\x02t#",
            "4.7.1.2",
            "`#` in a topic filter is not its whole last level",
        ),
        (
            b"\xa2\x06\x00\x01\x00\x02t+",
            "4.7.1.3",
            b"\xa2\x07\x00\x01\x00\x00\x02t+",
            "4.7.1.3",
            "`+` in a topic filter is not a whole level",
        ),
        (
            b"",
            "",
            b"\xa2\x0e\x00\x01\x00\x00\x09$share/+g",
            "4.8.2",
            "a shared subscription without a share name or a topic filter",
        ),
    ]);
    for filter in ["#", "+", "a/+/b", "a/#", "/", "+/+", "/#", "$share/a"] {
        let mut subscribe = vec![0x82, u8::try_from(filter.len() + 5).expect("short"), 0, 1, 0];
        subscribe.push(u8::try_from(filter.len()).expect("short"));
        subscribe.extend(filter.as_bytes());
        subscribe.push(1);
        assert_eq!(in_4(&subscribe), None, "{filter}");
    }
    let shared = b"\x82\x10\x00\x01\x00\x00\x0a$share/g/+\x01";
    assert_eq!(in_5(shared), None);
}

#[test]
fn disconnect() {
    for raw in [&b"\xe0\x00"[..], b"\xe0\x01\x04", b"\xe0\x02\xff\x00", b"\xe0\x07\x04\x05\x11\x00\x00\x00\x00"] {
        assert_eq!(in_5(raw), None, "{raw:02x?}");
    }
    assert_eq!(
        in_5(b"\xe0\x07\x00\x05\x11\x00\x00\x00\x0a").as_deref(),
        Some("a session expiry in DISCONNECT although CONNECT had none (MQTT 5 §3.14.2.2.2)")
    );
    let expires = connect(5, 2, b"\x11\x00\x00\x00\x0a", b"\x00\x01l");
    assert_eq!(last(&[Up(&expires), Up(b"\xe0\x07\x00\x05\x11\x00\x00\x00\x14")]), None);
}

#[test]
fn an_unknown_version_is_not_judged() {
    for level in [6, 0x84] {
        assert_eq!(last(&[Up(&connect(level, 0xff, b"", b"")), Up(b"\x00\x00")]), None);
    }
    assert_eq!(last(&[Up(b"\x10\x0d\x00\x04MQTX\x04\x02\x00\x3c\x00\x01l"), Up(CONNECT_4)]), None);
}

#[test]
fn packets_that_the_tap_reordered_violate_no_rule_about_order() {
    let mut violations = Violations::default();
    assert_eq!(violations.sent(CONNECT_5, true), None);
    violations.delivered(b"\x20\x06\x00\x00\x03\x22\x00\x0a");
    violations.reorder();
    let (named, by_alias) = (b"\x30\x07\x00\x01t\x03\x23\x00\x02", b"\x30\x06\x00\x00\x03\x23\x00\x02");
    for raw in [&by_alias[..], named, b"\xe0\x00", PINGREQ] {
        assert_eq!(violations.sent(raw, true), None, "{raw:02x?}");
    }
}

#[test]
fn a_packet_too_large_to_keep_counts_by_its_type() {
    let part = b"\x30\xff\xff\xff\x7f\x00\x01t";
    assert_eq!(last(&[Up(CONNECT_4), Up(part)]), None);
    breaks(&[Up(part)], "the first packet is not CONNECT (MQTT 3.1.1 §3.1)");
    // After a large packet of the broker, the identifiers that it used are unknown.
    assert_eq!(last(&[Up(CONNECT_4), Down(CONNACK_4), Down(part), Up(b"\x40\x02\x00\x01")]), None);
}

#[test]
fn any_bytes_are_checked_without_panic() {
    let packets = [CONNECT_4, CONNECT_5, b"\x32\x05\x00\x01t\x00\x01", b"\x82\x09\x00\x01\x02\x0b\x05\x00\x01t\x01"];
    let mut violations = Violations::default();
    for packet in packets {
        for at in 0..packet.len() {
            for bit in 0..8 {
                let mut raw = packet.to_vec();
                raw[at] ^= 1 << bit;
                violations.sent(&raw, true);
                violations.sent(&raw[..at], true);
                violations.delivered(&raw);
                Violations::default().sent(&raw, true);
            }
        }
    }
}
