//! The rules on random timelines: none panics, and a record outside a step's window changes no verdict.

use std::time::Duration;

use hil_timeline::{
    Allowance, ConnectionChange, Cursor, Direction, Disposition, Evidence, FaultPhase, Finding, Packet, Payload,
    Property, QoS, RunEvent, ScenarioId, Stamp, Subscription, What, Will,
};
use hil_verdict::{
    Acknowledgements, Answers, Asked, ConnectMatch, Delivered, Departures, Detector, KeepAliveLimits, MessageMatch,
    Pauses, Sent, Session, Side, Stall, Stalled, Stalls, Travel, WillCase, Wills, Window, attempt_opened,
    completes_qos_2, contradiction, could_be_published, could_speak, elsewhere, first_in, heard_on, is_fresh_boot,
    last_words, nearest_line, open_connections, retransmission, shows_life, subscriptions, trouble, undelivered,
    unreached, violation,
};
use proptest::prelude::*;

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("a".to_owned()),
        Just("t/1".to_owned()),
        Just("$SYS/x".to_owned()),
        Just("on".to_owned()),
        Just(String::new()),
        "\\PC{0,6}",
    ]
}

fn filter() -> impl Strategy<Value = String> {
    prop_oneof![Just("#"), Just("t/+"), Just("$share/g/t/#"), Just("a"), Just("t#")].prop_map(str::to_owned)
}

fn qos() -> impl Strategy<Value = QoS> {
    prop_oneof![Just(QoS::AtMostOnce), Just(QoS::AtLeastOnce), Just(QoS::ExactlyOnce)]
}

fn properties() -> impl Strategy<Value = Vec<Property>> {
    let names = prop_oneof![
        Just("session expiry interval"),
        Just("will delay interval"),
        Just("server keep alive"),
        Just("assigned client identifier"),
        Just("user property k"),
    ];
    let values = prop_oneof![Just("0"), Just("3"), Just("4294967295"), Just("x"), Just("99999999999")];
    let property = (names, values).prop_map(|(name, value)| Property { name: name.into(), value: value.into() });
    proptest::collection::vec(property, 0..3)
}

prop_compose! {
    fn will()(topic in text(), payload in text(), qos in qos(), retain: bool, properties in properties()) -> Will {
        Will { topic, payload: Payload::from(payload.as_str()), qos, retain, properties }
    }
}

fn connect() -> impl Strategy<Value = Packet> {
    let fields = (3_u8..=5, text(), 0_u16..4, any::<bool>(), proptest::option::of(will()), properties());
    fields.prop_map(|(protocol, client_id, keep_alive, clean_session, will, properties)| Packet::Connect {
        protocol,
        client_id,
        keep_alive,
        clean_session,
        user_name: None,
        has_password: false,
        will,
        properties,
    })
}

fn publish() -> impl Strategy<Value = Packet> {
    let fields = (text(), text(), qos(), any::<(bool, bool)>(), proptest::option::of(0_u16..3), properties());
    fields.prop_map(|(topic, payload, qos, (retain, dup), packet_id, properties)| Packet::Publish {
        topic,
        payload: Payload::from(payload.as_str()),
        qos,
        retain,
        dup,
        packet_id,
        aliased: false,
        properties,
    })
}

fn packet() -> impl Strategy<Value = Packet> {
    let (id, code) = (0_u16..3, prop_oneof![Just(0_u8), Just(4), Just(0x80), Just(0xff)]);
    let answer = (id, code, any::<bool>(), properties());
    let small = (answer, 0_u8..11).prop_map(|((packet_id, code, session_present, properties), kind)| match kind {
        0 => Packet::Connack { session_present, code, properties },
        1 => Packet::Puback { packet_id, code, properties },
        2 => Packet::Pubrec { packet_id, code, properties },
        3 => Packet::Pubrel { packet_id, code, properties },
        4 => Packet::Pubcomp { packet_id, code, properties },
        5 => Packet::Suback { packet_id, codes: vec![code], properties },
        6 => Packet::Unsuback { packet_id, codes: vec![code], properties },
        7 => Packet::Disconnect { code, properties },
        8 => Packet::Auth { code, properties },
        9 => Packet::Pingreq,
        _ => Packet::Undecodable { reason: String::new(), head: String::new() },
    });
    let subscribe = (0_u16..3, filter(), qos()).prop_map(|(packet_id, filter, qos)| Packet::Subscribe {
        packet_id,
        filters: vec![Subscription { filter, qos }],
        properties: Vec::new(),
    });
    let unsubscribe = (0_u16..3, filter()).prop_map(|(packet_id, filter)| Packet::Unsubscribe {
        packet_id,
        filters: vec![filter],
        properties: Vec::new(),
    });
    prop_oneof![2 => connect(), 4 => publish(), 6 => small, 1 => subscribe, 1 => unsubscribe]
}

