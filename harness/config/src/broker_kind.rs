//! `broker.kind`, as the file that implements a kind of broker describes it.

/// A kind of broker.
#[derive(Debug, PartialEq, Eq)]
pub struct BrokerKind {
    /// The word in `bench.toml`.
    pub word: &'static str,
    /// What it is, for the reference of the bench file.
    pub doc: &'static str,
    /// Keys of `[broker]` that it does not have.
    pub refuses: &'static [&'static str],
    /// Keys that it must have, each with a hint.
    pub requires: &'static [(&'static str, &'static str)],
    /// Whether `[broker.tls]` must name a certificate, its key and who signed it.
    pub tls_needs_files: bool,
    /// What steps and the harness may rely on.
    pub can: BrokerCapabilities,
}

/// What a kind of broker can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerCapabilities {
    /// `hil` starts and stops it.
    pub stop: bool,
    /// `hil` can end it without a shutdown.
    pub crash: bool,
    /// `hil` can stop all its activity and keep its connections.
    pub pause: bool,
    /// `hil` sets its users, rights and limits, unless it has a configuration of the user's.
    pub configure: bool,
    /// It runs inside `hil`: when this process stalls, the broker stalls.
    pub in_process: bool,
    /// It outlives scenarios, with what they leave on it; scenarios have it one at a time.
    pub outlives_scenarios: bool,
}

impl BrokerKind {
    /// The broker of a bench file that names none: inside `hil`.
    pub const DEFAULT: &Self = &Self {
        word: "embedded",
        doc: "inside `hil`, MQTT 3.1.1 and 5",
        refuses: &["url", "user", "password", "websocket", "tls", "config"],
        requires: &[],
        tls_needs_files: false,
        can: BrokerCapabilities {
            stop: true,
            crash: false,
            pause: false,
            configure: true,
            in_process: true,
            outlives_scenarios: false,
        },
    };
}
