//! `[tap]`: the recording proxy that the boards connect to.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use crate::spec::{Key, Kind, TableSpec, words};
use crate::table::Table;

/// Where boards reach the tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tap {
    /// The address that boards are given to connect to.
    pub address: IpAddr,
    /// The address the tap listens on, one port per board.
    pub listen: IpAddr,
    /// How TLS is handled.
    pub tls: TapTls,
    /// What the tap shows to boards: certificate and key. None makes a pair for each run.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Who signed the tap's certificate and the boards'.
    pub ca: Option<PathBuf>,
}

/// How TLS is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TapTls {
    /// It ends at the tap, which reads what is inside.
    Terminate,
    /// It is forwarded to the broker, unread.
    PassThrough,
}

impl TapTls {
    const WORDS: &[(&'static str, Self)] = &[("terminate", Self::Terminate), ("pass-through", Self::PassThrough)];
}

pub(crate) static TAP: TableSpec = TableSpec {
    keys: &[
        Key::optional(
            "address",
            Kind::Text,
            "`\"127.0.0.1\"`",
            "The address to which boards connect, `{tap.host}`. Boards on a network of their own need this machine's address in that network.",
        ),
        Key::optional(
            "listen",
            Kind::Text,
            "`address`",
            "The address that the tap listens on, one port per board, for MQTT, TLS and WebSocket alike. It differs from `address` if boards reach this machine by another one: an emulator's `10.0.2.2`, behind NAT, in a container (`\"0.0.0.0\"` listens on all).",
        ),
        Key::optional(
            "tls",
            Kind::Word(|| words(TapTls::WORDS)),
            "`\"terminate\"`",
            "How a board's TLS is handled. `terminate`: it ends at the tap, which reads its contents. `pass-through`: it is forwarded to the broker's TLS listener, unread; steps that need packets are `errored`.",
        ),
        Key::optional(
            "cert",
            Kind::Text,
            "made for each run",
            "PEM file: the certificate that the tap shows to boards. `hil certs` makes one.",
        ),
        Key::optional("key", Kind::Text, "made for each run", "PEM file: its private key."),
        Key::optional(
            "ca",
            Kind::Text,
            "made for each run",
            "PEM file: the CA that signed the certificates of the tap and the boards; `{tap.ca}` in a firmware's settings becomes its text.",
        ),
    ],
};

impl Default for Tap {
    fn default() -> Self {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Self { address, listen: address, tls: TapTls::Terminate, identity: None, ca: None }
    }
}

impl Tap {
    pub(crate) fn read(mut table: Table<'_, '_>) -> Self {
        let default = Self::default();
        let mut address_of = |key, example| {
            let value = table.value(key);
            value.and_then(|v| v.parsed("an IP address", example, |text| text.parse().ok()))
        };
        let address = address_of("address", "example: `192.168.7.1`").unwrap_or(default.address);
        let listen = address_of("listen", "example: `0.0.0.0` listens on all addresses").unwrap_or(address);
        let tls = table.value("tls").and_then(|v| v.one_of("treatment of TLS", TapTls::WORDS));
        let given = ["cert", "key", "ca"].map(|key| table.has(key));
        let [cert, key, ca] = ["cert", "key", "ca"].map(|key| table.value(key).and_then(|v| v.file()));
        if given.contains(&true) && given.contains(&false) {
            table.missing("`cert`, `key` and `ca` go together", "`hil certs` makes all three");
        }
        table.finish();
        Self { address, listen, tls: tls.unwrap_or(default.tls), identity: cert.zip(key), ca }
    }
}