fn board() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("a"), 1 => Just("b")].prop_map(str::to_owned)
}

fn change() -> impl Strategy<Value = ConnectionChange> {
    let how = prop_oneof![Just("closed by the board"), Just("reset by the broker"), Just("closed by the broker")];
    prop_oneof![
        Just(ConnectionChange::Opened),
        Just(ConnectionChange::Upgraded { layer: "TLS 1.3".into() }),
        Just(ConnectionChange::Refused { reason: "no".into(), alert: None }),
        Just(ConnectionChange::Rejected { reason: "a connection from 10.0.0.9".into() }),
        how.prop_map(|how| ConnectionChange::Closed { how: how.into() }),
    ]
}

fn finding() -> impl Strategy<Value = (Finding, String)> {
    let kinds = prop_oneof![
        Just(Finding::Boot),
        Just(Finding::Reboot),
        Just(Finding::AppStarted),
        Just(Finding::BootLoop),
        Just(Finding::Panic),
        Just(Finding::Abort),
        Just(Finding::Watchdog),
        Just(Finding::BrownOut),
        Just(Finding::Backtrace),
        Just(Finding::Ended),
        Just(Finding::EmulatorEnded),
        Just(Finding::Unsupported),
    ];
    (kinds, prop_oneof![Just("POWERON".to_owned()), Just("RTC_SW_CPU_RST".to_owned()), text()])
}

fn what() -> impl Strategy<Value = What> {
    let direction = prop_oneof![Just(Direction::FromBoard), Just(Direction::ToBoard)];
    let disposition = proptest::option::weighted(
        0.1,
        prop_oneof![Just(Disposition::Dropped), Just(Disposition::Late), Just(Disposition::Injected)],
    );
    let packets = (board(), 1_u32..3, direction, disposition, packet()).prop_map(
        |(board, connection, direction, disposition, packet)| What::Packet {
            board,
            connection,
            direction,
            bytes: 2,
            disposition,
            answer_us: Some(7),
            packet,
        },
    );
    let on = any::<bool>();
    let observed = (prop_oneof![Just("observer"), Just("late-1")], text(), text(), qos(), any::<bool>()).prop_map(
        |(observer, topic, payload, qos, retain)| What::Observed {
            observer: observer.to_owned(),
            topic,
            payload: Payload::from(payload.as_str()),
            qos,
            retain,
            dup: false,
        },
    );
    prop_oneof![
        12 => packets,
        3 => (board(), 1_u32..3, change()).prop_map(|(board, connection, change)| What::Connection { board, connection, peer: None, change }),
        3 => (board(), finding()).prop_map(|(board, (finding, detail))| What::Found { board, finding, detail }),
        2 => (board(), text()).prop_map(|(board, line)| What::Console { board, line }),
        2 => observed,
        1 => (text(), text(), qos(), any::<bool>()).prop_map(|(topic, payload, qos, retain)| {
            What::Published { topic, payload: Payload::from(payload.as_str()), qos, retain }
        }),
        1 => (board(), on).prop_map(|(board, on)| What::PowerSwitching { board, on }),
        1 => (board(), any::<bool>()).prop_map(|(board, on)| What::Power { board, rail: String::new(), on }),
        1 => board().prop_map(|board| What::Reset { board, how: String::new() }),
        1 => board().prop_map(|board| What::ResetReleased { board }),
        1 => board().prop_map(|board| What::ConsoleLost { board }),
        1 => board().prop_map(|board| What::ConsoleOpened { board, gap_ms: 1 }),
        1 => board().prop_map(|board| What::Allowed { board, allowance: Allowance::Reboot }),
        1 => board().prop_map(|board| What::Fault { board, fault: "silence".into(), phase: FaultPhase::Begins }),
        1 => board().prop_map(|board| What::ProtocolViolation { board, connection: 1, rule: String::new() }),
        1 => board().prop_map(|board| What::PowerCut { board, evidence: Evidence::Unproven, detail: String::new() }),
        1 => Just(What::ObserverLost { observer: "observer".into(), reason: String::new() }),
        1 => any::<bool>().prop_map(|running| What::Broker { kind: String::new(), running, address: String::new() }),
    ]
}

