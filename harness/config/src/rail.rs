//! `[[boards.NAME.rails]]`: what switches a board's supply.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::line::{BIAS, Bias, GpioLine, LINE, Line};
use crate::spec::{Key, Kind, TableSpec, TagSpec, words};
use crate::table::{Table, Value};

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

/// What switches a rail, with all it needs to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RailDriver {
    /// A line of this machine that drives a relay or a load switch.
    Gpio(GpioLine),
    /// Port power of a USB hub, through the kernel's `disable` attribute.
    UsbPort {
        /// Place of the switched device in the USB tree, `1-1.2`: port 2 of hub `1-1`.
        topology: String,
    },
    /// Any two programs.
    Command {
        /// Switches it on.
        on: Vec<String>,
        /// Switches it off.
        off: Vec<String>,
        /// Prints `on` or `off`.
        state: Option<Vec<String>>,
        /// How long each may take.
        timeout: Duration,
    },
    /// A Tasmota plug, over MQTT.
    Tasmota {
        /// Host and port of the broker it listens to.
        broker: String,
        /// Its topic.
        topic: String,
        /// Its relay, from 1.
        output: u8,
        /// User of the broker, with its password.
        login: Option<(String, String)>,
    },
    /// A Shelly plug, over HTTP.
    Shelly {
        /// Host, with a port where it is not 80.
        address: String,
        /// Its relay, from 0.
        output: u8,
        /// First generation (`/relay/0`) or later (`/rpc/Switch.Set`).
        generation: u8,
    },
    /// A person.
    Manual,
}

impl RailDriver {
    /// The word in `bench.toml`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Gpio(_) => "gpio",
            Self::UsbPort { .. } => "usb-port",
            Self::Command { .. } => "command",
            Self::Tasmota { .. } => "tasmota",
            Self::Shelly { .. } => "shelly",
            Self::Manual => "manual",
        }
    }
}

impl RailDriver {
    /// The device that it switches, however the bench file spells it; none for a person and for lines, which are named
    /// by [`crate::lines_of`].
    #[must_use]
    pub fn device(&self) -> Option<String> {
        self.plug().map_or_else(
            || match self {
                Self::UsbPort { topology } => Some(format!("hub port {topology}")),
                Self::Command { on, off, .. } => Some(format!("commands `{}` and `{}`", on.join(" "), off.join(" "))),
                Self::Gpio(_) | Self::Manual | Self::Tasmota { .. } | Self::Shelly { .. } => None,
            },
            |(host, port)| self.device_at(&host, port),
        )
    }

    /// Host and port of a plug, or of the broker that it listens to.
    #[must_use]
    pub fn plug(&self) -> Option<(String, u16)> {
        let (address, usual) = match self {
            Self::Tasmota { broker, .. } => (broker, 1883),
            Self::Shelly { address, .. } => (address, 80),
            Self::Gpio(_) | Self::UsbPort { .. } | Self::Command { .. } | Self::Manual => return None,
        };
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (address.as_str(), usual),
        };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        Some((if host == "localhost" { "127.0.0.1".to_owned() } else { host }, port))
    }

    /// The device, with its host as given: one host has several names.
    #[must_use]
    pub fn device_at(&self, host: &str, port: u16) -> Option<String> {
        match self {
            Self::Tasmota { topic, output, .. } => {
                Some(format!("relay {output} of the Tasmota plug `{topic}` at {host}:{port}"))
            }
            Self::Shelly { output, .. } => Some(format!("relay {output} of the Shelly plug at {host}:{port}")),
            Self::Gpio(_) | Self::UsbPort { .. } | Self::Command { .. } | Self::Manual => None,
        }
    }
}

impl fmt::Display for RailDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self {
            Self::Gpio(gpio) => write!(f, " {}", gpio.line),
            Self::UsbPort { topology } => write!(f, " {topology}"),
            Self::Command { on, .. } => write!(f, " {}", on.first().map_or("", String::as_str)),
            Self::Tasmota { topic, output, .. } => write!(f, " {topic} {output}"),
            Self::Shelly { address, output, .. } => write!(f, " {address} {output}"),
            Self::Manual => Ok(()),
        }
    }
}

const OFF_TIME: Key =
    Key::optional("off-time", Kind::Duration, "the board's", "How long it stays off in a power cycle.");
const SAFE_STATE: Key = Key::optional(
    "safe-state",
    Kind::Word(|| words(SafeState::WORDS)),
    "`\"off\"`",
    "What it is left in when `hil` ends, however it ends.",
);
const ONLY_OFF: Key = Key::optional(
    "safe-state",
    Kind::Word(|| words(SafeState::WORDS)),
    "`\"off\"`",
    "Only `off`: what a line does once it is released depends on the kernel.",
);

