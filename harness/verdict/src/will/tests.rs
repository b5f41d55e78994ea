//! Wills as brokers publish them, in hand-written timelines.

use std::time::Duration;

use hil_timeline::{
    ConnectionChange, Cursor, Direction, Disposition, Epoch, Packet, Payload, Property, QoS, RunEvent, Stamp, Timeline,
    What, Will,
};

use super::*;

const LIMITS: KeepAliveLimits = KeepAliveLimits {
    not_before: Duration::from_millis(2500),
    not_after: Duration::from_millis(3500),
    early: Duration::from_millis(500),
    late: Duration::from_millis(500),
};

fn packet(connection: u32, direction: Direction, packet: Packet) -> What {
    What::Packet { board: "a".into(), connection, direction, bytes: 2, disposition: None, answer_us: None, packet }
}

fn change(connection: u32, change: ConnectionChange) -> What {
    What::Connection { board: "a".into(), connection, peer: None, change }
}

fn closed(how: &str) -> What {
    change(1, ConnectionChange::Closed { how: how.to_owned() })
}

fn disconnect(code: u8) -> What {
    packet(1, Direction::FromBoard, Packet::Disconnect { code, properties: Vec::new() })
}

fn property(name: &str, value: u32) -> Property {
    Property { name: name.to_owned(), value: value.to_string() }
}

/// A connection of MQTT 5 with a will.
fn connects(connection: u32, keep_alive: u16, clean: bool, delay: u32, expiry: u32) -> Vec<What> {
    let will = Will {
        topic: "s".into(),
        payload: Payload::from("off"),
        qos: QoS::AtLeastOnce,
        retain: true,
        properties: vec![property("will delay interval", delay)],
    };
    let connect = Packet::Connect {
        protocol: 5,
        client_id: "c".into(),
        keep_alive,
        clean_session: clean,
        user_name: None,
        has_password: false,
        will: Some(will),
        properties: vec![property("session expiry interval", expiry)],
    };
    let connack = Packet::Connack { session_present: false, code: 0, properties: Vec::new() };
    vec![
        change(connection, ConnectionChange::Opened),
        packet(connection, Direction::FromBoard, connect),
        packet(connection, Direction::ToBoard, connack),
    ]
}

/// Records a second apart; the mark is after the first connection's CONNACK.
fn due(events: Vec<What>) -> Due {
    let timeline = Timeline::in_memory(Epoch::start());
    let events: Vec<RunEvent> = events
        .into_iter()
        .map(|what| timeline.record(None, what))
        .map(|event| RunEvent { at: Stamp(event.seq * 1_000_000), ..(*event).clone() })
        .collect();
    let events: Vec<&RunEvent> = events.iter().collect();
    WillCase::at_mark("a", &events, Cursor(3), Stamp(2_000_000)).expect("a will").due(&events, |_, _| LIMITS)
}

