//! `[tap]`: the recording proxy that the boards connect to.

use std::net::{IpAddr, Ipv4Addr};

use crate::spec::{Key, Kind, TableSpec};
use crate::table::Table;

/// Where boards reach the tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// The address boards are told to connect to; the tap listens on it, one port per board.
    pub address: IpAddr,
}

pub(crate) static TAP: TableSpec = TableSpec {
    keys: &[Key::optional(
        "address",
        Kind::Text,
        "`\"127.0.0.1\"`",
        "The address that boards are told to connect to; the tap listens on it, one port per board. Boards on a network of their own need this machine's address there.",
    )],
};

impl Default for Tap {
    fn default() -> Self {
        Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }
}

impl Tap {
    pub(crate) fn read(mut table: Table<'_, '_>) -> Self {
        let address = table
            .value("address")
            .and_then(|v| v.parsed("an IP address", "example: `192.168.7.1`", |text| text.parse().ok()));
        table.finish();
        Self { address: address.unwrap_or(Self::default().address) }
    }
}
