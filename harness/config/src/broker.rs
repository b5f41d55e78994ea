//! `[broker]`: what the boards' messages go through.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::broker_kind::BrokerKind;
use crate::env_vars::{from_environment, password};
use crate::spec::{Key, Kind, Role, TableSpec};
use crate::table::{Table, Value};

/// The broker a scenario gets.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    /// Which broker.
    pub kind: &'static BrokerKind,
    /// Where it listens. Port 0 takes a free one for each scenario; with a fixed port, scenarios run one by one.
    pub listen: SocketAddr,
    /// Where an external broker is.
    pub url: Option<BrokerUrl>,
    /// The harness's own login on an external broker, or to one with a configuration of its own: user and
    /// password.
    pub login: Option<(String, String)>,
    /// Users and their passwords; without any, all clients may connect.
    pub users: BTreeMap<String, String>,
    /// Mosquitto's ACL file: who may read and write which topics.
    pub acl: Option<PathBuf>,
    /// How many clients may be connected at once; the harness does not count.
    pub max_connections: Option<u32>,
    /// Whether sessions and retained messages outlive a restart within a scenario.
    pub persistence: bool,
    /// Whether it has a WebSocket listener.
    pub websocket: bool,
    /// TLS towards the broker.
    pub tls: BrokerTls,
    /// A configuration file of the user's own.
    pub config: Option<PathBuf>,
}

/// Without passwords.
impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Broker")
            .field("kind", &self.kind.word)
            .field("listen", &self.listen)
            .field("url", &self.url)
            .field("user", &self.login.as_ref().map(|(user, _)| user))
            .field("users", &self.users.keys())
            .field("acl", &self.acl)
            .field("max_connections", &self.max_connections)
            .field("persistence", &self.persistence)
            .field("websocket", &self.websocket)
            .field("tls", &self.tls)
            .field("config", &self.config)
            .finish()
    }
}

/// Where an external broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    /// `mqtt`, `mqtts`, `ws` or `wss`.
    pub scheme: String,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path of a WebSocket, with its slash.
    pub path: String,
}

impl BrokerUrl {
    /// What to write where a URL is missing.
    pub const HINT: &str = "example: `mqtts://broker.example:8883`";

    /// Reads `mqtts://host:8883`, `wss://host/mqtt`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (usual, websocket) = match scheme {
            "mqtt" => (1883, false),
            "mqtts" => (8883, false),
            "ws" => (80, true),
            "wss" => (443, true),
            _ => return None,
        };
        let (address, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        let path = if websocket && path.len() < 2 { "/mqtt" } else { path };
        if !websocket && path.len() > 1 {
            return None;
        }
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !host.ends_with(':') => (host, port.parse().ok().filter(|port| *port != 0)?),
            _ => (address, usual),
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        let path = if websocket { path.to_owned() } else { String::new() };
        (!host.is_empty() && host.chars().all(fits)).then(|| Self {
            scheme: scheme.to_owned(),
            host: host.to_owned(),
            port,
            path,
        })
    }
}

/// Files for TLS; what each is for depends on the kind of broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerTls {
    /// Certificate and key: of a managed broker, or what the harness shows to an external one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Who signed the broker's certificate, and the clients'.
    pub ca: Option<PathBuf>,
    /// Whether clients must show a certificate.
    pub client_certificates: bool,
}

static TLS: TableSpec = TableSpec {
    keys: &[
        Key::optional(
            "cert",
            Kind::Text,
            "",
            "PEM file: the certificate of a `mosquitto`, or what the harness shows to an `external` broker.",
        ),
        Key::optional("key", Kind::Text, "", "PEM file: its private key."),
        Key::optional(
            "ca",
            Kind::Text,
            "the CAs that this machine trusts",
            "PEM file: who signed the broker's certificate, and the clients'.",
        ),
        Key::optional(
            "client-certificates",
            Kind::Boolean,
            "`false`",
            "Whether clients of a `mosquitto` must show a certificate signed by `ca`.",
        ),
    ],
};

