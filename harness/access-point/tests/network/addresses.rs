//! DHCP (RFC 2131), ARP (RFC 826) and ICMP (RFC 792).

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use hil_access_point::{AccessPoint, Config, Event, Network};
use smoltcp::socket::dhcpv4;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetProtocol,
    IpProtocol,
};

use crate::lab::{Lab, MAC, frames};

const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const LEASE: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const NONE: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// A message of a client, without options.
fn message<'a>(message_type: DhcpMessageType) -> DhcpRepr<'a> {
    DhcpRepr {
        message_type,
        transaction_id: 0x1234_5678,
        secs: 0,
        client_hardware_address: EthernetAddress(MAC),
        client_ip: NONE,
        your_ip: NONE,
        server_ip: NONE,
        router: None,
        subnet_mask: None,
        relay_agent_ip: NONE,
        broadcast: false,
        requested_ip: None,
        client_identifier: None,
        server_identifier: None,
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    }
}

/// The answer to a message: MAC and address that it is sent to, type, address, lease time.
type Answer = ([u8; 6], Ipv4Addr, DhcpMessageType, Ipv4Addr, Option<u32>);

fn ask(ap: &mut AccessPoint, message: &DhcpRepr<'_>) -> Option<Answer> {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut DhcpPacket::new_unchecked(bytes.as_mut_slice())).expect("room for all options");
    let to = if message.client_ip == NONE { Ipv4Addr::BROADCAST } else { GATEWAY };
    ap.receive(&frames::udp(SocketAddrV4::new(message.client_ip, 68), SocketAddrV4::new(to, 67), &bytes));
    let frame = ap.next_frame()?;
    assert!(frame.len() >= 14 + 20 + 8 + 300, "as long as a BOOTP message: {}", frame.len());
    assert_eq!((&frame[34..38], &frame[26..30]), (&[0, 67, 0, 68][..], &[10, 0, 2, 2][..]));
    let reply = DhcpPacket::new_checked(&frame[42..]).expect("a DHCP message");
    let reply = DhcpRepr::parse(&reply).expect("a DHCP message");
    assert_eq!(reply.transaction_id, message.transaction_id);
    assert_eq!(reply.server_identifier, Some(GATEWAY));
    let to = Ipv4Addr::new(frame[30], frame[31], frame[32], frame[33]);
    Some((frame[..6].try_into().expect("six bytes"), to, reply.message_type, reply.your_ip, reply.lease_duration))
}

fn request<'a>(address: Ipv4Addr) -> DhcpRepr<'a> {
    DhcpRepr { requested_ip: Some(address), ..message(DhcpMessageType::Request) }
}

#[test]
fn a_client_gets_everything_that_it_needs_and_renews() {
    let config = Config { lease: Duration::from_secs(120), ..Config::default() };
    let mut lab = Lab::with(config, crate::lab::Weather::fair());
    let (interface, _) = lab.station.interface();
    interface.update_ip_addrs(|addresses| addresses.clear());
    let handle = lab.station.add(dhcpv4::Socket::new());
    assert_eq!(lab.event(), Event::Leased { address: LEASE });
    lab.pass(Duration::from_millis(100));
    match lab.station.sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll() {
        Some(dhcpv4::Event::Configured(settings)) => {
            assert_eq!(settings.address.to_string(), "10.0.2.15/24");
            assert_eq!(settings.router, Some(GATEWAY));
            assert_eq!(settings.dns_servers.as_slice(), [Ipv4Addr::new(10, 0, 2, 3)]);
        }
        other => panic!("not configured: {other:?}"),
    }
    // The client needs its address to renew the lease.
    lab.station.address(LEASE, GATEWAY);
    lab.pass(Duration::from_secs(1000));
    let lost = lab.station.sockets.get_mut::<dhcpv4::Socket<'_>>(handle).poll();
    assert!(!matches!(lost, Some(dhcpv4::Event::Deconfigured)), "{lost:?}");
    assert!(lab.events.is_empty(), "renewed eight times, without a new address: {:?}", lab.events);
}

