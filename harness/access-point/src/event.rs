//! What an access point tells its embedder, and what it is answered.

use std::net::{Ipv4Addr, SocketAddrV4};

/// One TCP connection of the station. Numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowId(pub(crate) u64);

/// One question for a name. Numbers are not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueryId(pub(crate) u64);

/// What the station did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The station has a lease that it did not have before.
    Leased {
        /// Its address.
        address: Ipv4Addr,
    },
    /// The station wants a connection, and waits for `accepted`, `refused`, `unreachable` or `ignore`.
    Connect {
        /// The connection, if it becomes one.
        flow: FlowId,
        /// The station's end.
        from: SocketAddrV4,
        /// Where it wants to go. The gateway's address is this machine.
        to: SocketAddrV4,
    },
    /// There are bytes to `take`. Comes again only after some were taken.
    Readable {
        /// The connection.
        flow: FlowId,
    },
    /// There is room for `send`: after the connection is established, and after `send` took less than it was given.
    Room {
        /// The connection.
        flow: FlowId,
    },
    /// The station sends nothing more (FIN), and everything before was taken. It still receives.
    Finished {
        /// The connection.
        flow: FlowId,
    },
    /// The station has reset the connection, or gave it up before it was accepted. The flow does not exist any more.
    Reset {
        /// The connection.
        flow: FlowId,
        /// What had been received before and was not taken.
        rest: Vec<u8>,
    },
    /// A datagram to another address and port than those of the name and DHCP servers.
    Datagram {
        /// The station's end.
        from: SocketAddrV4,
        /// Where it is meant to go.
        to: SocketAddrV4,
        /// At most 1,472 bytes.
        bytes: Vec<u8>,
    },
    /// The station asks the name server something, and waits for `answer`. Without one the server is silent, whatever it
    /// knows.
    Query {
        /// The question.
        query: QueryId,
        /// Letters, digits, `-`, `_` and dots, 1 to 253 of them, as asked; empty if the question has no such name.
        name: String,
        /// What it asks.
        asks: Asks,
    },
}

/// What the station asks the name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// The IPv4 addresses of a name that is not configured.
    Addresses,
    /// The IPv4 addresses of a name that is, or of `localhost`.
    Configured,
    /// Something else: another type of record, or what can't be read.
    Other,
}

/// What the name server says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The addresses of the name: the first 12 are sent. A loopback address, which would be the station itself, is
    /// replaced by the gateway's. None says that the name exists without any.
    Addresses(Vec<Ipv4Addr>),
    /// What is configured; for another type of record, that the name has none; for what can't be read, what is wrong.
    /// SERVFAIL for [`Asks::Addresses`].
    Known,
    /// There is no such name (NXDOMAIN), whatever type of record is asked for.
    NoSuchName,
    /// It can't be said now (SERVFAIL).
    Failed,
}