pub(crate) static BROKER: TableSpec = TableSpec {
    keys: &[
        Key::optional(
            "kind",
            Kind::KindWord(Role::Broker),
            "`\"embedded\"`",
            "The broker that each scenario gets. `embedded`: inside `hil`, MQTT 3.1.1 and 5. `mosquitto`: the program, a new one with an empty store for each scenario. `external`: one that already runs and is left running.",
        ),
        Key::optional(
            "listen",
            Kind::Text,
            "`\"127.0.0.1:0\"`",
            "Address and port. Port 0 takes a free one for each scenario; with a fixed port, scenarios run one by one. Not for `external`.",
        ),
        Key::optional(
            "url",
            Kind::Text,
            "",
            "Where an `external` broker is: `mqtt://host:1883`, `mqtts://host:8883`, `ws://host/mqtt`, `wss://host/mqtt`. Required for it; its scenarios run one by one.",
        ),
        Key::optional(
            "user",
            Kind::Text,
            "",
            "User of the harness itself, on an `external` broker or with a `config` of your own.",
        ),
        Key::optional("password", Kind::Text, "", "Its password; `\"${secret:NAME}\"` keeps it out of the file."),
        Key::optional(
            "users",
            Kind::Map(&Kind::Text),
            "all clients",
            "Users and their passwords, `{ lamp = \"${secret:LAMP_PASSWORD}\" }`. Not for `external`.",
        ),
        Key::optional(
            "acl",
            Kind::Text,
            "everything",
            "A file in Mosquitto's format (`user`, `topic`, `pattern` lines): who may read and write what. Not for `external`.",
        ),
        Key::optional(
            "max-connections",
            Kind::Integer(1, 100_000),
            "no limit",
            "How many clients may be connected at once; the harness does not count. Not for `external`.",
        ),
        Key::optional(
            "persistence",
            Kind::Boolean,
            "`false`",
            "Whether sessions and retained messages outlive a restart within a scenario. Not for `external`.",
        ),
        Key::optional(
            "websocket",
            Kind::Boolean,
            "`false`",
            "Whether a `mosquitto` has a WebSocket listener for boards that connect over WebSocket; otherwise the tap connects them to its plain listener. With it, stopping the broker takes a second.",
        ),
        Key::optional(
            "tls",
            Kind::Table(&TLS),
            "",
            "TLS between the tap and the broker. Not for `embedded`: there `[tap]` has it.",
        ),
        Key::optional(
            "config",
            Kind::Text,
            "",
            "A configuration file of your own for `mosquitto`; boards are connected to its first listener. `hil` sets its store and its log.",
        ),
    ],
};

impl Default for Broker {
    fn default() -> Self {
        Self {
            kind: BrokerKind::DEFAULT,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            url: None,
            login: None,
            users: BTreeMap::new(),
            acl: None,
            max_connections: None,
            persistence: false,
            websocket: false,
            tls: BrokerTls::default(),
            config: None,
        }
    }
}

