//! The settings of a lamp.

use alloc::string::String;

/// Settings that the platform reads from NVS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Client identifier.
    pub client_id: String,
    /// User name, if the broker requires one.
    pub user: Option<String>,
    /// Password, if the broker requires one.
    pub password: Option<String>,
    /// Keep alive in seconds (NVS `mqtt.keep_alive`); 0 turns it off.
    pub keep_alive: u16,
    /// Topic on which updates are announced (NVS `update.topic`); without one the lamp takes none.
    pub update_topic: Option<String>,
}

impl Settings {
    /// Keep alive in seconds if NVS has none.
    pub const KEEP_ALIVE: u16 = 5;
}

/// When a version of the lamp that is on trial after an update confirms itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirms {
    /// When a broker has accepted its connection: an update that can't be updated again is no good.
    Online,
    /// At its start, which any version reaches.
    AtStart,
    /// Never.
    Never,
}

/// What a version of the lamp does. Each faulty version lacks one thing, which the features must find.
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
    /// When it confirms itself after an update.
    pub confirms: Confirms,
    /// Compares an update with its announced SHA-256.
    pub checks_hash: bool,
    /// Checks the certificate of a server.
    pub checks_certificate: bool,
    /// Chooses the new slot after it has written and checked it, and writes to the one that does not run.
    pub switches_last: bool,
}

impl Variant {
    /// The lamp as it should be.
    pub const GOOD: Self = Self {
        acknowledges: true,
        has_will: true,
        keeps_alive: true,
        survives_on: true,
        subscribes: true,
        confirms: Confirms::Online,
        checks_hash: true,
        checks_certificate: true,
        switches_last: true,
    };
}
