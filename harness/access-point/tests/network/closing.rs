//! How connections begin and end.

use std::net::Ipv4Addr;
use std::time::Duration;

use hil_access_point::Event;
use smoltcp::socket::tcp::State;

use crate::lab::{Direction, Lab, SERVER};

#[test]
fn nothing_is_said_before_the_embedder_accepts() {
    let mut lab = Lab::new();
    let handle = lab.station.connect(SERVER);
    let Event::Connect { flow, from, to } = lab.event() else { panic!("no connection is asked for") };
    assert_eq!((*from.ip(), to), (Ipv4Addr::new(10, 0, 2, 15), SERVER));
    // The SYN is sent again; that is the same flow.
    lab.pass(Duration::from_secs(20));
    assert!(lab.events.is_empty(), "{:?}", lab.events);
    assert_eq!(lab.socket(handle).state(), State::SynSent);
    assert_eq!((lab.ap.room(flow), lab.ap.send(flow, b"early")), (0, 0));
    lab.ap.accepted(flow);
    lab.ap.accepted(flow);
    assert_eq!(lab.event(), Event::Room { flow });
    assert_eq!(lab.socket(handle).state(), State::Established);
}

#[test]
fn a_refused_connection_is_refused_at_once() {
    let mut lab = Lab::new();
    let handle = lab.station.connect(SERVER);
    let flow = lab.asked();
    lab.ap.refused(flow);
    lab.until("a refusal", |lab| lab.socket(handle).state() == State::Closed);
    assert!(lab.elapsed() < Duration::from_millis(100));
    assert_eq!(lab.ap.flow_count(), 0);
}

#[test]
fn an_unreachable_host_is_reported_with_the_segment_that_wanted_it() {
    let mut lab = Lab::new();
    lab.station.connect(SERVER);
    let flow = lab.asked();
    lab.air.seen.clear();
    lab.ap.unreachable(flow);
    lab.pass(Duration::from_millis(10));
    let (direction, frame) = &lab.air.seen[0];
    assert_eq!(*direction, Direction::ToStation);
    // RFC 792: destination unreachable (3), host (1), the IP header and 8 bytes.
    assert_eq!((frame.len(), frame[23], &frame[34..36]), (14 + 20 + 8 + 28, 1, &[3, 1][..]));
    assert_eq!(&frame[26..30], [10, 0, 2, 2]);
    assert_eq!(&frame[58..62], SERVER.ip().octets());
    // This station ignores it, and asks again.
    assert_ne!(lab.asked(), flow);
}

#[test]
fn an_ignored_attempt_is_made_again() {
    let mut lab = Lab::new();
    let handle = lab.station.connect(SERVER);
    let first = lab.asked();
    lab.ap.ignore(first);
    let again = lab.asked();
    assert_ne!(first, again);
    lab.ap.accepted(first);
    lab.pass(Duration::from_secs(10));
    assert_eq!(lab.socket(handle).state(), State::SynSent, "the first attempt is over");
    lab.ap.accepted(again);
    lab.until("a connection", |lab| lab.socket(handle).state() == State::Established);
}

#[test]
fn a_station_that_gave_up_resets_what_is_accepted_late() {
    let mut lab = Lab::new();
    let handle = lab.station.connect(SERVER);
    let flow = lab.asked();
    lab.socket(handle).abort();
    lab.ap.accepted(flow);
    assert_eq!(lab.event(), Event::Reset { flow, rest: Vec::new() });
    assert_eq!(lab.ap.flow_count(), 0);
}

#[test]
fn the_station_finishes_first_and_still_receives() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    lab.socket(handle).send_slice(b"last words").expect("an open connection");
    lab.socket(handle).close();
    assert_eq!(lab.event(), Event::Readable { flow });
    lab.pass(Duration::from_secs(1));
    assert!(lab.events.is_empty(), "what was received comes before the end");
    assert_eq!(lab.take(flow), b"last words");
    assert_eq!(lab.event(), Event::Finished { flow });
    assert_eq!(lab.ap.send(flow, b"an answer"), 9);
    lab.until("an answer", |lab| lab.socket(handle).can_recv());
    assert_eq!(lab.read(handle), b"an answer");
    lab.ap.finish(flow);
    lab.until("the end", |lab| lab.socket(handle).state() == State::TimeWait);
    lab.pass(Duration::from_secs(1));
    assert_eq!(lab.ap.flow_count(), 0);
    assert!(lab.events.is_empty(), "{:?}", lab.events);
}

#[test]
fn the_embedder_finishes_first_and_still_receives() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    assert_eq!(lab.ap.send(flow, b"last words"), 10);
    lab.ap.finish(flow);
    assert_eq!((lab.ap.send(flow, b"more"), lab.ap.room(flow)), (0, 0));
    lab.until("the end of the server", |lab| lab.socket(handle).state() == State::CloseWait);
    assert_eq!(lab.read(handle), b"last words");
    lab.socket(handle).send_slice(b"an answer").expect("an open connection");
    assert_eq!(lab.event(), Event::Readable { flow });
    assert_eq!(lab.take(flow), b"an answer");
    lab.socket(handle).close();
    assert_eq!(lab.event(), Event::Finished { flow });
    lab.pass(Duration::from_secs(1));
    assert_eq!(lab.ap.flow_count(), 1, "late segments are still answered");
    lab.pass(Duration::from_secs(20));
    assert_eq!(lab.ap.flow_count(), 0);
    assert!(lab.events.is_empty(), "{:?}", lab.events);
}

