//! What an access point offers.

use std::net::Ipv4Addr;
use std::time::Duration;

/// Offsets in the network, as in QEMU's user network.
const GATEWAY: u32 = 2;
const NAME_SERVER: u32 = 3;
const FIRST_LEASE: u32 = 15;

/// The network of an access point.
///
/// The second address is the gateway, which is also this machine; the third is the name server; leases begin at the
/// fifteenth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: Ipv4Addr,
    prefix: u8,
}

/// Why there is no such network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// The prefix leaves too few addresses, or takes all of them.
    #[error("a prefix of {0} bits: 8 to 27 are possible")]
    Prefix(u8),
    /// Bits after the prefix are set.
    #[error("{0}/{1} is the address of a host, not of a network")]
    Host(Ipv4Addr, u8),
    /// Stations have no addresses of this kind.
    #[error("{0} is not the address of a network with stations")]
    Reserved(Ipv4Addr),
}

impl Network {
    /// The network with this first address and a prefix of 8 to 27 bits.
    ///
    /// # Errors
    /// For another prefix, an address inside the network, and one that stations can't have (0/8, 127/8, 224/3).
    pub fn new(base: Ipv4Addr, prefix: u8) -> Result<Self, NetworkError> {
        if !(8..=27).contains(&prefix) {
            return Err(NetworkError::Prefix(prefix));
        }
        let network = Self { base, prefix };
        if base.to_bits() & !network.mask().to_bits() != 0 {
            return Err(NetworkError::Host(base, prefix));
        }
        if !is_host(base) {
            return Err(NetworkError::Reserved(base));
        }
        Ok(network)
    }

    /// The address of this machine on the network, and of the router.
    #[must_use]
    pub fn gateway(self) -> Ipv4Addr {
        self.at(GATEWAY)
    }

    /// The address of the name server.
    #[must_use]
    pub fn name_server(self) -> Ipv4Addr {
        self.at(NAME_SERVER)
    }

    /// The address that a station gets, unless it declined it.
    #[must_use]
    pub fn first_lease(self) -> Ipv4Addr {
        self.at(FIRST_LEASE)
    }

    /// The mask of the network.
    #[must_use]
    pub fn mask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(u32::MAX << (32 - u32::from(self.prefix)))
    }

    /// Whether an address is on the network, its first and last one included.
    #[must_use]
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & self.mask().to_bits() == self.base.to_bits()
    }

    pub(crate) fn prefix(self) -> u8 {
        self.prefix
    }

    pub(crate) fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() | !self.mask().to_bits())
    }

    /// All addresses for stations, in the order in which they are offered.
    pub(crate) fn leases(self) -> impl Iterator<Item = Ipv4Addr> {
        (self.first_lease().to_bits()..self.broadcast().to_bits()).map(Ipv4Addr::from_bits)
    }

    fn at(self, offset: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.base.to_bits() | offset)
    }
}

impl Default for Network {
    /// 10.0.2.0/24, QEMU's.
    fn default() -> Self {
        Self { base: Ipv4Addr::new(10, 0, 2, 0), prefix: 24 }
    }
}

/// Whether an address can be that of one host elsewhere.
pub(crate) fn is_host(address: Ipv4Addr) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 224..)
}

/// What an access point offers.
#[derive(Debug, Clone)]
pub struct Config {
    /// Addresses of stations, gateway and name server.
    pub network: Network,
    /// Names that the name server answers for, in any case, and their addresses. Those on the network become hosts of
    /// their own: they are resolved by ARP and answer pings.
    pub names: Vec<(String, Ipv4Addr)>,
    /// The MAC of the access point, also as router.
    pub mac: [u8; 6],
    /// For how long an address is leased: 1 s to 2³² − 2 s. Stations renew after half of it.
    pub lease: Duration,
    /// Whether a station may talk to 127/8. No host sends there by cable or air (RFC 1122, 3.2.1.3), but a network stack without a
    /// loopback interface does, and means what is beside the access point.
    pub loopback: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            network: Network::default(),
            names: Vec::new(),
            // Locally administered (IEEE 802, second bit of the first octet), with the gateway's address, as QEMU's.
            mac: [0x52, 0x55, 10, 0, 2, 2],
            lease: Duration::from_secs(86_400),
            loopback: false,
        }
    }
}

impl Config {
    /// Whether the access point itself answers for an address.
    pub(crate) fn is_ours(&self, address: Ipv4Addr) -> bool {
        let network = self.network;
        address == network.gateway()
            || address == network.name_server()
            || (network.contains(address) && self.names.iter().any(|(_, named)| *named == address))
    }

    /// Whether a station may have an address.
    pub(crate) fn is_station(&self, address: Ipv4Addr) -> bool {
        let network = self.network;
        network.contains(address) && address != network.base && address != network.broadcast() && !self.is_ours(address)
    }

    /// Whether a station may talk to an address: not to itself, to all, or to none.
    pub(crate) fn is_destination(&self, address: Ipv4Addr) -> bool {
        let is_host = is_host(address) || self.loopback && address.is_loopback();
        is_host && address != self.network.base && address != self.network.broadcast()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_network_is_that_of_qemu() {
        let network = Network::new(Ipv4Addr::new(10, 0, 2, 0), 24).expect("a network");
        assert_eq!(network, Network::default());
        assert_eq!(network.gateway(), Ipv4Addr::new(10, 0, 2, 2));
        assert_eq!(network.name_server(), Ipv4Addr::new(10, 0, 2, 3));
        assert_eq!(network.first_lease(), Ipv4Addr::new(10, 0, 2, 15));
        assert_eq!(network.mask(), Ipv4Addr::new(255, 255, 255, 0));
        assert_eq!(network.leases().count(), 240);
    }

    #[test]
    fn impossible_networks_are_refused() {
        for prefix in [0, 7, 28, 32, 33, 255] {
            assert_eq!(Network::new(Ipv4Addr::new(10, 0, 0, 0), prefix), Err(NetworkError::Prefix(prefix)));
        }
        let host = Ipv4Addr::new(10, 0, 2, 1);
        assert_eq!(Network::new(host, 24), Err(NetworkError::Host(host, 24)));
        for base in [Ipv4Addr::new(127, 0, 0, 0), Ipv4Addr::new(0, 0, 0, 0), Ipv4Addr::new(224, 0, 0, 0)] {
            assert_eq!(Network::new(base, 8), Err(NetworkError::Reserved(base)));
        }
        assert!(Network::new(Ipv4Addr::new(192, 168, 7, 32), 27).expect("a network").leases().count() == 16);
    }

    #[test]
    fn a_named_address_on_the_network_is_a_host() {
        let tap = Ipv4Addr::new(10, 0, 2, 9);
        let far = Ipv4Addr::new(198, 51, 100, 7);
        let config = Config { names: vec![("tap".into(), tap), ("far".into(), far)], ..Config::default() };
        assert!(config.is_ours(tap) && !config.is_station(tap) && config.is_destination(tap));
        assert!(!config.is_ours(far) && !config.is_station(far) && config.is_destination(far));
        let with_loopback = Config { loopback: true, ..config.clone() };
        assert!(!config.is_destination(Ipv4Addr::LOCALHOST) && with_loopback.is_destination(Ipv4Addr::LOCALHOST));
        assert!(config.is_station(config.network.first_lease()));
        assert!(!config.is_station(config.network.broadcast()) && !config.is_destination(config.network.broadcast()));
    }
}