fn window(due: &Due) -> (f64, f64) {
    match due {
        Due::Within { from, until, .. } => (from.0 as f64 / 1e6, until.0 as f64 / 1e6),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_silent_client_is_closed_after_its_keep_alive_and_its_will_delay() {
    assert_eq!(window(&due(connects(1, 2, true, 0, 0))), (3.5, 4.5));
    assert_eq!(window(&due(connects(1, 2, false, 3, 60))), (6.0, 8.0));
    assert_eq!(window(&due(connects(1, 2, false, 30, 1))), (4.0, 6.0), "the session ends before the delay is over");
    assert!(matches!(due(connects(1, 0, true, 0, 0)), Due::Unknown(_)));
}

#[test]
fn the_will_of_another_connection_does_not_count() {
    let came = |events: Vec<What>, connection: u32| {
        let timeline = Timeline::in_memory(Epoch::start());
        let events: Vec<RunEvent> = events
            .into_iter()
            .map(|what| timeline.record(None, what))
            .map(|event| RunEvent { at: Stamp(event.seq * 100_000), ..(*event).clone() })
            .collect();
        let events: Vec<&RunEvent> = events.iter().collect();
        let case = WillCase::at_mark("a", &events, Cursor(6), Stamp(500_000)).expect("a will");
        assert_eq!(case.connection, connection);
        case.published("observer", &events, |_, _| LIMITS).len()
    };
    let will = || observed(QoS::AtLeastOnce, false);
    let taken_over = || [connects(1, 60, true, 0, 0), connects(2, 60, true, 0, 0), vec![will()]].concat();
    assert_eq!(came(taken_over(), 2), 0, "it is the first connection's");
    assert_eq!(came([taken_over(), vec![will()]].concat(), 2), 1);
}

#[test]
fn clients_without_an_id_take_nothing_over() {
    let mut events = connects(1, 2, true, 0, 0);
    events.extend(connects(2, 2, true, 0, 0));
    for event in &mut events {
        if let What::Packet { packet: Packet::Connect { client_id, .. }, .. } = event {
            client_id.clear();
        }
    }
    assert_eq!(window(&due(events)), (3.5, 4.5), "it has fallen silent after its CONNECT");
}

#[test]
fn a_retransmission_at_qos_2_hides_no_will() {
    let sent = |dup| {
        let publish = Packet::Publish {
            topic: "s".into(),
            payload: Payload::from("off"),
            qos: QoS::ExactlyOnce,
            retain: false,
            dup,
            packet_id: Some(7),
            aliased: false,
            properties: Vec::new(),
        };
        packet(1, Direction::FromBoard, publish)
    };
    let will = Will {
        topic: "s".into(),
        payload: Payload::from("off"),
        qos: QoS::ExactlyOnce,
        retain: true,
        properties: Vec::new(),
    };
    let mut wills = Wills::seen_by("observer", &will);
    let timeline = Timeline::in_memory(Epoch::start());
    let came = || observed(QoS::ExactlyOnce, false);
    let taken: Vec<_> = [sent(false), sent(true), came(), came()]
        .into_iter()
        .map(|what| wills.take(&timeline.record(None, what)))
        .collect();
    assert_eq!(taken, [false, false, false, true]);
}

#[test]
fn a_client_that_keeps_sending_is_never_closed() {
    let ping = packet(1, Direction::FromBoard, Packet::Pingreq);
    let on_its_way = [connects(1, 2, true, 0, 0), vec![ping.clone()]].concat();
    assert_eq!(window(&due(on_its_way)), (5.5, 6.5), "its last packet came just after the mark");
    let alive = [connects(1, 2, true, 0, 0), vec![ping; 4]].concat();
    assert!(matches!(due(alive), Due::Unknown(_)));
}

#[test]
fn the_brokers_keep_alive_counts() {
    let mut events = connects(1, 60, true, 0, 0);
    let properties = vec![property("server keep alive", 7)];
    events[2] = packet(1, Direction::ToBoard, Packet::Connack { session_present: false, code: 0, properties });
    let timeline = Timeline::in_memory(Epoch::start());
    let events: Vec<_> = events.into_iter().map(|what| timeline.record(None, what)).collect();
    let events: Vec<&RunEvent> = events.iter().map(AsRef::as_ref).collect();
    let case = WillCase::at_mark("a", &events, Cursor(3), Stamp(2_000_000)).expect("a will");
    let seen = std::cell::Cell::new(Duration::ZERO);
    let _ = case.due(&events, |keep_alive, _| {
        seen.set(keep_alive);
        LIMITS
    });
    assert_eq!(seen.get(), Duration::from_secs(7));
}

#[test]
fn the_end_of_a_connection_counts_at_once() {
    for how in ["closed by the board", "reset by the board", "reset by the bench"] {
        let events = [connects(1, 30, true, 0, 0), vec![closed(how)]].concat();
        assert_eq!(window(&due(events)), (2.5, 3.5), "{how}");
    }
    let delayed = [connects(1, 30, false, 2, 60), vec![closed("reset by the bench")]].concat();
    assert_eq!(window(&due(delayed)), (4.5, 5.5));
    let given_up = [connects(1, 2, true, 0, 0), vec![closed("closed by the broker")]].concat();
    assert_eq!(window(&due(given_up)), (3.5, 4.5), "no sooner than the keep alive allows");
}

#[test]
fn disconnect_withdraws_a_will_with_reason_zero_only() {
    assert!(matches!(due([connects(1, 30, true, 0, 0), vec![disconnect(0)]].concat()), Due::Never(_)));
    for code in [4, 0x80, 0x81, 0xff] {
        let events = [connects(1, 30, true, 0, 0), vec![disconnect(code), closed("closed by the broker")]].concat();
        assert_eq!(window(&due(events)), (2.5, 3.5), "{code:#x}");
    }
}

#[test]
fn a_client_that_comes_back_takes_over() {
    let events = [connects(1, 30, true, 0, 0), connects(2, 30, true, 0, 0)].concat();
    assert_eq!(window(&due(events)), (3.5, 4.5), "at the CONNECT of the second connection");
    let back = [connects(1, 30, false, 5, 60), vec![closed("reset by the bench")], connects(2, 30, false, 5, 60)];
    assert!(matches!(due(back.concat()), Due::Never(_)), "within its will delay");
    let clean = [connects(1, 30, false, 5, 60), vec![closed("reset by the bench")], connects(2, 30, true, 5, 60)];
    assert_eq!(window(&due(clean.concat())), (4.5, 5.5), "a clean start ends the session");
}

#[test]
fn a_stopped_broker_leaves_it_open() {
    let stopped = What::Broker { kind: String::new(), running: false, address: String::new() };
    let events = [connects(1, 2, true, 0, 0), vec![closed("closed by the broker"), stopped]].concat();
    assert!(matches!(due(events), Due::Unknown(_)));
}

fn wills(events: Vec<What>) -> Vec<bool> {
    let timeline = Timeline::in_memory(Epoch::start());
    let announced = connects(1, 2, true, 0, 0);
    let What::Packet { packet: Packet::Connect { will: Some(will), .. }, .. } = &announced[1] else {
        panic!("no will")
    };
    let mut wills = Wills::seen_by("observer", will);
    events.into_iter().map(|what| wills.take(&timeline.record(None, what))).collect()
}

fn observed(qos: QoS, retain: bool) -> What {
    let (observer, topic, payload) = ("observer".to_owned(), "s".to_owned(), Payload::from("off"));
    What::Observed { observer, topic, payload, qos, retain, dup: false }
}

fn publishes(disposition: Option<Disposition>) -> What {
    let publish = Packet::Publish {
        topic: "s".into(),
        payload: Payload::from("off"),
        qos: QoS::AtLeastOnce,
        retain: true,
        dup: false,
        packet_id: Some(1),
        aliased: false,
        properties: Vec::new(),
    };
    let What::Packet { board, connection, direction, bytes, answer_us, packet, .. } =
        packet(1, Direction::FromBoard, publish)
    else {
        panic!("no packet")
    };
    What::Packet { board, connection, direction, bytes, disposition, answer_us, packet }
}

#[test]
fn a_message_that_a_client_published_is_not_a_will() {
    let (once, twice) = (QoS::AtLeastOnce, QoS::ExactlyOnce);
    // The Home Assistant idiom: the device itself says `off`, and then DISCONNECT.
    assert_eq!(wills(vec![publishes(None), observed(once, false)]), [false, false]);
    assert_eq!(wills(vec![publishes(None), observed(once, false), observed(once, false)]), [false, false, true]);
    assert_eq!(wills(vec![publishes(Some(Disposition::Dropped)), observed(once, false)]), [false, true]);
    assert_eq!(wills(vec![observed(once, true)]), [false], "it was retained before");
    assert_eq!(wills(vec![observed(twice, false)]), [false], "it was announced with another QoS");
    assert_eq!(wills(vec![observed(once, false)]), [true]);
}