#[test]
fn bytes_outlast_a_connection_that_both_have_ended() {
    for embedder_first in [true, false] {
        let mut lab = Lab::new();
        let (handle, flow) = lab.connected();
        lab.socket(handle).send_slice(b"read me later").expect("an open connection");
        if embedder_first {
            lab.ap.finish(flow);
            lab.pass(Duration::from_secs(1));
        }
        lab.socket(handle).close();
        lab.pass(Duration::from_secs(1));
        lab.ap.finish(flow);
        lab.pass(Duration::from_secs(100));
        assert_eq!(lab.event(), Event::Readable { flow });
        assert_eq!(lab.take(flow), b"read me later");
        assert_eq!(lab.event(), Event::Finished { flow });
        lab.pass(Duration::from_secs(1));
        assert_eq!(lab.ap.flow_count(), 0);
    }
}

#[test]
fn the_station_resets_and_nothing_received_is_lost() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    lab.socket(handle).send_slice(b"before the reset").expect("an open connection");
    assert_eq!(lab.event(), Event::Readable { flow });
    lab.ap.take(flow, 7);
    lab.socket(handle).abort();
    lab.until("a reset", |lab| lab.events.iter().any(|event| matches!(event, Event::Reset { .. })));
    assert_eq!(lab.events.pop_back(), Some(Event::Reset { flow, rest: b"the reset".to_vec() }));
    assert_eq!((lab.ap.flow_count(), lab.ap.received(flow)), (0, &[][..]));
}

#[test]
fn a_reset_after_the_end_is_still_a_reset() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    lab.socket(handle).close();
    assert_eq!(lab.event(), Event::Finished { flow });
    lab.socket(handle).abort();
    assert_eq!(lab.event(), Event::Reset { flow, rest: Vec::new() });
    assert_eq!(lab.ap.flow_count(), 0);
}

#[test]
fn the_embedder_resets() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    lab.ap.send(flow, b"never read");
    lab.ap.reset(flow);
    lab.until("a reset", |lab| lab.socket(handle).state() == State::Closed);
    lab.pass(Duration::from_secs(1));
    assert_eq!(lab.ap.flow_count(), 0);
    assert!(lab.events.is_empty(), "the embedder is not asked again: {:?}", lab.events);
}

#[test]
fn a_port_is_used_again_while_the_old_connection_waits() {
    let mut lab = Lab::new();
    let handle = lab.station.connect_from(50_000, SERVER);
    let flow = lab.asked();
    lab.ap.accepted(flow);
    assert_eq!(lab.event(), Event::Room { flow });
    lab.ap.finish(flow);
    lab.until("the end of the server", |lab| lab.socket(handle).state() == State::CloseWait);
    lab.socket(handle).close();
    assert_eq!(lab.event(), Event::Finished { flow });
    assert_eq!(lab.ap.flow_count(), 1);
    lab.until("the end", |lab| lab.socket(handle).state() == State::Closed);
    lab.station.reconnect(handle, 50_000, SERVER);
    let next = lab.asked();
    lab.ap.accepted(next);
    lab.until("a connection", |lab| lab.socket(handle).state() == State::Established);
}

#[test]
fn a_station_that_restarted_gets_its_port_again() {
    let mut lab = Lab::new();
    let handle = lab.station.connect_from(50_000, SERVER);
    let old = lab.asked();
    lab.ap.accepted(old);
    assert_eq!(lab.event(), Event::Room { flow: old });
    // It lost all state, and the access point was not informed.
    lab.station.sockets.remove(handle);
    let handle = lab.station.connect_from(50_000, SERVER);
    assert_eq!(lab.event(), Event::Reset { flow: old, rest: Vec::new() });
    let new = lab.asked();
    lab.ap.accepted(new);
    lab.until("a connection", |lab| lab.socket(handle).state() == State::Established);
}

#[test]
fn a_forgotten_station_gets_nothing_and_begins_again() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    lab.ap.send(flow, b"lost");
    lab.socket(handle).send_slice(b"lost").expect("an open connection");
    lab.pass(Duration::from_micros(10));
    lab.ap.forget_station();
    lab.air.seen.clear();
    lab.station.sockets.remove(handle);
    lab.pass(Duration::from_secs(100));
    let said: Vec<_> = lab.air.seen.iter().filter(|(direction, _)| *direction == Direction::ToStation).collect();
    // A segment that was still on its way belongs to no connection.
    assert!(said.len() <= 1, "{said:?}");
    assert_eq!(lab.ap.flow_count(), 0);
    assert!(lab.events.is_empty(), "{:?}", lab.events);
    lab.connected();
}
