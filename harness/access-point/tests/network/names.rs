//! The name server (RFC 1035), and datagrams.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use hil_access_point::{AccessPoint, Answer, Asks, Config, Event, QueryId};
use smoltcp::socket::dns;
use smoltcp::wire::{DnsQueryType, IpAddress};

use crate::lab::{Lab, SERVER, Weather, frames};

const STATION: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 40_000);
const SERVER_AT: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 3), 53);
const TAP: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 9);

const A: u16 = 1;
const AAAA: u16 = 28;

fn config() -> Config {
    let names = [("broker.test", TAP), ("two.test.", TAP), ("two.test", Ipv4Addr::new(198, 51, 100, 7))];
    Config { names: names.map(|(name, address)| (name.to_owned(), address)).to_vec(), ..Config::default() }
}

/// A question as the wire has it: id 0xABCD, recursion desired.
fn question(name: &str, kind: u16) -> Vec<u8> {
    let mut message = b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0".to_vec();
    for label in name.split('.').filter(|label| !label.is_empty()) {
        message.push(u8::try_from(label.len()).expect("a small number"));
        message.extend(label.as_bytes());
    }
    message.push(0);
    message.extend([kind.to_be_bytes(), 1u16.to_be_bytes()].concat());
    message
}

fn ask(ap: &mut AccessPoint, message: &[u8]) -> Option<Vec<u8>> {
    ap.receive(&frames::udp(STATION, SERVER_AT, message));
    reply(ap)
}

/// The same of a question whose answer is known: the embedder is asked, and may be silent.
fn known(ap: &mut AccessPoint, message: &[u8]) -> Option<Vec<u8>> {
    assert_eq!(ask(ap, message), None, "not before the embedder allows it");
    match ap.next_event() {
        Some(Event::Query { query, asks: Asks::Configured | Asks::Other, .. }) => ap.answer(query, &Answer::Known),
        other => panic!("not known: {other:?}"),
    }
    reply(ap)
}

/// The next answer, without its other headers.
fn reply(ap: &mut AccessPoint) -> Option<Vec<u8>> {
    let frame = ap.next_frame()?;
    assert_eq!((&frame[26..30], &frame[34..38]), (&SERVER_AT.ip().octets()[..], &[0, 53, 0x9c, 0x40][..]));
    Some(frame[42..].to_vec())
}

/// What an answer is to be: code, and addresses.
fn answer(question: &[u8], code: u8, addresses: &[Ipv4Addr]) -> Vec<u8> {
    let count = u8::try_from(addresses.len()).expect("a small number");
    let mut message = [&[0xab, 0xcd, 0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0], &question[12..]].concat();
    for address in addresses {
        message.extend([&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4][..], &address.octets()].concat());
    }
    message
}

#[test]
fn configured_names_have_their_addresses() {
    let mut ap = AccessPoint::new(config());
    let gateway = Ipv4Addr::new(10, 0, 2, 2);
    for (name, addresses) in [
        ("broker.test", &[TAP][..]),
        ("BROKER.Test", &[TAP]),
        ("two.test", &[TAP, Ipv4Addr::new(198, 51, 100, 7)]),
        ("localhost", &[gateway]),
        ("a.LOCALHOST", &[gateway]),
    ] {
        let question = question(name, A);
        assert_eq!(known(&mut ap, &question), Some(answer(&question, 0, addresses)), "{name}");
        // There are no IPv6 addresses, but the name exists.
        let question = self::question(name, AAAA);
        assert_eq!(known(&mut ap, &question), Some(answer(&question, 0, &[])), "{name}");
    }
    assert_eq!(ap.next_event(), None);
}

/// The question that was handed out.
fn handed_out(ap: &mut AccessPoint) -> (QueryId, String) {
    match ap.next_event() {
        Some(Event::Query { query, name, asks: Asks::Addresses }) => (query, name),
        other => panic!("not a question: {other:?}"),
    }
}

#[test]
fn the_embedder_answers_for_other_names() {
    let mut ap = AccessPoint::new(config());
    let question = question("pool.ntp.org", A);
    let far = Ipv4Addr::new(203, 0, 113, 5);
    for (given, code, sent) in [
        (Answer::Addresses(vec![far, Ipv4Addr::LOCALHOST]), 0, vec![far, Ipv4Addr::new(10, 0, 2, 2)]),
        (Answer::Addresses(vec![far; 40]), 0, vec![far; 12]),
        (Answer::Addresses(Vec::new()), 0, Vec::new()),
        (Answer::NoSuchName, 3, Vec::new()),
        (Answer::Failed, 2, Vec::new()),
    ] {
        assert_eq!(ask(&mut ap, &question), None);
        let (query, name) = handed_out(&mut ap);
        assert_eq!(name, "pool.ntp.org");
        ap.answer(query, &given);
        assert_eq!(reply(&mut ap), Some(answer(&question, code, &sent)));
        ap.answer(query, &given);
        assert_eq!(reply(&mut ap), None, "once");
    }
    // A name exists without addresses of a type that no one has.
    let other = self::question("pool.ntp.org", AAAA);
    assert_eq!(known(&mut ap, &other), Some(answer(&other, 0, &[])));
    assert_eq!(ap.next_event(), None);
}

#[test]
fn a_name_that_does_not_exist_has_records_of_no_type() {
    let mut ap = AccessPoint::new(config());
    for name in ["broker.test", "localhost", "pool.ntp.org"] {
        for kind in [A, AAAA] {
            let question = question(name, kind);
            assert_eq!(ask(&mut ap, &question), None);
            let Some(Event::Query { query, .. }) = ap.next_event() else { panic!("not asked") };
            ap.answer(query, &Answer::NoSuchName);
            assert_eq!(reply(&mut ap), Some(answer(&question, 3, &[])), "{name} {kind}");
        }
    }
}