#[test]
fn replies_go_where_the_client_can_receive_them() {
    let mut ap = AccessPoint::new(Config::default());
    let offer = (MAC, LEASE, DhcpMessageType::Offer, LEASE, Some(86_400));
    let discover = message(DhcpMessageType::Discover);
    assert_eq!(ask(&mut ap, &discover), Some(offer));
    let all = ([0xff; 6], Ipv4Addr::BROADCAST);
    let loud = DhcpRepr { broadcast: true, ..discover };
    assert_eq!(ask(&mut ap, &loud), Some((all.0, all.1, DhcpMessageType::Offer, LEASE, Some(86_400))));
    let lease = (MAC, LEASE, DhcpMessageType::Ack, LEASE, Some(86_400));
    assert_eq!(ask(&mut ap, &request(LEASE)), Some(lease));
    assert_eq!(ap.next_event(), Some(Event::Leased { address: LEASE }));
    let renewal = DhcpRepr { client_ip: LEASE, ..message(DhcpMessageType::Request) };
    assert_eq!(ask(&mut ap, &renewal), Some(lease));
    assert_eq!(ap.next_event(), None);
    let refusal = Some((all.0, all.1, DhcpMessageType::Nak, NONE, None));
    assert_eq!(ask(&mut ap, &request(Ipv4Addr::new(192, 168, 1, 7))), refusal);
    assert_eq!(ask(&mut ap, &request(GATEWAY)), refusal);
    let settings = DhcpRepr { client_ip: Ipv4Addr::new(10, 0, 2, 99), ..message(DhcpMessageType::Inform) };
    let to = Ipv4Addr::new(10, 0, 2, 99);
    assert_eq!(ask(&mut ap, &settings), Some((MAC, to, DhcpMessageType::Ack, NONE, None)));
}

#[test]
fn an_address_that_is_declined_is_not_offered_again() {
    let mut ap = AccessPoint::new(Config::default());
    ask(&mut ap, &request(LEASE));
    let decline = DhcpRepr { requested_ip: Some(LEASE), ..message(DhcpMessageType::Decline) };
    assert_eq!(ask(&mut ap, &decline), None);
    let offered = ask(&mut ap, &message(DhcpMessageType::Discover)).expect("an answer").3;
    assert_eq!(offered, Ipv4Addr::new(10, 0, 2, 16));
    assert_eq!(ask(&mut ap, &request(LEASE)).expect("an answer").2, DhcpMessageType::Nak);
    assert_eq!(ask(&mut ap, &request(offered)).expect("an answer").2, DhcpMessageType::Ack);
    let events: Vec<_> = std::iter::from_fn(|| ap.next_event()).collect();
    assert_eq!(events, [Event::Leased { address: LEASE }, Event::Leased { address: offered }]);
}

#[test]
fn a_released_lease_is_a_new_one_afterwards() {
    let mut ap = AccessPoint::new(Config::default());
    for _ in 0..2 {
        assert_eq!(ask(&mut ap, &request(LEASE)).expect("an answer").2, DhcpMessageType::Ack);
        assert_eq!(ap.next_event(), Some(Event::Leased { address: LEASE }));
        let release = DhcpRepr { client_ip: LEASE, ..message(DhcpMessageType::Release) };
        assert_eq!(ask(&mut ap, &release), None);
    }
}

#[test]
fn messages_for_another_server_and_of_another_client_are_ignored() {
    let mut ap = AccessPoint::new(Config::default());
    let other = Some(Ipv4Addr::new(10, 0, 2, 9));
    assert_eq!(ask(&mut ap, &DhcpRepr { server_identifier: other, ..request(LEASE) }), None);
    let relayed = DhcpRepr { client_hardware_address: EthernetAddress([2, 0, 0, 0, 0, 9]), ..request(LEASE) };
    assert_eq!(ask(&mut ap, &relayed), None);
    assert_eq!(ap.next_event(), None);
}

#[test]
fn the_client_identifier_comes_back() {
    let mut ap = AccessPoint::new(Config::default());
    // Not of Ethernet's form, as a DUID of RFC 4361.
    let options = [smoltcp::wire::DhcpOption { kind: 61, data: b"\xffboard one" }];
    let discover = DhcpRepr { additional_options: &options, ..message(DhcpMessageType::Discover) };
    let mut bytes = vec![0; discover.buffer_len()];
    discover.emit(&mut DhcpPacket::new_unchecked(bytes.as_mut_slice())).expect("room for all options");
    let from = SocketAddrV4::new(NONE, 68);
    ap.receive(&frames::udp(from, SocketAddrV4::new(Ipv4Addr::BROADCAST, 67), &bytes));
    let frame = ap.next_frame().expect("an answer");
    assert!(frame.windows(12).any(|window| window == b"\x3d\x0a\xffboard one"));
}

#[test]
fn another_network_has_other_addresses() {
    let network = Network::new(Ipv4Addr::new(192, 168, 7, 32), 27).expect("a network");
    let names = vec![("tap".to_owned(), Ipv4Addr::new(192, 168, 7, 47))];
    let mut ap = AccessPoint::new(Config { network, names, ..Config::default() });
    ap.receive(&arp(Ipv4Addr::new(192, 168, 7, 34), NONE));
    assert_eq!(ap.next_frame().expect("an answer")[28..32], [192, 168, 7, 34]);
    // The first lease would be .47, which has a name.
    let discover = message(DhcpMessageType::Discover);
    let mut bytes = vec![0; discover.buffer_len()];
    discover.emit(&mut DhcpPacket::new_unchecked(bytes.as_mut_slice())).expect("room for all options");
    let to = SocketAddrV4::new(Ipv4Addr::BROADCAST, 67);
    ap.receive(&frames::udp(SocketAddrV4::new(NONE, 68), to, &bytes));
    assert_eq!(ap.next_frame().expect("an answer")[30..34], [192, 168, 7, 48]);
}

