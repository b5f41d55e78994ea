//! Bytes in both directions, and who waits for whom.

use std::time::Duration;

use hil_access_point::Event;
use smoltcp::socket::tcp::State;

use crate::lab::{Client, Direction, Echo, Lab, SERVER, pattern};

/// Runs clients against the echo until all are done.
fn echo(lab: &mut Lab, echo: &mut Echo, clients: &mut [Client]) {
    lab.until("an echo of everything", |lab| {
        while let Some(event) = lab.events.pop_front() {
            echo.serve(&mut lab.ap, &event);
        }
        let work = |client: &mut Client| client.work(lab.station.socket(client.handle));
        // All work, also when the first is not done.
        clients.iter_mut().map(work).fold(true, |all, done| all & done)
    });
}

#[test]
fn three_times_256_kib_come_back_as_they_were_sent() {
    let mut lab = Lab::new();
    for stream in 0..3 {
        let handle = lab.station.connect(SERVER);
        echo(&mut lab, &mut Echo::new(), &mut [Client::new(handle, stream, 256 * 1024)]);
    }
    assert!(lab.elapsed() < Duration::from_secs(10), "no retransmission was needed: {:?}", lab.elapsed());
}

#[test]
fn twenty_connections_at_once_do_not_mix() {
    let mut lab = Lab::new();
    let mut clients: Vec<_> = (0..20).map(|stream| Client::new(lab.station.connect(SERVER), stream, 50_000)).collect();
    let mut server = Echo::new();
    echo(&mut lab, &mut server, &mut clients);
    assert_eq!(server.resets, 0);
    lab.pass(Duration::from_secs(60));
    assert_eq!(lab.ap.flow_count(), 0, "what is over is forgotten");
}

#[test]
fn a_slow_embedder_slows_the_station_down() {
    let mut lab = Lab::new();
    let mut server = Echo { speed: 100, ..Echo::new() };
    let handle = lab.station.connect(SERVER);
    echo(&mut lab, &mut server, &mut [Client::new(handle, 1, 256 * 1024)]);
}

#[test]
fn what_is_not_taken_closes_the_window() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    let mut sent = 0;
    let mut fill = |lab: &mut Lab| {
        let piece: Vec<_> = (sent..sent + 4096).map(|at| pattern(0, at)).collect();
        sent += lab.socket(handle).send_slice(&piece).expect("an open connection");
    };
    for _ in 0..200 {
        fill(&mut lab);
        lab.pass(Duration::from_millis(100));
    }
    // The access point's buffer of 32 KiB and the station's of 16 KiB are full.
    assert_eq!(sent, 48 * 1024);
    assert_eq!(lab.events.drain(..).collect::<Vec<_>>(), [Event::Readable { flow }], "once, while nothing is taken");
    // The station probes the window all the time, and goes on when there is room.
    lab.pass(Duration::from_secs(300));
    let mut taken = Vec::new();
    lab.until("all bytes", |lab| {
        taken.extend(lab.take(flow));
        taken.len() == 48 * 1024
    });
    assert!(taken.iter().enumerate().all(|(at, byte)| *byte == pattern(0, at)));
}

#[test]
fn a_station_that_does_not_read_stops_the_embedder() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    let mut sent = 0;
    for _ in 0..200 {
        let piece: Vec<_> = (sent..sent + 4096).map(|at| pattern(0, at)).collect();
        let room = lab.ap.room(flow);
        let took = lab.ap.send(flow, &piece);
        assert_eq!(took, room.min(4096));
        sent += took;
        lab.pass(Duration::from_millis(100));
    }
    assert_eq!(sent, 48 * 1024);
    // The access point probes the window, and goes on when the station reads.
    lab.pass(Duration::from_secs(300));
    lab.events.clear();
    let mut received = Vec::new();
    lab.until("all bytes", |lab| {
        received.extend(lab.read(handle));
        received.len() == 48 * 1024
    });
    assert!(received.iter().enumerate().all(|(at, byte)| *byte == pattern(0, at)));
    assert_eq!(lab.event(), Event::Room { flow });
}

#[test]
fn a_connection_survives_silence() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    lab.air.silent = true;
    lab.ap.send(flow, b"to the station");
    lab.socket(handle).send_slice(b"from the station").expect("an open connection");
    lab.pass(Duration::from_secs(90));
    assert!(lab.events.is_empty(), "{:?}", lab.events);
    lab.air.silent = false;
    assert_eq!(lab.event(), Event::Readable { flow });
    assert_eq!(lab.take(flow), b"from the station");
    lab.until("the bytes that were lost", |lab| lab.socket(handle).can_recv());
    assert_eq!(lab.read(handle), b"to the station");
}

#[test]
fn keep_alive_probes_are_answered() {
    let mut lab = Lab::new();
    let (handle, _) = lab.connected();
    lab.socket(handle).set_keep_alive(Some(smoltcp::time::Duration::from_secs(10)));
    // Without an answer, the station would give up after this time.
    lab.socket(handle).set_timeout(Some(smoltcp::time::Duration::from_secs(30)));
    lab.air.seen.clear();
    lab.pass(Duration::from_secs(600));
    assert_eq!(lab.socket(handle).state(), State::Established);
    let is_answer =
        |(direction, frame): &&(Direction, Vec<u8>)| *direction == Direction::ToStation && frame[12..14] == [8, 0];
    let answers = lab.air.seen.iter().filter(is_answer).count();
    assert!((55..=65).contains(&answers), "{answers}");
    assert!(lab.events.is_empty(), "{:?}", lab.events);
}

#[test]
fn an_idle_connection_costs_nothing_and_stays() {
    let mut lab = Lab::new();
    let (handle, flow) = lab.connected();
    lab.pass(Duration::from_secs(1));
    lab.air.seen.clear();
    let now = lab.now();
    assert_eq!(lab.ap.poll(now), None, "there is nothing to wait for");
    lab.pass(Duration::from_secs(100_000));
    assert!(lab.air.seen.is_empty());
    lab.ap.send(flow, b"still here");
    lab.until("the bytes", |lab| lab.socket(handle).can_recv());
    assert_eq!(lab.read(handle), b"still here");
}
