//! The network behind a virtual Wi-Fi access point, for boards that execute real machine code.
//!
//! Ethernet frames of one station go in ([`AccessPoint::receive`]), frames for it come out
//! ([`AccessPoint::next_frame`]). The station's TCP connections and datagrams come out as [`Event`]s, to be connected to
//! real sockets by its embedder: there is no socket, no clock and no thread in here. Time is a parameter, so what
//! happens depends on nothing else than what was fed in.
//!
//! | the station | is answered by |
//! | --- | --- |
//! | asks for an address (DHCP, RFC 2131 and 2132) | a lease: mask, router, name server, lease time |
//! | asks for a MAC (ARP, RFC 826) of the gateway, the name server or a named address on the network | the access point's |
//! | pings one of these (ICMP, RFC 792) | an echo reply |
//! | asks for a name (DNS, RFC 1035) | what the embedder answers to [`Event::Query`]: also that the configured address holds |
//! | opens a connection (TCP, RFC 9293) to any address | a SYN-ACK only after [`AccessPoint::accepted`] |
//! | sends a datagram (UDP, RFC 768) to any address | what the embedder sends with [`AccessPoint::datagram`] |
//!
//! IPv6, fragments, multicast and frames of other stations are ignored. Connections of the network *to* the station are
//! not offered: what runs on a bench is a client.
//!
//! # One round
//!
//! Feed frames and commands, call [`AccessPoint::poll`], then take frames and events. An event that was answered with a
//! command begins the next round at once: segments are sent only in `poll`. Without one, wait for a frame, for what the
//! real sockets do, or for the time that `poll` has returned.
//!
//! # Back-pressure
//!
//! A station is not trusted: what it can make this crate hold is bounded.
//!
//! - From the station: received bytes stay in the flow's buffer (32 KiB) until [`AccessPoint::take`]; then the window
//!   that the station sees closes. Bytes are acknowledged when they are in the buffer, as a kernel does it.
//! - To the station: [`AccessPoint::send`] takes what fits (32 KiB a flow), and [`Event::Room`] says when there is more.
//! - At most 64 flows: a further SYN is answered with RST. At most 64 frames wait for the station, 256 of its segments
//!   for the next `poll`, and 256 events; frames beyond that are lost, as on air.
//!
//! # Why smoltcp
//!
//! TCP is [smoltcp](https://docs.rs/smoltcp)'s: retransmission, reassembly, window probes and the closing states took
//! others years, and a station's stack meets all of them as soon as the radio loses a frame. What smoltcp does not have is
//! a listener for *every* address and port, and a SYN-ACK that waits until the real connection exists. Both are had by
//! holding the SYN back: once the embedder has accepted the flow, a socket that listens on exactly its destination is
//! made, and the SYN is the next segment that the stack sees. The stack's interface has `any_ip` set and carries IP, not
//! Ethernet: there is one station, so there is nothing to resolve.
//!
//! ARP, DHCP, DNS and ICMP are answered here, with smoltcp's readers and writers of packets. smoltcp has clients for
//! DHCP and DNS, but no servers, and its ARP with `any_ip` would answer for the station's own address, which the station
//! takes for a conflict (RFC 5227).

mod access_point;
mod air;
mod arp;
mod config;
mod dhcp;
mod dns;
mod event;
mod flows;
mod icmp;

pub use access_point::AccessPoint;
pub use config::{Config, Network, NetworkError};
pub use event::{Answer, Asks, Event, FlowId, QueryId};
