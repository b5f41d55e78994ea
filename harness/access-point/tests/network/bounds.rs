//! What a station can make the access point hold.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Instant;

use hil_access_point::{AccessPoint, Config, Event};
use smoltcp::socket::tcp::State;

use crate::lab::{Lab, SERVER, frames};

#[test]
fn the_sixty_fifth_connection_is_refused() {
    let mut lab = Lab::new();
    let handles: Vec<_> = (0..65).map(|_| lab.station.connect(SERVER)).collect();
    let flows: Vec<_> = (0..64).map(|_| lab.asked()).collect();
    lab.until("a refusal", |lab| lab.socket(handles[64]).state() == State::Closed);
    for flow in &flows {
        lab.ap.accepted(*flow);
    }
    lab.until("64 connections", |lab| lab.events.len() == 64);
    // One that ends makes room.
    lab.ap.reset(flows[0]);
    lab.until("a reset", |lab| lab.socket(handles[0]).state() == State::Closed);
    lab.events.clear();
    lab.connected();
    assert_eq!(lab.ap.flow_count(), 64);
}

#[test]
fn connections_that_only_wait_for_late_segments_make_room() {
    let mut lab = Lab::new();
    for _ in 0..70 {
        let (handle, flow) = lab.connected();
        lab.ap.finish(flow);
        lab.until("the end of the server", |lab| lab.socket(handle).state() == State::CloseWait);
        lab.socket(handle).close();
        assert_eq!(lab.event(), Event::Finished { flow });
    }
    assert_eq!(lab.ap.flow_count(), 64);
}

#[test]
fn datagrams_that_nothing_takes_are_lost() {
    let mut ap = AccessPoint::new(Config::default());
    let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 5000);
    for number in 0..1000u32 {
        ap.receive(&frames::udp(from, SERVER, &number.to_be_bytes()));
    }
    let events: Vec<_> = std::iter::from_fn(|| ap.next_event()).collect();
    assert_eq!(events.len(), 256);
    assert_eq!(events[255], Event::Datagram { from, to: SERVER, bytes: 255u32.to_be_bytes().to_vec() });
}

#[test]
fn frames_that_the_station_does_not_take_are_bounded() {
    let mut ap = AccessPoint::new(Config::default());
    let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 5000);
    ap.receive(&frames::udp(from, SERVER, b"here I am"));
    let sent = (0..1000).filter(|_| ap.datagram(SERVER, from, b"an answer")).count();
    assert_eq!(sent, 64);
    for _ in 0..1000 {
        // Each is answered with a reset, if there is room.
        ap.receive(&frames::tcp(from, SERVER, frames::Flag::Ack, 1));
    }
    assert_eq!(std::iter::from_fn(|| ap.next_frame()).count(), 64);
}

#[test]
fn a_full_queue_delays_what_must_not_be_lost() {
    let mut lab = Lab::new();
    let (open, flow) = lab.connected();
    let opening = lab.station.connect(SERVER);
    let asked = lab.asked();
    let station = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 9);
    while lab.ap.datagram(SERVER, station, b"in the way") {}
    lab.ap.reset(flow);
    lab.ap.accepted(asked);
    let now = lab.now();
    assert_eq!(lab.ap.poll(now), Some(now), "to be called again as soon as there is room");
    assert_eq!(lab.ap.poll(now), Some(now));
    let frames: Vec<_> = std::iter::from_fn(|| lab.ap.next_frame()).collect();
    assert!(frames.len() == 64 && frames.iter().all(|frame| frame[23] == 17), "datagrams only");
    lab.until("a reset", |lab| lab.socket(open).state() == State::Closed);
    lab.until("a connection", |lab| lab.socket(opening).state() == State::Established);
}

#[test]
fn segments_wait_while_their_answers_would_not_fit() {
    let mut ap = AccessPoint::new(Config::default());
    let station = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 5000);
    let now = Instant::now();
    ap.receive(&frames::tcp(station, SERVER, frames::Flag::Syn, 0));
    let Some(Event::Connect { flow, .. }) = ap.next_event() else { panic!("no connection is asked for") };
    ap.accepted(flow);
    ap.poll(now);
    assert!(ap.next_frame().is_some_and(|frame| frame[47] == 0x12), "SYN and ACK");
    while ap.datagram(SERVER, station, b"in the way") {}
    // What acknowledges something else than the SYN-ACK is answered with a reset.
    for _ in 0..300 {
        ap.receive(&frames::tcp(station, SERVER, frames::Flag::Ack, 1));
    }
    assert_eq!(ap.poll(now), Some(now));
    assert_eq!(std::iter::from_fn(|| ap.next_frame()).count(), 64);
    let mut resets = 0;
    while ap.poll(now) == Some(now) {
        resets += std::iter::from_fn(|| ap.next_frame()).inspect(|frame| assert_eq!(frame[47], 4)).count();
    }
    resets += std::iter::from_fn(|| ap.next_frame()).count();
    assert_eq!(resets, 256, "more segments do not wait");
}

#[test]
fn a_station_can_not_connect_to_itself() {
    let mut ap = AccessPoint::new(Config::default());
    let station = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 5000);
    for from in [station, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 1), SocketAddrV4::new(*SERVER.ip(), 1)] {
        ap.receive(&frames::tcp(from, station, frames::Flag::Syn, 0));
        assert_eq!((ap.next_event(), ap.next_frame()), (None, None), "{from}");
    }
    // Others can't forge the access point's own hosts.
    ap.receive(&frames::tcp(SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 2), 1), SERVER, frames::Flag::Syn, 0));
    assert_eq!((ap.next_event(), ap.next_frame()), (None, None));
}

#[test]
fn a_full_queue_delays_connections_and_loses_nothing() {
    let mut lab = Lab::new();
    let mut flows = Vec::new();
    let mut handles = Vec::new();
    for _ in 0..40 {
        let (handle, flow) = lab.connected();
        handles.push(handle);
        flows.push(flow);
    }
    // Far more than 64 frames at once.
    for flow in &flows {
        assert_eq!(lab.ap.send(*flow, &[7; 9000]), 9000);
    }
    let mut left = 40 * 9000;
    lab.until("all bytes", |lab| {
        left -= handles.iter().map(|handle| lab.read(*handle).len()).sum::<usize>();
        left == 0
    });
}