static GPIO: TableSpec = TableSpec {
    keys: &[
        Key::required(
            "line",
            LINE,
            "Line of this machine: its name (`\"GPIO17\"`), or `{ chip = \"gpiochip0\", offset = 17 }`.",
        ),
        Key::optional("active-low", Kind::Boolean, "`false`", "Whether a low level switches the supply on."),
        Key::optional("bias", BIAS, "as it is", "Pull of the line, for an open input of a relay board."),
        OFF_TIME,
        ONLY_OFF,
    ],
};
static USB_PORT: TableSpec = TableSpec {
    keys: &[
        Key::optional(
            "topology",
            Kind::Text,
            "the port's",
            "Place of the switched device in the USB tree: `\"1-1.2\"` is port 2 of hub `1-1`.",
        ),
        OFF_TIME,
        SAFE_STATE,
    ],
};
static COMMAND: TableSpec = TableSpec {
    keys: &[
        Key::required(
            "on",
            Kind::List(&Kind::Text),
            "Program and arguments that switch it on; exit code 0 means done.",
        ),
        Key::required("off", Kind::List(&Kind::Text), "Program and arguments that switch it off."),
        Key::optional(
            "state",
            Kind::List(&Kind::Text),
            "",
            "Program and arguments that print `on` or `off`, by a measurement of the supply; makes a cut proven.",
        ),
        Key::optional("timeout", Kind::Duration, "`\"10s\"`", "How long each may take; then it is killed."),
        OFF_TIME,
        SAFE_STATE,
    ],
};
static TASMOTA: TableSpec = TableSpec {
    keys: &[
        Key::required("broker", Kind::Text, "Host and port of the broker that the plug listens to; not a scenario's."),
        Key::required("topic", Kind::Text, "The plug's topic (Tasmota's `Topic`)."),
        Key::optional("output", Kind::Integer(1, 8), "`1`", "The plug's relay, from 1."),
        Key::optional("user", Kind::Text, "", "User on that broker."),
        Key::optional("password", Kind::Text, "", "Its password; `${NAME}` takes it from the environment."),
        OFF_TIME,
        SAFE_STATE,
    ],
};
static SHELLY: TableSpec = TableSpec {
    keys: &[
        Key::required(
            "address",
            Kind::Text,
            "Host of the plug, with `:port` where it is not 80. Plugs with a password are not supported.",
        ),
        Key::optional("output", Kind::Integer(0, 7), "`0`", "The plug's relay, from 0."),
        Key::optional(
            "generation",
            Kind::Integer(1, 4),
            "`2`",
            "1: `/relay/0` (Shelly 1, Plug S); 2 and later: `/rpc/Switch.Set` (Plus, Pro, Gen3).",
        ),
        OFF_TIME,
        SAFE_STATE,
    ],
};
static MANUAL: TableSpec = TableSpec { keys: &[OFF_TIME] };

/// A rail, by its driver.
pub(crate) static RAIL: TagSpec = TagSpec {
    tag: "driver",
    what: "power driver",
    doc: "What switches the supply.",
    variants: &[
        ("gpio", &GPIO),
        ("usb-port", &USB_PORT),
        ("command", &COMMAND),
        ("tasmota", &TASMOTA),
        ("shelly", &SHELLY),
        ("manual", &MANUAL),
    ],
};

impl Rail {
    /// Reads a rail; `port_topology` stands in where a `usb-port` rail names none.
    pub(crate) fn read(value: &Value<'_, '_>, port_topology: Option<&str>) -> Option<Self> {
        let (word, mut table) = value.tagged(&RAIL)?;
        let driver = match word {
            "gpio" => read_gpio(&mut table),
            "usb-port" => read_usb_port(&mut table, port_topology),
            "command" => read_command(&mut table),
            "tasmota" => read_tasmota(&mut table),
            "shelly" => read_shelly(&mut table),
            _ => Some(RailDriver::Manual),
        };
        let off_time = table.value("off-time").and_then(|v| v.duration());
        let safe_state = if word == "manual" { SafeState::Off } else { read_safe_state(&mut table, word) };
        table.finish();
        Some(Self { driver: driver?, off_time, safe_state })
    }
}

fn read_safe_state(table: &mut Table<'_, '_>, driver: &str) -> SafeState {
    let Some(value) = table.value("safe-state") else { return SafeState::Off };
    let state = value.one_of("safe state", SafeState::WORDS).unwrap_or(SafeState::Off);
    if driver == "gpio" && state == SafeState::On {
        let hint = "leave it out; `usb-port`, `tasmota`, `shelly` and `command` rails can be left on";
        value.problem("a `gpio` rail can't be kept on: a released line may fall back to an input", hint.to_owned());
    }
    state
}

fn read_gpio(table: &mut Table<'_, '_>) -> Option<RailDriver> {
    let line = table.required("line", Line::HINT).and_then(|v| Line::read(&v));
    let active_low = table.value("active-low").and_then(|v| v.boolean()).unwrap_or(false);
    let bias = table.value("bias").and_then(|v| v.one_of("bias", Bias::WORDS));
    Some(RailDriver::Gpio(GpioLine { line: line?, active_low, bias }))
}