/// A request for the MAC of an address.
fn arp(target: Ipv4Addr, own: Ipv4Addr) -> Vec<u8> {
    let request = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Request,
        source_hardware_addr: EthernetAddress(MAC),
        source_protocol_addr: own,
        target_hardware_addr: EthernetAddress([0; 6]),
        target_protocol_addr: target,
    };
    let mut packet = vec![0; request.buffer_len()];
    request.emit(&mut ArpPacket::new_unchecked(packet.as_mut_slice()));
    frames::ethernet([0xff; 6], EthernetProtocol::Arp, &packet)
}

#[test]
fn macs_are_known_for_the_hosts_of_the_access_point_only() {
    let tap = Ipv4Addr::new(10, 0, 2, 9);
    let config = Config { names: vec![("tap".to_owned(), tap)], ..Config::default() };
    let mut ap = AccessPoint::new(config);
    for host in [GATEWAY, Ipv4Addr::new(10, 0, 2, 3), tap] {
        ap.receive(&arp(host, LEASE));
        let frame = ap.next_frame().expect("an answer");
        assert_eq!((&frame[..6], &frame[6..12]), (&MAC[..], &frames::AP[..]));
        assert_eq!(frame[20..32], [&[0, 2], &frames::AP[..], &host.octets()].concat());
        assert_eq!(frame[32..42], [&MAC[..], &LEASE.octets()].concat());
    }
    // A probe (RFC 5227) and an announcement of the station's own address, and hosts that do not exist.
    for (target, own) in [(LEASE, NONE), (LEASE, LEASE), (Ipv4Addr::new(10, 0, 2, 77), LEASE), (tap_far(), LEASE)] {
        ap.receive(&arp(target, own));
        assert_eq!(ap.next_frame(), None, "{target}");
    }
    // In the name of another.
    let mut forged = arp(GATEWAY, LEASE);
    forged[27] ^= 1;
    ap.receive(&forged);
    assert_eq!(ap.next_frame(), None);
    // A probe for an address that is in use.
    ap.receive(&arp(GATEWAY, NONE));
    assert!(ap.next_frame().is_some());
}

fn tap_far() -> Ipv4Addr {
    Ipv4Addr::new(198, 51, 100, 7)
}

fn ping(to: Ipv4Addr) -> Vec<u8> {
    let mut message = b"\x08\0\0\0\x12\x34\0\x01some data".to_vec();
    let sum: u32 = message.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).expect("a small number");
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    frames::ipv4(SocketAddrV4::new(LEASE, 0), SocketAddrV4::new(to, 0), IpProtocol::Icmp, &message)
}

#[test]
fn the_hosts_of_the_access_point_answer_pings() {
    let mut ap = AccessPoint::new(Config::default());
    for host in [GATEWAY, Ipv4Addr::new(10, 0, 2, 3)] {
        ap.receive(&ping(host));
        let frame = ap.next_frame().expect("an answer");
        assert_eq!((frame[34], &frame[38..]), (0, &b"\x12\x34\0\x01some data"[..]));
        assert_eq!((&frame[26..30], &frame[30..34]), (&host.octets()[..], &LEASE.octets()[..]));
    }
    for host in [Ipv4Addr::new(10, 0, 2, 77), tap_far(), LEASE, Ipv4Addr::BROADCAST] {
        ap.receive(&ping(host));
        assert_eq!(ap.next_frame(), None, "{host}");
    }
}

#[test]
fn frames_of_and_for_others_are_ignored() {
    let mut ap = AccessPoint::new(Config::default());
    let ping = ping(GATEWAY);
    ap.receive(&ping);
    assert!(ap.next_frame().is_some());
    let changed = |at: usize, mac: [u8; 6]| {
        let mut frame = ping.clone();
        frame[at..at + 6].copy_from_slice(&mac);
        frame
    };
    for frame in [
        changed(0, [2, 0, 0, 0, 0, 9]),
        changed(0, [0x33, 0x33, 0, 0, 0, 1]),
        changed(6, [2, 0, 0, 0, 0, 9]),
        changed(6, [0xff; 6]),
        changed(6, frames::AP),
        frames::ethernet(frames::AP, EthernetProtocol::Ipv6, &ping[14..]),
    ] {
        ap.receive(&frame);
        assert_eq!(ap.next_frame(), None);
    }
    // After the station has left, the next is another, but not the access point itself.
    ap.forget_station();
    ap.receive(&changed(6, frames::AP));
    assert_eq!(ap.next_frame(), None);
    ap.receive(&changed(6, [2, 0, 0, 0, 0, 9]));
    assert_eq!(ap.next_frame().expect("an answer")[..6], [2, 0, 0, 0, 0, 9]);
    ap.receive(&ping);
    assert_eq!(ap.next_frame(), None);
}