impl Broker {
    pub(crate) fn read(mut table: Table<'_, '_>, kinds: &[&'static BrokerKind]) -> Self {
        let mut broker = Self::default();
        let words: Vec<_> = kinds.iter().map(|kind| (kind.word, *kind)).collect();
        if let Some(kind) = table.value("kind").and_then(|v| v.one_of("broker kind", &words)) {
            broker.kind = kind;
        }
        broker.misplaced(&mut table);
        for (key, hint) in broker.kind.requires {
            if !table.has(key) {
                table.missing(format!("missing key `{key}`"), hint);
            }
        }
        let listen = table
            .value("listen")
            .and_then(|v| v.parsed("an address with port", "example: `127.0.0.1:1883`", |text| text.parse().ok()));
        broker.listen = listen.unwrap_or(broker.listen);
        broker.url = table.value("url").and_then(|v| v.parsed("a broker's URL", BrokerUrl::HINT, BrokerUrl::parse));
        let user = table.value("user").and_then(|v| from_environment(&v));
        let secret = table.value("password").and_then(|v| password(&v));
        broker.login = user.map(|user| (user, secret.unwrap_or_default()));
        if let Some(users) = table.map("users") {
            let read = |(name, _, value): (&str, std::ops::Range<usize>, Value<'_, '_>)| {
                Some((user_name(name, &value)?, password(&value)?))
            };
            broker.users = users.entries().filter_map(read).collect();
        }
        broker.acl = table.value("acl").and_then(|v| v.file());
        let most = table.value("max-connections").and_then(|v| v.integer(1..=100_000));
        broker.max_connections = most.and_then(|most| u32::try_from(most).ok());
        broker.persistence = table.value("persistence").and_then(|v| v.boolean()).unwrap_or(false);
        broker.websocket = table.value("websocket").and_then(|v| v.boolean()).unwrap_or(false);
        if let Some(tls) = table.table("tls", &TLS) {
            broker.tls = BrokerTls::read(tls, broker.kind);
        }
        broker.config = table.value("config").and_then(|v| v.file());
        table.finish();
        broker
    }

    /// Whether only one scenario at a time can have it.
    #[must_use]
    pub fn is_shared(&self) -> bool {
        self.kind.can.outlives_scenarios || self.config.is_some() || self.listen.port() != 0
    }

    /// Whether `hil` sets its users, rights and limits.
    #[must_use]
    pub fn is_configurable(&self) -> bool {
        self.kind.can.configure && self.config.is_none()
    }

    /// Reports keys that only another kind of broker has.
    fn misplaced(&self, table: &mut Table<'_, '_>) {
        for key in self.kind.refuses {
            if let Some(value) = table.value(key) {
                let what = format!("a broker of kind `{}` has no `{key}`", self.kind.word);
                value.problem(what, "docs/reference/bench-file.md lists the keys of each kind".to_owned());
            }
        }
    }
}

impl BrokerTls {
    fn read(mut table: Table<'_, '_>, kind: &BrokerKind) -> Self {
        let [has_cert, has_key, has_ca] = ["cert", "key", "ca"].map(|key| table.has(key));
        let [cert, key, ca] = ["cert", "key", "ca"].map(|key| table.value(key).and_then(|v| v.file()));
        let client_certificates = table.value("client-certificates").and_then(|v| v.boolean()).unwrap_or(false);
        if has_cert != has_key {
            table.missing("`cert` and `key` go together", "`hil certs` makes a pair");
        }
        if kind.tls_needs_files && !(has_cert && has_ca) {
            table.missing(format!("TLS of a `{}` needs `cert`, `key` and `ca`", kind.word), "`hil certs` makes them");
        }
        table.finish();
        Self { identity: cert.zip(key), ca, client_certificates }
    }
}

/// A name that fits into Mosquitto's files: one line, without a colon.
fn user_name(name: &str, value: &Value<'_, '_>) -> Option<String> {
    if name.is_empty() || name.contains(|c: char| c == ':' || c.is_control()) {
        value.problem(format!("`{}` is not a user name", name.escape_debug()), "no colon, no line break".to_owned());
        return None;
    }
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_scheme_host_port_and_path() {
        let url = |text| BrokerUrl::parse(text).map(|url| (url.host, url.port, url.path));
        assert_eq!(url("mqtt://broker"), Some(("broker".into(), 1883, String::new())));
        assert_eq!(url("mqtts://10.0.0.1:9999"), Some(("10.0.0.1".into(), 9999, String::new())));
        assert_eq!(url("wss://b.example/ws"), Some(("b.example".into(), 443, "/ws".into())));
        assert_eq!(url("ws://b.example:8083"), Some(("b.example".into(), 8083, "/mqtt".into())));
        assert_eq!(url("mqtt://[::1]:1883"), Some(("[::1]".into(), 1883, String::new())));
        for wrong in ["broker:1883", "http://broker", "mqtt://", "mqtt://a b", "mqtt://b:0", "mqtt://b/path"] {
            assert_eq!(url(wrong), None, "{wrong}");
        }
    }
}
