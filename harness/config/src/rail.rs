//! `[[boards.NAME.rails]]`: what switches a board's supply.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::line::Line;
use crate::spec::{Key, Kind, Role, TableSpec, TagSpec, words};
use crate::table::{Table, Value, listed};

/// One switched supply of a board.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rail {
    /// What switches it.
    pub driver: RailDriver,
    /// How long it stays off in a power cycle; the longest of a board's rails counts.
    pub off_time: Option<Duration>,
    /// What it is left in when `hil` ends, however it ends.
    pub safe_state: SafeState,
}

/// What a rail is left in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SafeState {
    /// Without supply.
    Off,
    /// With supply.
    On,
}

impl SafeState {
    const WORDS: &[(&'static str, Self)] = &[("off", Self::Off), ("on", Self::On)];
}

/// A kind of power driver, as the file that implements it describes it.
#[derive(Debug, Clone, Copy)]
pub struct RailKind {
    /// The word under `driver`.
    pub word: &'static str,
    /// The keys of its table.
    pub keys: &'static TableSpec,
    /// Why it can't be left on, where it can't.
    pub never_left_on: Option<&'static str>,
    /// Reads its table; none if something in it is wrong, which the table knows by then.
    pub read: fn(&mut Table<'_, '_>, &RailContext<'_>) -> Option<RailDriver>,
}

/// What a rail's table may leave to the board that it belongs to.
#[derive(Debug, Clone, Copy, Default)]
pub struct RailContext<'a> {
    /// The place of the board's port in the USB tree.
    pub port_topology: Option<&'a str>,
}

/// What switches a rail: its settings, for its driver alone, and what the rest of the bench must know of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RailDriver {
    /// The word in `bench.toml`.
    pub word: String,
    /// What its table says, as the driver reads it. May hold passwords.
    pub settings: serde_json::Value,
    /// The rail as messages name it.
    pub name: String,
    /// What only one board can have.
    pub uses: RailUses,
    /// How long one switch or one measurement may take, with all attempts.
    pub patience: Duration,
    /// Whether the rail is off as soon as it is opened.
    pub opens_off: bool,
    /// Whether a person switches it.
    pub by_hand: bool,
}

/// What only one board can have of this machine or of its network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RailUses {
    /// Lines of this machine.
    pub lines: Vec<Line>,
    /// The port of a USB hub: `1-1.2` is port 2 of hub `1-1`.
    pub hub_port: Option<String>,
    /// A device behind an address.
    pub remote: Option<RemoteDevice>,
    /// Programs, as people read them.
    pub programs: Option<String>,
}

/// A device behind an address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteDevice {
    /// What it is there: `relay 0 of the Shelly plug`.
    pub what: String,
    /// Its host, in lower case and without a dot at its end.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl RemoteDevice {
    /// A device at `host` or `host:port`; without a port, `usual_port` is meant.
    #[must_use]
    pub fn at(address: &str, usual_port: u16, what: String) -> Option<Self> {
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (address, usual_port),
        };
        Some(Self::new(host, port, what))
    }

    /// A device at a port of a host.
    #[must_use]
    pub fn new(host: &str, port: u16, what: String) -> Self {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        Self { what, host: if host == "localhost" { "127.0.0.1".to_owned() } else { host }, port }
    }

    /// The same device under another name of its host.
    #[must_use]
    pub fn at_host(&self, host: &str) -> Self {
        Self { host: host.to_owned(), ..self.clone() }
    }
}

impl fmt::Display for RemoteDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}:{}", self.what, self.host, self.port)
    }
}

impl RailDriver {
    /// The device that it switches, however the bench file spells it; none for a person, and for lines, which are named
    /// by [`crate::lines_of`].
    #[must_use]
    pub fn device(&self) -> Option<String> {
        let RailUses { hub_port, remote, programs, .. } = &self.uses;
        let hub_port = hub_port.as_ref().map(|place| format!("hub port {place}"));
        hub_port.or_else(|| remote.as_ref().map(ToString::to_string)).or_else(|| programs.clone())
    }
}

impl fmt::Display for RailDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Of every rail: how long it stays off.
pub const OFF_TIME: Key =
    Key::optional("off-time", Kind::Duration, "the board's", "How long it stays off in a power cycle.");
/// Of a rail that can be left on.
pub const SAFE_STATE: Key = Key::optional(
    "safe-state",
    Kind::Word(|| words(SafeState::WORDS)),
    "`\"off\"`",
    "What it is left in when `hil` ends, however it ends.",
);

/// A rail, by its driver.
pub(crate) static RAIL: TagSpec =
    TagSpec { tag: "driver", what: "power driver", doc: "What switches the supply.", role: Role::Rail };

impl Rail {
    /// Reads a rail by the description of its kind.
    pub(crate) fn read(value: &Value<'_, '_>, context: &RailContext<'_>, kinds: &[RailKind]) -> Option<Self> {
        let variants: Vec<_> = kinds.iter().map(|kind| (kind.word, kind.keys)).collect();
        let (word, mut table) = value.tagged(&RAIL, &variants)?;
        let kind = kinds.iter().find(|kind| kind.word == word)?;
        let driver = (kind.read)(&mut table, context);
        let off_time = table.value("off-time").and_then(|v| v.duration());
        let safe_state = read_safe_state(&mut table, kind, kinds);
        table.finish();
        Some(Self { driver: driver?, off_time, safe_state })
    }
}

fn read_safe_state(table: &mut Table<'_, '_>, kind: &RailKind, kinds: &[RailKind]) -> SafeState {
    if !has_safe_state(kind) {
        return SafeState::Off;
    }
    let Some(value) = table.value("safe-state") else { return SafeState::Off };
    let state = value.one_of("safe state", SafeState::WORDS).unwrap_or(SafeState::Off);
    if let (Some(reason), SafeState::On) = (kind.never_left_on, state) {
        let can = kinds.iter().filter(|kind| kind.never_left_on.is_none() && has_safe_state(kind));
        let can = listed(&can.map(|kind| kind.word).collect::<Vec<_>>());
        let what = format!("a `{}` rail can't be kept on: {reason}", kind.word);
        value.problem(what, format!("leave it out; rails of these drivers can be left on: {can}"));
    }
    state
}

fn has_safe_state(kind: &RailKind) -> bool {
    kind.keys.keys.iter().any(|key| key.name == SAFE_STATE.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plug_is_one_device_however_it_is_spelled() {
        let device = |address: &str| RemoteDevice::at(address, 80, "relay 0".into()).map(|device| device.to_string());
        assert_eq!(device("plug.local").as_deref(), Some("relay 0 at plug.local:80"));
        assert_eq!(device("Plug.Local."), device("plug.local:80"));
        assert_eq!(device("localhost:8080"), device("127.0.0.1:8080"));
        assert_ne!(device("plug.local:81"), device("plug.local"));
    }
}
