//! What a lamp is told before it starts.

use alloc::string::String;

/// Settings, as the platform read them from NVS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Client identifier.
    pub client_id: String,
    /// User name, if the broker wants one.
    pub user: Option<String>,
    /// Password, if the broker wants one.
    pub password: Option<String>,
    /// Keep alive in seconds (NVS `mqtt.keep_alive`); 0 turns it off.
    pub keep_alive: u16,
}

impl Settings {
    /// Keep alive where NVS holds none, in seconds.
    pub const KEEP_ALIVE: u16 = 5;
}

/// What a version of the lamp does. Faulty versions lack one thing each; harness features must find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// Answers a QoS 1 message with PUBACK.
    pub acknowledges: bool,
    /// Announces a will.
    pub has_will: bool,
    /// Announces its keep alive and pings.
    pub keeps_alive: bool,
    /// Survives the command `on`.
    pub survives_on: bool,
    /// Subscribes to its commands.
    pub subscribes: bool,
}

impl Variant {
    /// The lamp as it should be.
    pub const GOOD: Self =
        Self { acknowledges: true, has_will: true, keeps_alive: true, survives_on: true, subscribes: true };
}
