//! What a station can make the access point hold.

use std::net::{Ipv4Addr, SocketAddrV4};

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
