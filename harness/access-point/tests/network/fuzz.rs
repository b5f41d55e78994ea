//! A station may send any frames, in any order.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use hil_access_point::{AccessPoint, Answer, Config, Event};
use hil_fuzz::{Corpus, fuzz};
use smoltcp::wire::{EthernetFrame, EthernetProtocol, IpProtocol, Ipv4Packet, TcpPacket, UdpPacket};

use crate::lab::{Client, Direction, Echo, Lab, SERVER, Weather, frames};

/// What is between two frames of an input.
const SEPARATOR: [u8; 4] = [0xfe, 0xed, 0xf0, 0x0d];

/// The frames that a station sends to an echo in bad weather, and those of a test by hand.
fn conversations() -> Vec<Vec<u8>> {
    let mut inputs: Vec<_> = (1..5).map(conversation).collect();
    let station = SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 15), 40_000);
    let by_hand = [
        frames::tcp(station, SERVER, frames::Flag::Syn, 0),
        frames::tcp(station, SERVER, frames::Flag::Ack, 1),
        frames::tcp(station, SERVER, frames::Flag::Syn, -1),
        frames::tcp(station, SERVER, frames::Flag::Rst, 0),
        frames::udp(
            station,
            SocketAddrV4::new(Ipv4Addr::new(10, 0, 2, 3), 53),
            b"\xab\xcd\x01\0\0\x01\0\0\0\0\0\0\x01a\x04test\0\0\x01\0\x01",
        ),
        frames::udp(
            SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 68),
            SocketAddrV4::new(Ipv4Addr::BROADCAST, 67),
            &discover(),
        ),
        frames::udp(station, SERVER, b"a datagram"),
    ];
    inputs.push(by_hand.join(&SEPARATOR[..]));
    inputs
}

/// A DHCPDISCOVER: a BOOTP request, the cookie, options 53, 61 and 55.
fn discover() -> Vec<u8> {
    let mut message = vec![0; 236];
    message[..4].copy_from_slice(&[1, 1, 6, 0]);
    message[28..34].copy_from_slice(&crate::lab::MAC);
    message.extend(b"\x63\x82\x53\x63\x35\x01\x01\x3d\x04\xffabc\x37\x03\x01\x03\x06\xff");
    message
}

fn conversation(stream: u64) -> Vec<u8> {
    let mut lab = Lab::with(Config::default(), Weather::foul(stream, 10, 10, 30));
    let mut client = Client::new(lab.station.connect(SERVER), stream, 3000);
    let mut server = Echo::new();
    lab.until("an echo", |lab| {
        while let Some(event) = lab.events.pop_front() {
            server.serve(&mut lab.ap, &event);
        }
        client.work(lab.station.socket(client.handle))
    });
    let sent = lab.air.seen.iter().filter(|(direction, _)| *direction == Direction::ToAccessPoint);
    sent.map(|(_, frame)| frame.as_slice()).collect::<Vec<_>>().join(&SEPARATOR[..])
}

/// Makes the checksums of a frame valid, or most changes would end there.
fn with_checksums(frame: &mut [u8]) {
    let Ok(mut ethernet) = EthernetFrame::new_checked(&mut *frame) else { return };
    if ethernet.ethertype() != EthernetProtocol::Ipv4 {
        return;
    }
    let Ok(mut packet) = Ipv4Packet::new_checked(ethernet.payload_mut()) else { return };
    if packet.header_len() < 20 {
        return;
    }
    packet.fill_checksum();
    let (from, to, protocol) = (packet.src_addr().into(), packet.dst_addr().into(), packet.next_header());
    match protocol {
        IpProtocol::Tcp => {
            if let Ok(mut segment) = TcpPacket::new_checked(packet.payload_mut()) {
                segment.fill_checksum(&from, &to);
            }
        }
        IpProtocol::Udp => {
            if let Ok(mut datagram) = UdpPacket::new_checked(packet.payload_mut()) {
                datagram.fill_checksum(&from, &to);
            }
        }
        _ => {}
    }
}

/// An embedder that does different things with different flows.
fn serve(ap: &mut AccessPoint, event: &Event, count: usize) {
    match event {
        Event::Connect { flow, .. } => match count % 8 {
            0 => ap.refused(*flow),
            1 => ap.unreachable(*flow),
            2 => ap.ignore(*flow),
            _ => ap.accepted(*flow),
        },
        Event::Query { query, .. } => ap.answer(*query, &Answer::Addresses(vec![*SERVER.ip(); count % 20])),
        Event::Datagram { from, to, bytes } => drop(ap.datagram(*to, *from, bytes)),
        Event::Readable { flow } if count.is_multiple_of(16) => ap.reset(*flow),
        Event::Room { flow } if count.is_multiple_of(16) => ap.finish(*flow),
        other => Echo::new().serve(ap, other),
    }
}

#[test]
fn a_station_may_send_any_frames() {
    let corpus =
        Corpus::new(conversations()).with_words([&SEPARATOR[..], b"\x02\x04\x05\xb4", b"\x03\x03\x0e", b"\xc0\x0c"]);
    let start = Instant::now();
    fuzz("access-point", &corpus, 3000, |input| {
        let mut ap = AccessPoint::new(Config::default());
        let mut now = start;
        let mut count = 0;
        for (number, frame) in split(input).into_iter().enumerate() {
            let mut frame = frame.to_vec();
            if number % 8 != 7 {
                with_checksums(&mut frame);
            }
            ap.receive(&frame);
            let due = ap.poll(now);
            while let Some(event) = ap.next_event() {
                count += 1;
                serve(&mut ap, &event, count);
            }
            let waiting = std::iter::from_fn(|| ap.next_frame()).inspect(|frame| assert!(frame.len() <= 1514)).count();
            assert!(waiting <= 65, "{waiting}");
            assert!(ap.flow_count() <= 64);
            now = due.filter(|_| number % 2 == 0).unwrap_or(now + Duration::from_millis(1)).max(now);
        }
    });
}

/// Otherwise the changed ones would reach nothing.
#[test]
fn the_conversations_reach_data_and_ends() {
    for input in (1..5).map(conversation) {
        let mut ap = AccessPoint::new(Config::default());
        let now = Instant::now();
        let mut seen = Vec::new();
        for frame in split(&input) {
            ap.receive(frame);
            ap.poll(now);
            while let Some(event) = ap.next_event() {
                Echo::new().serve(&mut ap, &event);
                seen.push(event);
            }
            ap.poll(now);
            while ap.next_frame().is_some() {}
        }
        assert!(seen.iter().any(|event| matches!(event, Event::Readable { .. })), "{seen:?}");
        assert!(seen.iter().any(|event| matches!(event, Event::Finished { .. })), "{seen:?}");
    }
}

fn split(input: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    let mut rest = input;
    while let Some(at) = rest.windows(4).position(|window| window == SEPARATOR) {
        frames.push(&rest[..at]);
        rest = &rest[at + 4..];
    }
    frames.push(rest);
    frames
}