/// Records of two scenarios, milliseconds to seconds apart.
fn timeline() -> impl Strategy<Value = Vec<RunEvent>> {
    let record = (what(), 0_u64..1_500_000, proptest::bool::weighted(0.1));
    proptest::collection::vec(record, 0..60).prop_map(|records| {
        let mut at = 0;
        let events = records.into_iter().enumerate().map(|(seq, (what, later, foreign))| {
            at += later;
            let scenario = Some(ScenarioId(if foreign { 2 } else { 1 }));
            RunEvent { seq: seq as u64, at: Stamp(at), scenario, host: None, what }
        });
        events.collect()
    })
}

fn limits(_: Duration, _: Stamp) -> KeepAliveLimits {
    KeepAliveLimits {
        not_before: Duration::from_secs(1),
        not_after: Duration::from_secs(2),
        early: Duration::from_millis(500),
        late: Duration::from_millis(500),
    }
}

/// The results of every rule on the records of a window, as text. The window is all that a step considers; state that a
/// rule folds from the beginning (sessions, deliveries) ends where the window ends.
fn verdicts(events: &[RunEvent], window: Window) -> Vec<String> {
    let seen: Vec<&RunEvent> =
        events.iter().filter(|event| event.scenario == window.scenario && event.at <= window.until).collect();
    let mark = window.from;
    let rows = |rows: &[(&str, &str)]| -> Vec<Vec<String>> {
        rows.iter().map(|(name, value)| vec![(*name).to_owned(), (*value).to_owned()]).collect()
    };
    let message = MessageMatch::read(&rows(&[("payload", "on"), ("QoS", "1")])).expect("rows");
    let connect = ConnectMatch::read(&rows(&[("keep alive", "2 s"), ("will", "yes")])).expect("rows");
    let first = |pick: &mut dyn FnMut(&RunEvent) -> Option<String>| format!("{:?}", first_in(events, window, pick));
    let mut said = Vec::new();
    for travel in [Travel::Sent, Travel::Received] {
        let mut rule = Delivered::new(travel, "a", "#", message.clone());
        said.push(first(&mut |event| rule.take(event).then(String::new)));
        said.push(format!("{:?}", rule.closest(mark)));
        let mut sent = Sent::new(travel);
        said.push(first(&mut |event| sent.is_new(event).then(String::new)));
        let mut known = Vec::new();
        said.push(first(&mut |event| retransmission(event, travel, "a", &mut known).then(String::new)));
        said.push(elsewhere(&seen, travel, "a"));
    }
    let (mut id, mut parts) = (None, Vec::new());
    said.push(first(&mut |event| completes_qos_2(event, "a", &mut id, &mut parts).then(String::new)));
    let mut answers = Answers::to("a");
    said.push(first(&mut |event| answers.take(event).map(|answer| format!("{answer:?}"))));
    said.push(answers.closest());
    let mut departures = Departures::of("a", seen.iter().copied().filter(|event| event.seq < window.cursor.0));
    said.push(first(&mut |event| departures.take(event).map(|departure| format!("{departure:?}"))));
    let mut asked = Asked::by("a");
    said.push(first(&mut |event| asked.take(event).map(|granted| format!("{granted:?}"))));
    said.push(first(&mut |event| {
        let (_, _, packet) = event.what.sent_by_board()?;
        matches!(packet, Packet::Connect { .. }).then(|| format!("{:?}", connect.wrong(packet)))
    }));
    said.push(first(&mut |event| attempt_opened(event, "a").map(|at| at.to_string())));
    said.push(first(&mut |event| is_fresh_boot(event, "a").map(|evidence| evidence.word().to_owned())));
    let mut acknowledgements = Acknowledgements::of("a", seen.iter().copied());
    seen.iter().for_each(|event| {
        acknowledgements.take(event);
    });
    said.push(format!("{:?}", acknowledgements.percentile(90)));
    let session = Session::of("a", seen.iter().copied());
    let at_mark = Session::of("a", seen.iter().copied().filter(|event| event.seq < window.cursor.0));
    said.push(format!("{session:?} {:?} {:?} {:?}", session.keep_alive(), session.expiry(), session.client_id()));
    said.push(subscriptions(&session));
    said.push(format!("{:?}", could_speak("a", false, &at_mark, &session, &seen)));
    said.push(format!("{:?}", contradiction("a", &seen, mark, &hil_verdict::Stalls::default())));
    said.push(format!("{:?}", trouble("a", &seen, window.cursor, &|_: &str, _: Finding, _: &str| false)));
    said.push(format!("{:?}", violation(&seen, &|board: &str| board == "b")));
    said.push(format!("{:?}", undelivered(&seen)));
    said.push(format!("{:?}", unreached("a", "127.0.0.1:1", seen.iter().copied())));
    said.push(format!("{:?}", open_connections("a", seen.iter().copied())));
    said.push(heard_on(&seen));
    said.push(format!("{:?}", shows_life("a", seen.iter().copied())));
    said.push(format!("{:?}", could_be_published("TLS, unread", seen.iter().copied())));
    said.push(format!("{:?}", nearest_line("on", seen.iter().copied()).map(|event| event.seq)));
    said.extend(last_words(&seen, "a", mark));
    match WillCase::at_mark("a", &seen, window.cursor, mark) {
        Ok(case) => {
            said.push(format!("{:?}", case.due(&seen, limits)));
            said.push(format!("{:?}", case.published("observer", &seen, limits)));
            let mut wills = Wills::seen_by("observer", &case.will);
            said.extend(seen.iter().map(|event| wills.take(event).to_string()));
            said.push(format!("{:?}", wills.closest(mark)));
        }
        Err(unmet) => said.push(unmet.failure.message),
    }
    said
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn a_record_after_the_deadline_changes_no_verdict(
        events in timeline(), later in proptest::collection::vec(what(), 1..10), cursor in 0_u64..60, span in 0_u64..20_000_000,
    ) {
        let begin = events.iter().find(|event| event.seq >= cursor).map_or(Stamp(0), |event| event.at);
        let until = Stamp(begin.0 + span);
        let window = Window { scenario: Some(ScenarioId(1)), cursor: Cursor(cursor), from: begin, until };
        let before: Vec<_> = events.iter().filter(|event| event.at <= until).cloned().collect();
        let mut with_more = before.clone();
        let end = before.last().map_or(0, |event| event.seq + 1);
        with_more.extend(later.into_iter().enumerate().map(|(n, what)| RunEvent {
            seq: end + n as u64,
            at: Stamp(until.0 + 1 + n as u64),
            scenario: Some(ScenarioId(1)),
            host: None,
            what,
        }));
        prop_assert_eq!(verdicts(&before, window), verdicts(&with_more, window));
        // Without stalls, a late record is late.
        for event in with_more.iter().filter(|event| !matches!(event.what, What::Pin { edge: Some(_), .. })) {
            let side = if event.at <= until { Side::Before } else { Side::After };
            prop_assert_eq!(Stalls::default().side(event, until), side);
        }
        // All records, without a deadline, are read without a panic.
        let _ = verdicts(&events, Window { until: Stamp(u64::MAX / 2), ..window });
    }

    #[test]
    fn a_stall_leaves_undecided_only_what_it_may_have_delayed(
        events in timeline(), spans in proptest::collection::vec((0_u64..20_000_000, 0_u64..5_000_000), 0..6), end in 0_u64..20_000_000,
    ) {
        let stall = |(from, span): &(u64, u64)| Stall { who: Stalled::Machine, from: Stamp(*from), over: Stamp(from + span) };
        let all: Vec<_> = spans.iter().map(stall).collect();
        let (stalls, end) = (Stalls::new(all.clone()), Stamp(end));
        let far = |at: Stamp| all.iter().all(|stall| at < stall.from || at > stall.caught_up());
        prop_assert!(stalls.caught_up(end) >= end);
        for event in events.iter().filter(|event| !matches!(event.what, What::Pin { .. })) {
            let earliest = stalls.earliest(event.at);
            prop_assert!(earliest <= event.at);
            prop_assert_eq!(earliest == event.at || !far(event.at), true, "no stall is near");
            match stalls.side(event, end) {
                Side::Before => prop_assert!(event.at <= end),
                Side::After => prop_assert!(event.at > end && earliest > end),
                Side::Unknown(stall) => {
                    prop_assert!(event.at > end && earliest <= end && stall.is_some());
                    prop_assert!(event.at <= stalls.caught_up(end), "what is waited for covers it");
                }
            }
        }
        let stamps: Vec<_> = events.iter().map(|event| event.at).collect();
        let (sure, unsure) = (Pauses::between(&stamps, &Stalls::default()), Pauses::between(&stamps, &stalls));
        let (period, tolerance) = (Duration::from_millis(500), Duration::from_millis(100));
        let (sure, unsure) = (sure.are_every(period, tolerance), unsure.are_every(period, tolerance));
        prop_assert!(sure == unsure || unsure == hil_verdict::Holds::Unknown, "a stall turns no answer into its opposite");
    }

    #[test]
    fn the_detector_takes_any_lines(lines in proptest::collection::vec("\\PC{0,40}|rst:0x[0-9a-f] \\([A-Z_]{1,9}\\),boot:0x1 \\(X\\)|Traceback \\(most recent call last\\):|\\x1b\\[3[0-9]mpanicked at .{0,9}", 0..30)) {
        let mut detector = Detector::default();
        for (n, line) in lines.iter().enumerate() {
            let _ = detector.line(line, Stamp(n as u64 * 100_000));
        }
    }
}