fn read_usb_port(table: &mut Table<'_, '_>, port_topology: Option<&str>) -> Option<RailDriver> {
    let own = table.value("topology").and_then(|v| {
        let hint = "example: `1-1.2`, port 2 of hub `1-1`";
        v.parsed("a place in the USB tree", hint, |text| crate::port::is_device(text).then(|| text.to_owned()))
    });
    // The interface of a port says nothing about the hub.
    let from_port = || port_topology.and_then(|topology| Some(topology.split(':').next()?.to_owned()));
    let topology = own.or_else(from_port);
    if topology.is_none() {
        table.missing("missing key `topology`", "example: `topology = \"1-1.2\"`; `hil boards discover` shows it");
    }
    Some(RailDriver::UsbPort { topology: topology? })
}

/// A command: one word or more, the first of which is a program.
pub(crate) fn read_command_line(value: &Value<'_, '_>) -> Option<Vec<String>> {
    let words: Option<Vec<_>> = value.array()?.iter().map(|word| word.string().map(str::to_owned)).collect();
    let words = words?;
    if words.first().is_none_or(String::is_empty) {
        value.problem("the program is missing", "example: `[\"uhubctl\", \"-a\", \"off\"]`".to_owned());
        return None;
    }
    Some(words)
}

fn read_command(table: &mut Table<'_, '_>) -> Option<RailDriver> {
    const TIMEOUT: Duration = Duration::from_secs(10);
    let on = table.required("on", "example: `on = [\"relay\", \"1\", \"on\"]`").and_then(|v| read_command_line(&v));
    let off = table.required("off", "example: `off = [\"relay\", \"1\", \"off\"]`").and_then(|v| read_command_line(&v));
    let state = table.value("state").and_then(|v| read_command_line(&v));
    let timeout = table.value("timeout").and_then(|v| v.duration_above_zero()).unwrap_or(TIMEOUT);
    Some(RailDriver::Command { on: on?, off: off?, state, timeout })
}

fn read_tasmota(table: &mut Table<'_, '_>) -> Option<RailDriver> {
    let broker = table.required("broker", "example: `broker = \"192.168.7.1:1883\"`").and_then(|v| address(&v, true));
    let topic = table.required("topic", "example: `topic = \"tasmota_1A2B3C\"`").and_then(|v| {
        v.parsed("a Tasmota topic", "the plug's `Topic`, without `cmnd/`", |text| {
            let plain = !text.is_empty() && !text.contains(['#', '+', '\0']);
            plain.then(|| text.to_owned())
        })
    });
    let output = table.value("output").and_then(|v| v.integer(1..=8)).unwrap_or(1);
    let user = table.value("user").and_then(|v| crate::env_vars::from_environment(&v));
    let password = table.value("password").and_then(|v| crate::env_vars::password(&v));
    let login = user.map(|user| (user, password.unwrap_or_default()));
    Some(RailDriver::Tasmota { broker: broker?, topic: topic?, output: u8::try_from(output).ok()?, login })
}

fn read_shelly(table: &mut Table<'_, '_>) -> Option<RailDriver> {
    let address =
        table.required("address", "example: `address = \"192.168.7.20\"`").and_then(|v| self::address(&v, false));
    let output = table.value("output").and_then(|v| v.integer(0..=7)).unwrap_or(0);
    let generation = table.value("generation").and_then(|v| v.integer(1..=4)).unwrap_or(2);
    let (output, generation) = (u8::try_from(output).ok()?, u8::try_from(generation).ok()?);
    Some(RailDriver::Shelly { address: address?, output, generation })
}

/// `host` or `host:port`.
fn address(value: &Value<'_, '_>, with_port: bool) -> Option<String> {
    let (what, hint) = if with_port {
        ("a host with a port", "example: `192.168.7.1:1883`")
    } else {
        ("a host", "example: `192.168.7.20`, or `plug.local:8080`")
    };
    value.parsed(what, hint, |text| {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let host_fits = !host.is_empty() && host.chars().all(allowed);
        let port_fits = match port {
            Some(port) => port.parse::<u16>().is_ok_and(|port| port != 0),
            None => !with_port,
        };
        (host_fits && port_fits).then(|| text.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_plug_is_one_device_however_it_is_spelt() {
        let shelly = |address: &str| RailDriver::Shelly { address: address.into(), output: 0, generation: 2 }.device();
        assert_eq!(shelly("plug.local").as_deref(), Some("relay 0 of the Shelly plug at plug.local:80"));
        assert_eq!(shelly("Plug.Local."), shelly("plug.local:80"));
        assert_eq!(shelly("localhost:8080"), shelly("127.0.0.1:8080"));
        assert_ne!(shelly("plug.local:81"), shelly("plug.local"));
        let tasmota = |broker: &str, output| {
            RailDriver::Tasmota { broker: broker.into(), topic: "plug".into(), output, login: None }.device()
        };
        assert_eq!(tasmota("LOCALHOST:1883", 1), tasmota("127.0.0.1:1883", 1));
        assert_ne!(tasmota("127.0.0.1:1883", 1), tasmota("127.0.0.1:1883", 2), "another relay");
    }
}
