//! What a lamp reads from NVS.

use alloc::format;
use alloc::string::String;

use lamp_core::{LAMP_PIN, Settings};

use crate::nvs::Nvs;

/// Access point. None of it has a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wifi {
    /// Name of the network (`wifi.ssid`).
    pub ssid: String,
    /// WPA passphrase (`wifi.password`); none for an open network.
    pub password: Option<String>,
}

/// Where the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Name or IPv4 address (`mqtt.host`).
    pub host: String,
    /// Port (`mqtt.port`).
    pub port: u16,
}

impl Broker {
    /// Port without a setting.
    pub const PORT: u16 = 1883;
}

/// Where the time comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeServer {
    /// Name or IPv4 address (`sntp.host`).
    pub host: String,
    /// Port (`sntp.port`).
    pub port: u16,
}

impl TimeServer {
    /// Port without a setting (RFC 4330 §4).
    pub const PORT: u16 = 123;
}

/// What the certificate of a server is checked with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Services {
    /// The CA, as PEM text (`tls.ca`).
    pub authority: Option<String>,
    /// Who knows the time: the lamp has no clock.
    pub time: Option<TimeServer>,
}

/// How the lamp is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LampPin {
    /// GPIO (`lamp.pin`).
    pub gpio: u8,
    /// Whether a low level lights it (`lamp.active_low`).
    pub active_low: bool,
}

impl LampPin {
    /// The level that shows this state; true is high.
    #[must_use]
    pub fn level(self, lit: bool) -> bool {
        lit != self.active_low
    }
}

impl Default for LampPin {
    fn default() -> Self {
        Self { gpio: LAMP_PIN, active_low: true }
    }
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppSettings {
    /// Access point, if there are settings for one.
    pub wifi: Option<Wifi>,
    /// Broker, if there are settings for one.
    pub broker: Option<Broker>,
    /// Client identifier, credentials and keep alive.
    pub lamp: Settings,
    /// Wiring.
    pub pin: LampPin,
    /// How long a new program may take to reach its broker after an update, in milliseconds (`update.trial`, in
    /// seconds).
    pub trial_ms: u64,
    /// What updates over HTTPS need.
    pub services: Services,
}

impl AppSettings {
    const TRIAL_MS: u64 = 60_000;

    /// Reads the settings; what is missing gets its default. The MAC address makes the client identifier unique.
    pub fn read(nvs: &mut Nvs, mac: [u8; 6]) -> Self {
        let [.., d, e, f] = mac;
        let password = nvs.text("wifi", "password").filter(|password| !password.is_empty());
        let wifi = nvs.text("wifi", "ssid").map(|ssid| Wifi { ssid, password });
        let port = nvs.number("mqtt", "port").unwrap_or(Broker::PORT);
        let broker = nvs.text("mqtt", "host").map(|host| Broker { host, port });
        let lamp = Settings {
            client_id: nvs.text("mqtt", "client_id").unwrap_or_else(|| format!("lamp-{d:02x}{e:02x}{f:02x}")),
            user: nvs.text("mqtt", "user"),
            password: nvs.text("mqtt", "password"),
            keep_alive: nvs.number("mqtt", "keep_alive").unwrap_or(Settings::KEEP_ALIVE),
            update_topic: nvs.text("update", "topic"),
        };
        let trial_ms =
            nvs.number::<u32>("update", "trial").map_or(Self::TRIAL_MS, |seconds| u64::from(seconds) * 1_000);
        let port = nvs.number("sntp", "port").unwrap_or(TimeServer::PORT);
        let time = nvs.text("sntp", "host").map(|host| TimeServer { host, port });
        let services = Services { authority: nvs.text("tls", "ca"), time };
        let wired = LampPin::default();
        let pin = LampPin {
            gpio: nvs.number("lamp", "pin").unwrap_or(wired.gpio),
            active_low: nvs.text("lamp", "active_low").and_then(|text| truth(&text)).unwrap_or(wired.active_low),
        };
        Self { wifi, broker, lamp, pin, trial_ms, services }
    }
}

/// A boolean is stored as 0 or 1; a string may spell it.
fn truth(text: &str) -> Option<bool> {
    match text {
        "1" | "true" => Some(true),
        "0" | "false" => Some(false),
        _ => None,
    }
}