#[test]
fn only_the_newest_questions_are_kept_and_none_outlives_its_station() {
    let mut ap = AccessPoint::new(config());
    let queries: Vec<_> = (0..33)
        .map(|number| {
            ask(&mut ap, &question(&format!("n{number}.test"), A));
            handed_out(&mut ap).0
        })
        .collect();
    ap.answer(queries[0], &Answer::NoSuchName);
    assert_eq!(reply(&mut ap), None);
    ap.answer(queries[32], &Answer::NoSuchName);
    assert!(reply(&mut ap).is_some());
    ap.forget_station();
    ap.answer(queries[31], &Answer::NoSuchName);
    assert_eq!(reply(&mut ap), None);
}

#[test]
fn questions_that_can_not_be_answered_are_refused() {
    let mut ap = AccessPoint::new(config());
    let refused = |code: u8| Some([0xab, 0xcd, 0x81, 0x80 | code, 0, 0, 0, 0, 0, 0, 0, 0].to_vec());
    let changed = |at: usize, value: u8| {
        let mut message = question("broker.test", A);
        message[at] = value;
        message
    };
    assert_eq!(known(&mut ap, &changed(5, 2)), refused(1), "two questions");
    assert_eq!(known(&mut ap, &changed(5, 0)), refused(1), "none");
    assert_eq!(known(&mut ap, &question("broker.test", A)[..20]), refused(1), "cut off");
    let mut chaos = question("broker.test", A);
    *chaos.last_mut().expect("a class") = 3;
    assert_eq!(known(&mut ap, &chaos), refused(1), "another class");
    let mut status = refused(4).expect("an answer");
    status[2] |= 0x10;
    assert_eq!(known(&mut ap, &changed(2, 0x11)), Some(status), "a status request, whose operation comes back");
    assert_eq!(ask(&mut ap, &changed(2, 0x81)), None, "an answer");
    assert_eq!(ask(&mut ap, &question("broker.test", A)[..11]), None, "less than a header");
    assert_eq!(ap.next_event(), None);
}

#[test]
fn names_that_no_host_can_have_do_not_exist() {
    let mut ap = AccessPoint::new(config());
    for name in ["a b.test", "ä.test", "a/b", "a\n", ""] {
        let question = question(name, A);
        assert_eq!(known(&mut ap, &question), Some(answer(&question, 3, &[])), "{name:?}");
    }
    let refused = Some([0xab, 0xcd, 0x81, 0x81, 0, 0, 0, 0, 0, 0, 0, 0].to_vec());
    let long = question(&["abcdefgh"; 31].join("."), A);
    assert_eq!(known(&mut ap, &long), refused, "too long");
    // A label that points at itself.
    let mut message = question("", A);
    message.splice(12..13, [0xc0, 12]);
    assert_eq!(known(&mut ap, &message), Some(answer(&message, 3, &[])));
    assert_eq!(ap.next_event(), None);
}

#[test]
fn a_client_resolves_a_name() {
    let mut lab = Lab::with(config(), Weather::fair());
    let servers = [IpAddress::from(*SERVER_AT.ip())];
    let handle = lab.station.add(dns::Socket::new(&servers, vec![]));
    let (interface, sockets) = lab.station.interface();
    let socket = sockets.get_mut::<dns::Socket<'_>>(handle);
    let query = socket.start_query(interface.context(), "broker.test", DnsQueryType::A).expect("a free slot");
    let Event::Query { query: asked, asks: Asks::Configured, .. } = lab.event() else { panic!("nothing is asked") };
    lab.ap.answer(asked, &Answer::Known);
    lab.pass(Duration::from_secs(1));
    let (_, sockets) = lab.station.interface();
    let found = sockets.get_mut::<dns::Socket<'_>>(handle).get_query_result(query).expect("an answer");
    assert_eq!(found.as_slice(), [IpAddress::from(TAP)]);
}

#[test]
fn datagrams_go_both_ways() {
    let mut ap = AccessPoint::new(config());
    let longest = vec![7; 1472];
    // Also to another name server, and to the gateway.
    for to in [SERVER, SocketAddrV4::new(*SERVER.ip(), 53), SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 123)] {
        ap.receive(&frames::udp(STATION, to, &longest));
        assert_eq!(ap.next_event(), Some(Event::Datagram { from: STATION, to, bytes: longest.clone() }));
        assert!(ap.datagram(to, STATION, &longest));
        let mut sent = frames::udp(to, STATION, &longest);
        sent[..6].copy_from_slice(&crate::lab::MAC);
        sent[6..12].copy_from_slice(&frames::AP);
        assert_eq!(ap.next_frame(), Some(sent));
    }
    assert!(!ap.datagram(SERVER, STATION, &[7; 1473]), "too long");
    assert!(!ap.datagram(SERVER, SERVER, b"not for a station"));
    for nowhere in
        [Ipv4Addr::BROADCAST, Ipv4Addr::new(10, 0, 2, 255), Ipv4Addr::new(224, 0, 0, 251), Ipv4Addr::LOCALHOST]
    {
        ap.receive(&frames::udp(STATION, SocketAddrV4::new(nowhere, 5353), b"all"));
        assert_eq!(ap.next_event(), None, "{nowhere}");
    }
}
