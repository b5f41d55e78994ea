//! Addresses of a network.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// An IP address, or all that have their beginning in common with it (RFC 4632, RFC 4291 §2.3).
///
/// # Example
/// ```
/// use hil_config::Subnet;
/// let subnet: Subnet = "192.168.7.0/24".parse().unwrap();
/// assert!(subnet.contains("192.168.7.20".parse().unwrap()));
/// assert!(!subnet.contains("192.168.8.20".parse().unwrap()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    address: IpAddr,
    /// How many bits are in common.
    prefix: u32,
}

/// The text is not a subnet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is not an IP address or a subnet")]
pub struct SubnetError;

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The address as a number, from its first bit on.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

impl Subnet {
    /// Whether this address is one of them. An IPv4 address that is written as one of IPv6 is the same.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let differs = bits(address) ^ bits(self.address);
        address.is_ipv4() == self.address.is_ipv4() && differs.leading_zeros() >= self.prefix
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| SubnetError)?;
        let address = if prefix.is_none() { address.to_canonical() } else { address };
        let digits = |prefix: &&str| !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix = match prefix {
            None => width(address),
            Some(prefix) => Some(prefix).filter(digits).and_then(|prefix| prefix.parse().ok()).ok_or(SubnetError)?,
        };
        if prefix <= width(address) { Ok(Self { address, prefix }) } else { Err(SubnetError) }
    }
}

/// As it is written.
impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.address) {
            return write!(f, "{}", self.address);
        }
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_has_what_begins_like_it() {
        let cases = [
            ("192.168.7.20", "192.168.7.20", true),
            ("192.168.7.20", "192.168.7.21", false),
            ("192.168.7.20", "::ffff:192.168.7.20", true),
            ("::ffff:192.168.7.20", "192.168.7.20", true),
            ("192.168.7.0/24", "192.168.7.255", true),
            ("192.168.7.99/24", "192.168.7.1", true),
            ("192.168.7.0/25", "192.168.7.128", false),
            ("0.0.0.0/0", "10.0.0.9", true),
            ("0.0.0.0/0", "fe80::1", false),
            ("::/0", "fe80::1", true),
            ("fe80::/10", "fe80::1", true),
            ("fe80::/10", "fd00::1", false),
            ("::1", "::1", true),
            ("::1/128", "::2", false),
        ];
        for (subnet, address, is_in) in cases {
            let parsed: Subnet = subnet.parse().expect(subnet);
            assert_eq!(parsed.contains(address.parse().expect(address)), is_in, "{address} in {subnet}");
        }
    }

    #[test]
    fn other_texts_are_not_subnets() {
        for text in [
            "",
            "lamp.local",
            "192.168.7",
            "10.0.0.1/33",
            "::1/129",
            "10.0.0.1/",
            "10.0.0.1/+8",
            "10.0.0.1/8/8",
            " 10.0.0.1",
        ] {
            assert_eq!(text.parse::<Subnet>(), Err(SubnetError), "{text}");
        }
        assert_eq!("10.1.0.0/16".parse::<Subnet>().expect("one").to_string(), "10.1.0.0/16");
        assert_eq!("10.1.0.0/32".parse::<Subnet>().expect("one").to_string(), "10.1.0.0");
    }
}
