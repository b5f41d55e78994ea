//! `[broker]`: what the boards' messages go through.

use std::net::SocketAddr;

use crate::spec::{Key, Kind, TableSpec, words};
use crate::table::Table;

/// The broker a scenario gets, fresh each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Which broker.
    pub kind: BrokerKind,
    /// Where it listens. Port 0 takes a free one for each scenario; with a fixed port, scenarios run one by one.
    pub listen: SocketAddr,
}

/// Kinds of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerKind {
    /// Inside `hil`: MQTT 3.1.1 and 5, nothing to install.
    Embedded,
}

impl BrokerKind {
    const WORDS: &[(&'static str, Self)] = &[("embedded", Self::Embedded)];

    /// The word in `bench.toml`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
        }
    }
}

pub(crate) static BROKER: TableSpec = TableSpec {
    keys: &[
        Key::optional(
            "kind",
            Kind::Word(|| words(BrokerKind::WORDS)),
            "`\"embedded\"`",
            "The broker that each scenario gets. `embedded`: inside `hil`, MQTT 3.1.1 and 5.",
        ),
        Key::optional(
            "listen",
            Kind::Text,
            "`\"127.0.0.1:0\"`",
            "Address and port. Port 0 takes a free one for each scenario; with a fixed port, scenarios run one by one.",
        ),
    ],
};

impl Default for Broker {
    fn default() -> Self {
        Self { kind: BrokerKind::Embedded, listen: SocketAddr::from(([127, 0, 0, 1], 0)) }
    }
}

impl Broker {
    pub(crate) fn read(mut table: Table<'_, '_>) -> Self {
        let default = Self::default();
        let kind = table.value("kind").and_then(|v| v.one_of("broker kind", BrokerKind::WORDS));
        let listen = table
            .value("listen")
            .and_then(|v| v.parsed("an address with port", "example: `127.0.0.1:1883`", |text| text.parse().ok()));
        table.finish();
        Self { kind: kind.unwrap_or(default.kind), listen: listen.unwrap_or(default.listen) }
    }
}
